package updates

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/store"

	"github.com/prometheus/client_golang/prometheus"
)

// filled are the events of an order that is placed and filled at once, with no position before.
func filled(orderID, execution, alpacaID string) []string {
	return []string{
		"order.accepted " + orderID + ":accepted", "order.filled " + orderID + ":filled",
		"position.opened " + orderID + ":" + execution + ":position", "account.updated " + alpacaID + ":account",
	}
}

func TestFillBecomesOneFilledEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start()
	for _, kind := range []string{"account", "positions"} {
		w.redis.HSet(store.SnapshotKey(alice, kind), "data", "old")
	}
	w.order(alice)
	now := time.Now()
	fill := trade("fill", "o1", now, executed("x1", "10", "10"))
	w.alpaca.send(alice, trade("pending_new", "o1", now.Add(-2*time.Millisecond)), trade("new", "o1", now.Add(-time.Millisecond)), fill)
	w.expect(alice, filled("o1", "x1", fill.EventID)...)

	if cursor, _ := w.redis.Get(store.CursorKey(alice)); cursor != fill.EventID {
		t.Errorf("cursor is %q, want %q", cursor, fill.EventID)
	}
	if generation, _ := w.redis.Get(store.GenerationKey(alice)); generation != "3" {
		t.Errorf("generation is %q, want 3", generation)
	}
	if w.redis.Exists(store.SnapshotKey(alice, "account")) || w.redis.Exists(store.SnapshotKey(alice, "positions")) {
		t.Error("a snapshot from before the fill is left")
	}
	eventually(t, "the fill is counted", func() bool { return source.metric(t, "account_update_events_total", "fill") == 1 })
	if streams := source.metric(t, "account_update_streams", ""); streams != 1 {
		t.Errorf("%v streams", streams)
	}
}

func TestRepeatedEventsChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start()
	w.order(alice)
	now := time.Now()
	fill := trade("fill", "o1", now, executed("x1", "10", "10"))
	w.alpaca.send(alice, fill, fill)
	w.expect(alice, filled("o1", "x1", fill.EventID)...)
	for cut := 1; cut <= 3; cut++ { // every new stream begins before the fill
		w.alpaca.cutStreams()
		eventually(t, "the stream is opened anew", func() bool { return w.alpaca.timesOpened(alice) > cut && w.alpaca.streaming(alice) == 1 })
	}
	later := trade("new", "o2", now.Add(time.Second))
	w.alpaca.send(alice, later)
	w.expect(alice, append(filled("o1", "x1", fill.EventID), "order.accepted o2:accepted")...)
	if generation, _ := w.redis.Get(store.GenerationKey(alice)); generation != "2" {
		t.Errorf("generation is %q, want 2", generation)
	}
	if n := source.metric(t, "account_update_events_total", "fill"); n != 1 {
		t.Errorf("fill was counted %v times", n)
	}
}

func TestTakeoverResumesWithoutLossOrRepeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	events := []string{}
	dead := lease.New(w.client, "dead")
	held, err := dead.Acquire(t.Context(), store.UpdatesLeaseKey(alice), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	journal := newJournal(w.client)
	for i, orderID := range []string{"o1", "o2", "o3"} {
		fill := trade("fill", orderID, now.Add(time.Duration(i)*time.Millisecond), executed("x", "10", "10"))
		w.alpaca.send(alice, fill)
		events = append(events, filled(orderID, "x", fill.EventID)...)
		if i == 2 {
			break // its owner died before this one
		}
		entries, err := translate(alice, &fill, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if news, err := journal.record(t.Context(), held, alice, "", fill.EventID, entries, ended{}); err != nil || !news {
			t.Fatal(news, err)
		}
	}
	w.order(alice)
	w.start()
	eventually(t, "the dead owner's events are published", func() bool { return len(w.sink.published(alice)) == 8 })
	if w.alpaca.timesOpened(alice) != 0 {
		t.Fatal("the account was followed without its lease")
	}
	w.redis.FastForward(11 * time.Second)
	w.expect(alice, events...)

	late := trade("fill", "o4", now, executed("x", "10", "10"))
	entries, err := translate(alice, &late, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := journal.record(t.Context(), held, alice, "", late.EventID, entries, ended{}); !errors.Is(err, errFenced) {
		t.Fatalf("the former owner's write: %v", err)
	}
}

func TestStopGivesTheLeaseBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.start()
	w.order(alice)
	eventually(t, "the account is followed", func() bool { return w.alpaca.streaming(alice) == 1 })
	first.stop()
	if w.redis.Exists(store.UpdatesLeaseKey(alice)) {
		t.Fatal("the lease is still held")
	}
	eventually(t, "the stream is closed", func() bool { return w.alpaca.streaming(alice) == 0 })
	w.start()
	eventually(t, "the next instance follows", func() bool { return w.alpaca.streaming(alice) == 1 })
}

func TestLostLeaseEndsTheStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start(func(c *Config) { c.LeaseLife = 100 * time.Millisecond })
	w.order(alice)
	eventually(t, "the account is followed", func() bool { return w.alpaca.streaming(alice) == 1 })
	w.redis.HSet(store.UpdatesLeaseKey(alice), "owner", "other", "token", "9")
	eventually(t, "the stream is closed", func() bool { return w.alpaca.streaming(alice) == 0 })
	eventually(t, "the follower is gone", func() bool { return source.metric(t, "account_update_streams", "") == 0 })
	if owner := w.redis.HGet(store.UpdatesLeaseKey(alice), "owner"); owner != "other" {
		t.Fatalf("the lease is %q's", owner)
	}
}

func TestStaleOwnerStopsAtItsNextEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start() // renews every 3 s only
	w.order(alice)
	eventually(t, "the account is followed", func() bool { return w.alpaca.streaming(alice) == 1 })
	w.redis.HSet(store.UpdatesLeaseKey(alice), "owner", "other", "token", "9")
	w.alpaca.send(alice, trade("fill", "o1", time.Now(), executed("x", "10", "10")))
	eventually(t, "the follower is gone", func() bool { return source.metric(t, "account_update_streams", "") == 0 })
	if w.redis.Exists(store.CursorKey(alice)) || len(w.sink.published(alice)) != 0 {
		t.Fatal("a stale owner wrote")
	}
}

func TestOneAccountsTroubleIsItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alpaca.change(func() { w.alpaca.refuse["PK"+bob] = true })
	source := w.start()
	w.order("stranger") // not in the vault
	w.order(bob)
	w.order(alice)
	w.alpaca.send(alice, trade("new", "o1", time.Now()))
	w.expect(alice, "order.accepted o1:accepted")
	eventually(t, "the refusal is counted", func() bool {
		return source.metric(t, "account_update_failures_total", failureUnauthorized) == 1
	})
}

func TestAnnouncementStartsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(func(c *Config) { c.ScanInterval = time.Hour })
	eventually(t, "the source listens", func() bool { return len(w.redis.PubSubChannels("updates.*")) == 1 })
	w.order(alice)
	eventually(t, "the account is followed", func() bool { return w.alpaca.streaming(alice) == 1 })
}

func TestNoMoreStreamsThanAllowed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.order(alice)
	w.order(bob)
	one := func(c *Config) { c.MaxStreams = 1 }
	first := w.start(one)
	eventually(t, "one is followed", func() bool { return w.alpaca.streaming(alice)+w.alpaca.streaming(bob) == 1 })
	w.start(one)
	eventually(t, "the other instance follows the other", func() bool { return w.alpaca.streaming(alice) == 1 && w.alpaca.streaming(bob) == 1 })
	if streams := first.metric(t, "account_update_streams", ""); streams != 1 {
		t.Fatalf("%v streams", streams)
	}
}

func TestUnknownEventsAreCountedAndIgnored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start()
	w.order(alice)
	now := time.Now()
	w.alpaca.send(alice, trade("teleported", "o1", now), trade("held", "o1", now.Add(time.Millisecond)), trade("new", "o1", now.Add(2*time.Millisecond)))
	w.expect(alice, "order.accepted o1:accepted")
	eventually(t, "all are counted", func() bool {
		return source.metric(t, "account_update_events_total", unknownEvent) == 1 &&
			source.metric(t, "account_update_events_total", "held") == 1
	})
}

func TestUnreadableEventDoesNotHideLaterOnes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start()
	w.order(alice)
	now := time.Now()
	w.alpaca.send(alice, trade("new", "o1", now.Add(-10*time.Second)))
	w.alpaca.sendRaw(alice, now.Add(-8*time.Second), `{"event":`)
	w.alpaca.send(alice, trade("new", "o2", now))
	w.expect(alice, "order.accepted o1:accepted", "order.accepted o2:accepted")
}

func TestStartsOnAFreePort(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	registry := prometheus.NewRegistry()
	d := platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{})
	function, err := New(cfg, d)
	if err != nil {
		t.Fatal(err)
	}
	server := platform.NewServer(cfg.Base(), d, function)
	if err := server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	for path, text := range map[string]string{"/healthz": "ok", "/readyz": "ok", "/metrics": "account_update_streams 0", "/openapi.json": "openapi"} {
		if status, body := fetch(t, server.URL()+path); status != 200 || !strings.Contains(body, text) {
			t.Errorf("%s: %d %.200s", path, status, body)
		}
	}
	if err := server.Stop(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func TestConfig(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"complete", func(*Config) {}, ""},
		{"no sink", func(c *Config) { c.Sink = "" }, "K_SINK"},
		{"negative streams", func(c *Config) { c.MaxStreams = -1 }, "MAX_STREAMS"},
		{"no token key", func(c *Config) { c.JWTSecret = "" }, "JWT_SECRET"},
	} {
		t.Run(test.name, func(t *testing.T) {
			cfg := w.config()
			test.change(&cfg)
			err := cfg.Validate()
			if (err == nil) != (test.want == "") || (err != nil && !strings.Contains(err.Error(), test.want)) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
		})
	}
	cfg := w.config()
	cfg.Sink = ""
	registry := prometheus.NewRegistry()
	if _, err := New(cfg, platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{})); err == nil {
		t.Fatal("a source without a sink was built")
	}
	if zero := (Config{}).withDefaults(); slices.Contains([]time.Duration{zero.ScanInterval, zero.QuietPeriod, zero.LeaseLife}, 0) || zero.MaxStreams == 0 {
		t.Fatalf("%+v", zero)
	}
}

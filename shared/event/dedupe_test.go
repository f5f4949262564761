package event_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

const consumer = "order"

func newRedis(t testing.TB) (*miniredis.Miniredis, *redis.Client) {
	t.Helper()
	server := miniredis.RunT(t)
	client := redis.NewClient(&redis.Options{Addr: server.Addr(), MaxRetries: -1})
	t.Cleanup(func() { _ = client.Close() })
	return server, client
}

func begin(t *testing.T, d *event.Deduper, id string, want event.State) event.Token {
	t.Helper()
	token, state, err := d.Begin(t.Context(), consumer, source, id)
	if err != nil || state != want {
		t.Fatalf("Begin = %v, %v; want state %v", state, err, want)
	}
	return token
}

func TestDeduperFromNewToDone(t *testing.T) {
	t.Parallel()
	server, client := newRedis(t)
	d := event.NewDeduper(client, event.DeduperConfig{})
	begin(t, d, "1", event.StateNew)
	begin(t, d, "1", event.StateInProgress)
	if err := d.Done(t.Context(), consumer, source, "1"); err != nil {
		t.Fatal(err)
	}
	begin(t, d, "1", event.StateDone)
	server.FastForward(24 * time.Hour)
	begin(t, d, "1", event.StateDone)
	begin(t, d, "2", event.StateNew)
}

func TestDeduperRelease(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	d := event.NewDeduper(client, event.DeduperConfig{})
	token := begin(t, d, "1", event.StateNew)
	if err := d.Release(t.Context(), consumer, source, "1", token); err != nil {
		t.Fatal(err)
	}
	begin(t, d, "1", event.StateNew)
}

// TestDeduperLeaseEnds also proves the scripts on a real server and on a cluster.
func TestDeduperLeaseEnds(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		const lease = 50 * time.Millisecond
		crashing := event.NewDeduper(client, event.DeduperConfig{Lease: lease})
		crashed := begin(t, crashing, "1", event.StateNew)
		advance(2 * lease) // Redis ends a key only after the last millisecond of its time
		d := event.NewDeduper(client, event.DeduperConfig{})
		token := begin(t, d, "1", event.StateNew)
		if err := d.Release(t.Context(), consumer, source, "1", crashed); err != nil {
			t.Fatal(err)
		}
		begin(t, d, "1", event.StateInProgress) // the old token must not end the new holder's lease
		if err := d.Release(t.Context(), consumer, source, "1", token); err != nil {
			t.Fatal(err)
		}
		begin(t, d, "1", event.StateNew)
		if err := d.Done(t.Context(), consumer, source, "1"); err != nil {
			t.Fatal(err)
		}
		begin(t, d, "1", event.StateDone)
		left, err := client.PTTL(t.Context(), event.KeyDedupe(consumer, source, "1")).Result()
		if err != nil || left < 24*time.Hour {
			t.Fatalf("remembered for %s, %v", left, err)
		}
	})
}

func TestDeduperDoneOutlivesALostLease(t *testing.T) {
	t.Parallel()
	server, client := newRedis(t)
	d := event.NewDeduper(client, event.DeduperConfig{})
	begin(t, d, "1", event.StateNew)
	server.FastForward(event.DefaultDedupeLease)
	second := begin(t, d, "1", event.StateNew)
	if err := d.Done(t.Context(), consumer, source, "1"); err != nil {
		t.Fatal(err)
	}
	if err := d.Release(t.Context(), consumer, source, "1", second); err != nil {
		t.Fatal(err)
	}
	begin(t, d, "1", event.StateDone)
}

// late is a Redis whose first answer to a script comes too late: the client has sent it again, or given up when lost is set.
type late struct {
	event.Redis
	lost bool
}

func (l *late) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return l.second(ctx, l.Redis.EvalSha(ctx, sha, keys, args...), func() *redis.Cmd { return l.Redis.EvalSha(ctx, sha, keys, args...) })
}

func (l *late) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return l.second(ctx, l.Redis.Eval(ctx, script, keys, args...), func() *redis.Cmd { return l.Redis.Eval(ctx, script, keys, args...) })
}

func (l *late) second(ctx context.Context, first *redis.Cmd, again func() *redis.Cmd) *redis.Cmd {
	if redis.HasErrorPrefix(first.Err(), "NOSCRIPT") {
		return first
	}
	if l.lost {
		l.lost = false
		failed := redis.NewCmd(ctx)
		failed.SetErr(errors.New("i/o timeout"))
		return failed
	}
	return again()
}

// TestDeduperKnowsItsOwnLease: a script that ran twice, or whose answer was lost, leaves no lease that nobody works under.
func TestDeduperKnowsItsOwnLease(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	slow := &late{Redis: client}
	d := event.NewDeduper(slow, event.DeduperConfig{})
	begin(t, d, "1", event.StateNew)
	begin(t, d, "1", event.StateInProgress)
	slow.lost = true
	if _, _, err := d.Begin(t.Context(), consumer, source, "2"); err == nil {
		t.Fatal("no error")
	}
	begin(t, d, "2", event.StateNew)
}

func TestDeduperWithoutRedis(t *testing.T) {
	t.Parallel()
	server, client := newRedis(t)
	d := event.NewDeduper(client, event.DeduperConfig{})
	server.Close()
	if _, _, err := d.Begin(t.Context(), consumer, source, "1"); err == nil {
		t.Error("Begin must fail")
	}
	if d.Done(t.Context(), consumer, source, "1") == nil || d.Release(t.Context(), consumer, source, "1", "x") == nil {
		t.Error("Done and Release must fail")
	}
}

func TestKeyDedupe(t *testing.T) {
	t.Parallel()
	key := event.KeyDedupe("order", "/s", "1")
	if !strings.HasPrefix(key, "dedupe:{order:") || !strings.HasSuffix(key, "}") || len(key) != len("dedupe:{order:}")+32 {
		t.Errorf("got %s", key)
	}
	others := []string{
		event.KeyDedupe("account", "/s", "1"), event.KeyDedupe("order", "/s", "2"), event.KeyDedupe("order", "/s1", ""),
		event.KeyDedupe("order", "", "/s1"),
	}
	for _, other := range others {
		if other == key {
			t.Errorf("%s is not unique", key)
		}
	}
}

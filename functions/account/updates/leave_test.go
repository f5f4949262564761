package updates

import (
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// hasty leaves accounts soon.
func hasty(c *Config) {
	c.QuietPeriod = 300 * time.Millisecond
	c.UpstreamTimeout = 300 * time.Millisecond
}

func TestQuietAccountWithoutOpenOrdersIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start(hasty)
	w.order(alice)
	fill := trade("fill", "o1", time.Now(), executed("x", "10", "10"))
	w.alpaca.send(alice, fill)
	eventually(t, "the account is no longer active", func() bool { return !w.isActive(alice) })
	eventually(t, "the lease is given back", func() bool { return !w.redis.Exists(store.UpdatesLeaseKey(alice)) })
	eventually(t, "the stream is closed", func() bool { return w.alpaca.streaming(alice) == 0 })
	eventually(t, "the follower is gone", func() bool { return source.metric(t, "account_update_streams", "") == 0 })
	w.expect(alice, filled("o1", "x", fill.EventID)...)

	w.order(alice) // it comes back with its next order
	eventually(t, "the account is followed again", func() bool { return w.alpaca.streaming(alice) == 1 })
}

func TestQuietAccountWithOpenOrdersStays(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alpaca.change(func() { w.alpaca.open["PK"+alice] = 1 })
	w.start(hasty)
	w.order(alice)
	eventually(t, "the stream is opened anew, in case it has died", func() bool { return w.alpaca.timesOpened(alice) >= 3 })
	if !w.isActive(alice) {
		t.Fatal("an account with an open order was left")
	}
	w.alpaca.change(func() { w.alpaca.open["PK"+alice] = 0 })
	eventually(t, "the account is left", func() bool { return !w.isActive(alice) })
}

// The order's fill is under way when Alpaca says that nothing is open any more.
func TestLastFillIsHeardBeforeTheAccountIsLeft(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(hasty)
	w.order(alice)
	eventually(t, "open orders were counted", func() bool { return w.alpaca.get(func() int { return w.alpaca.asked }) >= 1 })
	fill := trade("fill", "o1", time.Now(), executed("x", "10", "10"))
	w.alpaca.send(alice, fill)
	w.expect(alice, filled("o1", "x", fill.EventID)...)
}

func TestOrderWhileLeavingKeepsTheAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	active := newActiveSet(w.client)
	w.order(alice)
	seen, err := active.last(t.Context(), alice)
	if err != nil || seen.IsZero() {
		t.Fatal(seen, err)
	}
	key := store.ActiveAccountsKey(store.Shard(alice))
	if _, err := w.client.ZIncrBy(t.Context(), key, 1, alice).Result(); err != nil {
		t.Fatal(err)
	}
	if removed, err := active.remove(t.Context(), alice, seen); err != nil || removed {
		t.Fatal(removed, err)
	}
	if seen, err = active.last(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	if removed, err := active.remove(t.Context(), alice, seen); err != nil || !removed {
		t.Fatal(removed, err)
	}
	if seen, err = active.last(t.Context(), alice); err != nil || !seen.IsZero() {
		t.Fatal(seen, err)
	}
}

func TestBusyAccountIsNotAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.start(hasty, func(c *Config) { c.TradingRequestsPerMinute, c.CancelReserve = 100, 50 }) // 2 x 50: never for counting
	w.order(alice)
	eventually(t, "the stream is opened anew", func() bool { return w.alpaca.timesOpened(alice) >= 3 })
	if asked := w.alpaca.get(func() int { return w.alpaca.asked }); asked != 0 || !w.isActive(alice) {
		t.Fatalf("asked %d times without a token", asked)
	}
}

// TestAccountIsNotLeftInTheMiddleOfItsEvents: a takeover reads minutes of repeats before it comes to what is new, and Redis
// may be slow over each of them. That is not a quiet account.
func TestAccountIsNotLeftInTheMiddleOfItsEvents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	now := time.Now()
	former := lease.New(w.client, "former")
	held, err := former.Acquire(t.Context(), store.UpdatesLeaseKey(alice), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	journal := newJournal(w.client)
	for i := range 40 {
		e := trade("pending_cancel", "o1", now.Add(time.Duration(i-100)*time.Millisecond)) // says nothing to subscribers
		w.alpaca.send(alice, e)
		if _, err := journal.record(t.Context(), held, alice, "", e.EventID, nil, ended{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := former.Release(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	fill := trade("fill", "o1", now, executed("x", "10", "10"))
	w.alpaca.send(alice, fill)
	slow := w.slowRedis(40 * time.Millisecond)
	w.start(hasty, func(c *Config) { c.RedisURL = config.Secret(slow) })
	w.order(alice)
	w.expect(alice, filled("o1", "x", fill.EventID)...)
}

// slowRedis is the world's Redis behind a line that takes d for what is sent to it, and returns its address.
func (w *world) slowRedis(d time.Duration) string {
	w.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
	var lines sync.WaitGroup
	w.t.Cleanup(func() {
		_ = listener.Close()
		lines.Wait()
	})
	lines.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", w.redis.Addr())
			if err != nil {
				_ = client.Close()
				continue
			}
			lines.Go(func() { _, _ = io.Copy(client, server); _ = client.Close() })
			lines.Go(func() { _, _ = io.Copy(server, delayed{client, d}); _ = server.Close() })
		}
	})
	return "redis://" + listener.Addr().String()
}

// delayed reads late.
type delayed struct {
	io.Reader
	by time.Duration
}

func (r delayed) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	<-time.After(r.by)
	return n, err
}

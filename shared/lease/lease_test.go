package lease_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// life is short because a real server has to be waited for.
const life = 60 * time.Millisecond

// long is a life that no test sees the end of.
const long = time.Minute

func key() string { return store.UpdatesLeaseKey("ACC001") }

func acquire(t *testing.T, leases *lease.Leases, ttl time.Duration) lease.Lease {
	t.Helper()
	held, err := leases.Acquire(t.Context(), key(), ttl)
	if err != nil {
		t.Fatal(err)
	}
	return held
}

func TestOneOwnerAtATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		a, b := lease.New(client, "a"), lease.New(client, "b")
		held := acquire(t, a, long)
		if _, err := b.Acquire(t.Context(), key(), long); !errors.Is(err, lease.ErrHeld) {
			t.Fatalf("got %v, want ErrHeld", err)
		}
		if again := acquire(t, a, long); again != held {
			t.Fatalf("the owner acquired again and got %+v after %+v", again, held)
		}
		if _, err := b.Acquire(t.Context(), store.UpdatesLeaseKey("ACC002"), long); err != nil {
			t.Fatalf("another key: %v", err)
		}
	})
}

func TestRelease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		a, b := lease.New(client, "a"), lease.New(client, "b")
		first := acquire(t, a, long)
		if err := a.Release(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if err := a.Renew(t.Context(), first, long); !errors.Is(err, lease.ErrLost) {
			t.Fatalf("renewed a released lease: %v", err)
		}
		second := acquire(t, b, long)
		if second.Token <= first.Token {
			t.Fatalf("token %d after %d", second.Token, first.Token)
		}
		if err := a.Release(t.Context(), first); err != nil {
			t.Fatal(err)
		}
		if err := b.Renew(t.Context(), second, long); err != nil {
			t.Fatalf("a stale release took the lease away: %v", err)
		}
	})
}

func TestExpiryAndTakeover(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		a, b := lease.New(client, "a"), lease.New(client, "b")
		first := acquire(t, a, life)
		advance(life + time.Millisecond)
		if err := a.Renew(t.Context(), first, life); !errors.Is(err, lease.ErrLost) {
			t.Fatalf("renewed a lease that had run out: %v", err)
		}
		second := acquire(t, b, long)
		if second.Token <= first.Token {
			t.Fatalf("token %d after %d", second.Token, first.Token)
		}
		if err := a.Renew(t.Context(), first, long); !errors.Is(err, lease.ErrLost) {
			t.Fatalf("renewed a lease that another has: %v", err)
		}
		if _, err := a.Acquire(t.Context(), key(), long); !errors.Is(err, lease.ErrHeld) {
			t.Fatalf("got %v, want ErrHeld", err)
		}
	})
}

func TestRenewProlongs(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		a, b := lease.New(client, "a"), lease.New(client, "b")
		held := acquire(t, a, life)
		if err := a.Renew(t.Context(), held, long); err != nil {
			t.Fatal(err)
		}
		advance(life + time.Millisecond)
		if _, err := b.Acquire(t.Context(), key(), life); !errors.Is(err, lease.ErrHeld) {
			t.Fatalf("got %v, want ErrHeld", err)
		}
	})
}

// A fencing token that comes back lets an owner who slept through the loss of Redis act beside the new one.
func TestTokensGrowAfterRedisLostEverything(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		a, b := lease.New(client, "a"), lease.New(client, "b")
		first := acquire(t, a, long)
		if err := client.Del(t.Context(), key(), key()+":fence").Err(); err != nil {
			t.Fatal(err)
		}
		advance(2 * time.Millisecond)
		second := acquire(t, b, long)
		if second.Token <= first.Token {
			t.Fatalf("token %d after %d", second.Token, first.Token)
		}
		if err := a.Renew(t.Context(), first, long); !errors.Is(err, lease.ErrLost) {
			t.Fatalf("the former owner renewed the new one's lease: %v", err)
		}
	})
}

func TestConcurrentAcquireHasOneWinner(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		var last int64
		for range 10 {
			var wins, token atomic.Int64
			var wait sync.WaitGroup
			for i := range 16 {
				leases := lease.New(client, string(rune('a'+i)))
				wait.Go(func() {
					held, err := leases.Acquire(t.Context(), key(), long)
					if err == nil {
						wins.Add(1)
						token.Store(held.Token)
					} else if !errors.Is(err, lease.ErrHeld) {
						t.Error(err)
					}
				})
			}
			wait.Wait()
			if wins.Load() != 1 || token.Load() <= last {
				t.Fatalf("%d owners, token %d after %d", wins.Load(), token.Load(), last)
			}
			last = token.Load()
			if err := client.Del(t.Context(), key()).Err(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

func TestRedisAway(t *testing.T) {
	client, _ := storetest.Embedded(t)
	leases := lease.New(client, "a")
	held := acquire(t, leases, long)
	ctx := t.Context()
	gone := storetest.Away(t)
	away := lease.New(gone, "a")
	_, acquireErr := away.Acquire(ctx, key(), long)
	for verb, err := range map[string]error{
		"acquire": acquireErr, "renew": away.Renew(ctx, held, long), "release": away.Release(ctx, held),
	} {
		if err == nil || errors.Is(err, lease.ErrLost) || errors.Is(err, lease.ErrHeld) {
			t.Errorf("%s without Redis: %v, want an error that is neither ErrHeld nor ErrLost", verb, err)
		}
	}
}

func TestHoldRenewsAndGivesBack(t *testing.T) {
	client := storetest.Server(t)
	a, b := lease.New(client, "a"), lease.New(client, "b")
	own, stop := a.Hold(t.Context(), acquire(t, a, life), life)
	for since := time.Now(); time.Since(since) < 3*life; {
		if _, err := b.Acquire(t.Context(), key(), life); !errors.Is(err, lease.ErrHeld) && own.Err() == nil {
			t.Fatalf("another owner got it: %v", err)
		}
	}
	stop()
	if !errors.Is(own.Err(), context.Canceled) {
		t.Fatalf("got %v", own.Err())
	}
	if _, err := b.Acquire(t.Context(), key(), long); err != nil {
		t.Fatalf("it was not given back: %v", err)
	}
}

func TestHoldEndsWhenTheLeaseIsLost(t *testing.T) {
	client := storetest.Server(t)
	a := lease.New(client, "a")
	own, stop := a.Hold(t.Context(), acquire(t, a, life), life)
	defer stop()
	if err := client.Del(t.Context(), key()).Err(); err != nil {
		t.Fatal(err)
	}
	<-own.Done()
	if !errors.Is(context.Cause(own), lease.ErrLost) {
		t.Fatalf("got %v", context.Cause(own))
	}
}

// First tells who must wait for a former owner that Redis forgot, also when it asks a second time.
func TestFirst(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		a := lease.New(client, "a")
		for _, round := range []string{"empty", "flushed"} {
			held := acquire(t, a, long)
			if again := acquire(t, a, long); !held.First || !again.First {
				t.Fatalf("%s: %+v, then %+v", round, held, again)
			}
			if err := a.Release(t.Context(), held); err != nil {
				t.Fatal(err)
			}
			if next := acquire(t, lease.New(client, "b"), long); next.First {
				t.Fatalf("%s: %+v after %+v", round, next, held)
			}
			if err := client.Del(t.Context(), key(), key()+":fence").Err(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

package bucket_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// slow fills so slowly that no token comes back while a test runs on a real clock.
func slow(limit int) bucket.Rate {
	return bucket.Rate{Limit: limit, Period: time.Duration(limit) * time.Hour}
}

func key() string { return store.BucketKey("ACC001", "orders") }

func take(t testing.TB, b *bucket.Bucket, rate bucket.Rate, cost, reserve int) bucket.Grant {
	t.Helper()
	grant, err := b.Take(t.Context(), key(), rate, cost, reserve)
	if err != nil {
		t.Fatal(err)
	}
	return grant
}

func TestTake(t *testing.T) {
	type call struct{ cost, reserve, granted, remaining int }
	cases := []struct {
		name  string
		limit int
		calls []call
	}{
		{"one by one", 3, []call{{1, 0, 1, 2}, {1, 0, 1, 1}, {1, 0, 1, 0}, {1, 0, 0, 0}}},
		{"all at once", 3, []call{{3, 0, 3, 0}, {1, 0, 0, 0}}},
		{"all or none", 3, []call{{2, 0, 2, 1}, {2, 0, 0, 1}, {1, 0, 1, 0}}},
		{"more than there can be", 3, []call{{4, 0, 0, 3}, {3, 0, 3, 0}}},
		{"a reserve is kept for others", 5, []call{{1, 2, 1, 2}, {2, 2, 2, 0}, {1, 2, 0, 0}, {1, 0, 1, 1}, {1, 0, 1, 0}, {1, 0, 0, 0}}},
		{"a limit of one", 1, []call{{1, 0, 1, 0}, {1, 0, 0, 0}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
				b := bucket.New(client)
				for i, call := range c.calls {
					got := take(t, b, slow(c.limit), call.cost, call.reserve)
					if got.Granted != call.granted || got.Remaining != call.remaining {
						t.Fatalf("call %d: got %+v, want %d granted and %d left", i, got, call.granted, call.remaining)
					}
					if (got.Granted == 0) != (got.RetryAfter > 0) {
						t.Fatalf("call %d: granted %d, retry after %s", i, got.Granted, got.RetryAfter)
					}
				}
			})
		})
	}
}

func TestWaitingAsLongAsToldSuffices(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		b, rate := bucket.New(client), bucket.Rate{Limit: 3, Period: 90 * time.Millisecond}
		take(t, b, rate, 3, 0)
		for range 3 {
			refused := take(t, b, rate, 3, 0)
			if refused.Granted != 0 {
				t.Skip("this machine took longer than the bucket needs to fill")
			}
			advance(refused.RetryAfter)
			if got := take(t, b, rate, 3, 0); got.Granted != 3 {
				t.Fatalf("after waiting %s: %+v", refused.RetryAfter, got)
			}
		}
	})
}

func TestLease(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		b := bucket.New(client)
		for i, want := range []int{5, 5, 2, 0} {
			got, err := b.Lease(t.Context(), key(), slow(12), 5)
			if err != nil || got.Granted != want {
				t.Fatalf("lease %d: got %+v, %v; want %d", i, got, err, want)
			}
		}
	})
}

// A refused lease is worth another try when one token is there, not when all of it would be.
func TestRefusedLeaseWaitsForOneToken(t *testing.T) {
	client, advance := storetest.Embedded(t)
	b, rate := bucket.New(client), bucket.Rate{Limit: 10, Period: time.Second}
	take(t, b, rate, 10, 0)
	refused, err := b.Lease(t.Context(), key(), rate, 5)
	if err != nil || refused.RetryAfter != 100*time.Millisecond {
		t.Fatalf("got %+v, %v; want 100 ms", refused, err)
	}
	advance(refused.RetryAfter)
	if got, err := b.Lease(t.Context(), key(), rate, 5); err != nil || got.Granted != 1 {
		t.Fatalf("got %+v, %v; want one token", got, err)
	}
}

func TestConcurrentTakesNeverExceedTheLimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		const limit = 50
		var granted atomic.Int64
		var wait sync.WaitGroup
		for range 8 {
			b := bucket.New(client)
			wait.Go(func() {
				for range 20 {
					granted.Add(int64(take(t, b, slow(limit), 1, 0).Granted))
				}
			})
		}
		wait.Wait()
		if granted.Load() != limit {
			t.Fatalf("granted %d of %d", granted.Load(), limit)
		}
	})
}

func TestBucketIsForgottenWhenFull(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		rate := bucket.Rate{Limit: 10, Period: 10 * time.Second}
		got := take(t, bucket.New(client), rate, 5, 0)
		ttl, err := client.PTTL(t.Context(), key()).Result()
		if err != nil || ttl <= 0 || ttl > got.Reset+2*time.Second {
			t.Fatalf("TTL %s, %v; the bucket is full in %s", ttl, err, got.Reset)
		}
	})
}

func TestTakeWithoutRedis(t *testing.T) {
	b := bucket.New(storetest.Away(t))
	if grant, err := b.Take(t.Context(), key(), slow(3), 1, 0); err == nil || grant.Granted != 0 {
		t.Fatalf("got %+v, %v", grant, err)
	}
}

// model is a bucket as a level of time: it fills by a microsecond each microsecond, and a token is worth interval.
type model struct{ interval, period, level int64 }

func (m *model) advance(d time.Duration) { m.level = min(m.period, m.level+d.Microseconds()) }

func (m *model) take(cost, reserve int64, partial bool) bucket.Grant {
	available := m.level/m.interval - reserve
	granted, needed := cost, cost
	if partial {
		needed = 1
	}
	if available < cost {
		granted = 0
		if partial {
			granted = max(0, available)
		}
	}
	m.level -= granted * m.interval
	grant := bucket.Grant{
		Granted: int(granted), Remaining: int(max(0, m.level/m.interval-reserve)),
		Reset: time.Duration(m.period-m.level) * time.Microsecond,
	}
	if granted == 0 {
		grant.RetryAfter = time.Duration((needed+reserve)*m.interval-m.level) * time.Microsecond
	}
	return grant
}

func TestAgainstModel(t *testing.T) {
	client, advance := storetest.Embedded(t)
	b := bucket.New(client)
	rapid.Check(t, func(r *rapid.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			r.Fatal(err)
		}
		limit := rapid.IntRange(1, 50).Draw(r, "limit")
		interval := rapid.Int64Range(1, 100_000).Draw(r, "interval")
		rate := bucket.Rate{Limit: limit, Period: time.Duration(int64(limit)*interval) * time.Microsecond}
		m := &model{interval: interval, period: rate.Period.Microseconds(), level: rate.Period.Microseconds()}
		for range rapid.IntRange(1, 20).Draw(r, "steps") {
			pause := time.Duration(rapid.Int64Range(0, 2*interval).Draw(r, "pause")) * time.Microsecond
			advance(pause)
			m.advance(pause)
			cost := rapid.IntRange(1, limit).Draw(r, "cost")
			var got, want bucket.Grant
			var err error
			if rapid.Bool().Draw(r, "lease") {
				got, err = b.Lease(t.Context(), key(), rate, cost)
				want = m.take(int64(cost), 0, true)
			} else {
				reserve := rapid.IntRange(0, limit-cost).Draw(r, "reserve")
				got, err = b.Take(t.Context(), key(), rate, cost, reserve)
				want = m.take(int64(cost), int64(reserve), false)
			}
			if err != nil || got != want {
				r.Fatalf("limit %d, interval %d us, cost %d: got %+v, %v; want %+v", limit, interval, cost, got, err, want)
			}
		}
	})
}

// Whatever the limit, also one that does not divide its period into whole microseconds: no window of time gets more
// than a full bucket and what came back since.
func TestNeverMoreThanTheRate(t *testing.T) {
	client, advance := storetest.Embedded(t)
	b := bucket.New(client)
	rapid.Check(t, func(r *rapid.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			r.Fatal(err)
		}
		limit := rapid.IntRange(1, 1000).Draw(r, "limit")
		// The time of a token is kept in whole microseconds: from 100 on the error is below 1 %.
		period := rapid.IntRange(limit*100, 60_000_000).Draw(r, "period")
		rate := bucket.Rate{Limit: limit, Period: time.Duration(period) * time.Microsecond}
		var elapsed time.Duration
		granted := 0
		for range 15 {
			got, err := b.Lease(t.Context(), key(), rate, rapid.IntRange(1, rate.Limit).Draw(r, "cost"))
			if err != nil {
				r.Fatal(err)
			}
			granted += got.Granted
			returned := float64(rate.Limit) * float64(elapsed) / float64(rate.Period)
			if float64(granted) > float64(rate.Limit)+returned*1.01+1 {
				r.Fatalf("%d granted of %d and %f that came back", granted, rate.Limit, returned)
			}
			pause := time.Duration(rapid.Int64Range(0, rate.Period.Microseconds()/int64(rate.Limit)*3+1).Draw(r, "pause")) * time.Microsecond
			advance(pause)
			elapsed += pause
		}
	})
}

package bucket_test

import (
	"context"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

const scope = "quotes"

// patience is a busy machine's: no test is about a Redis that is merely slow.
const patience = 20 * time.Second

// instance is one process's limits with a clock that moves together with its Redis.
type instance struct {
	*bucket.Limits
	clock    *clock.Fake
	commands *commands
}

func newInstance(client redis.UniversalClient, rate bucket.Rate) *instance {
	counter, clk := new(commands), clock.NewFake(time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC))
	client.AddHook(counter)
	limits := bucket.NewLimits(bucket.New(client), bucket.LimitsConfig{
		Rates: func(name, _ string) (bucket.Rate, bool) { return rate, name == scope },
		Clock: clk, Logger: zap.NewNop(), Patience: patience,
	})
	return &instance{limits, clk, counter}
}

func (i *instance) take(t testing.TB) serve.Decision {
	t.Helper()
	decision, err := i.Take(t.Context(), scope, "ACC001")
	if err != nil {
		t.Fatal(err)
	}
	return decision
}

// commands counts the commands of a client.
type commands struct{ count atomic.Int64 }

func (c *commands) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *commands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		c.count.Add(1)
		return next(ctx, command)
	}
}

func (c *commands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

func TestLimitsAdmitTheLimitAtOnce(t *testing.T) {
	for _, rate := range []bucket.Rate{{1, time.Second}, {7, time.Second}, {100, time.Second}, {60, time.Minute}} {
		t.Run(strconv.Itoa(rate.Limit), func(t *testing.T) {
			client, _ := storetest.Embedded(t)
			limits := newInstance(client, rate)
			for i := range rate.Limit {
				got := limits.take(t)
				if !got.Allowed || got.Limit != rate.Limit || got.Remaining != rate.Limit-i-1 {
					t.Fatalf("request %d: %+v", i+1, got)
				}
			}
			if got := limits.take(t); got.Allowed || got.RetryAfter <= 0 || got.RetryAfter > rate.Period/time.Duration(rate.Limit) {
				t.Fatalf("request %d: %+v", rate.Limit+1, got)
			}
		})
	}
}

// Tokens that a quiet client leaves to expire must not use up its limit.
func TestClientAtItsRateIsNeverRefused(t *testing.T) {
	for _, rate := range []bucket.Rate{{120, time.Minute}, {600, time.Minute}, {100, time.Second}, {1000, time.Second}} {
		t.Run(rate.Period.String()+"/"+strconv.Itoa(rate.Limit), func(t *testing.T) {
			client, advance := storetest.Embedded(t)
			limits := newInstance(client, rate)
			interval := rate.Period / time.Duration(rate.Limit)
			for i := range rate.Limit + rate.Limit/2 {
				if got := limits.take(t); !got.Allowed {
					t.Fatalf("request %d, %s after the one before: %+v", i+1, interval, got)
				}
				advance(interval)
				limits.clock.Advance(interval)
			}
		})
	}
}

func TestInstancesShareALimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		rate := slow(400)
		instances := []*instance{newInstance(client, rate), newInstance(client, rate), newInstance(client, rate)}
		var allowed atomic.Int64
		var wait sync.WaitGroup
		for i := range 12 {
			wait.Go(func() {
				for range 100 {
					if instances[i%3].take(t).Allowed {
						allowed.Add(1)
					}
				}
			})
		}
		wait.Wait()
		if allowed.Load() != 400 {
			t.Fatalf("%d requests admitted, the limit is 400", allowed.Load())
		}
	})
}

func TestBusySubjectIsServedFromLeases(t *testing.T) {
	client, _ := storetest.Embedded(t)
	limits := newInstance(client, bucket.Rate{Limit: 1000, Period: time.Second})
	for range 1000 {
		limits.take(t)
	}
	if n := limits.commands.count.Load(); n > 25 {
		t.Fatalf("%d round trips for 1000 requests", n)
	}
	before := limits.commands.count.Load()
	limits.take(t) // learns that the bucket is empty
	for range 100 {
		if limits.take(t).Allowed {
			t.Fatal("admitted more than the limit")
		}
	}
	if n := limits.commands.count.Load() - before; n != 1 {
		t.Fatalf("%d round trips to refuse 101 requests", n)
	}
}

func TestRefusedRequestIsAdmittedAfterItsWait(t *testing.T) {
	client, advance := storetest.Embedded(t)
	limits := newInstance(client, bucket.Rate{Limit: 5, Period: time.Second})
	for range 5 {
		limits.take(t)
	}
	refused := limits.take(t)
	advance(refused.RetryAfter)
	limits.clock.Advance(refused.RetryAfter)
	if got := limits.take(t); !got.Allowed {
		t.Fatalf("after %s: %+v", refused.RetryAfter, got)
	}
}

func TestUnknownScope(t *testing.T) {
	limits := newInstance(storetest.Away(t), slow(1))
	if _, err := limits.Take(t.Context(), "nonsense", "ACC001"); err == nil {
		t.Fatal("no error")
	}
}

func TestShareWhileRedisIsAway(t *testing.T) {
	limits := newInstance(storetest.Away(t), bucket.Rate{Limit: 100, Period: time.Second})
	for i := range 25 {
		if got := limits.take(t); !got.Allowed || got.Limit != 25 || got.Remaining != 24-i {
			t.Fatalf("request %d: %+v", i+1, got)
		}
	}
	refused := limits.take(t)
	if refused.Allowed || refused.RetryAfter != 40*time.Millisecond {
		t.Fatalf("got %+v, want 40 ms", refused)
	}
	limits.clock.Advance(refused.RetryAfter)
	if got := limits.take(t); !got.Allowed {
		t.Fatalf("after its wait: %+v", got)
	}
	if got := limits.take(t); got.Allowed {
		t.Fatalf("more than the share: %+v", got)
	}
}

// Requests must not line up behind a Redis that does not answer.
func TestRedisIsAskedOnceASecondWhileAway(t *testing.T) {
	limits := newInstance(storetest.Away(t), bucket.Rate{Limit: 100, Period: time.Second})
	for i := range 50 {
		if _, err := limits.Take(t.Context(), scope, strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	first := limits.commands.count.Load()
	if first > 2 { // by hash, and in full
		t.Fatalf("%d commands to a Redis that is away", first)
	}
	limits.clock.Advance(time.Second)
	limits.take(t)
	if limits.commands.count.Load() == first {
		t.Fatal("Redis is not asked again")
	}
}

func TestReturnOfRedisIsNoticed(t *testing.T) {
	client, _ := storetest.Embedded(t)
	limits := newInstance(client, bucket.Rate{Limit: 100, Period: time.Second})
	failing := &failure{}
	client.AddHook(failing)
	failing.on.Store(true)
	if got := limits.take(t); got.Limit != 25 {
		t.Fatalf("Redis is away: %+v", got)
	}
	failing.on.Store(false)
	limits.clock.Advance(time.Second)
	if got := limits.take(t); got.Limit != 100 {
		t.Fatalf("Redis is back: %+v", got)
	}
}

// A caller that hangs up says nothing about Redis.
func TestCanceledCallerChangesNothing(t *testing.T) {
	client, _ := storetest.Embedded(t)
	limits := newInstance(client, bucket.Rate{Limit: 100, Period: time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := limits.Take(ctx, scope, "ACC001"); err != nil {
		t.Fatal(err)
	}
	if got := limits.take(t); got.Limit != 100 {
		t.Fatalf("the next caller got the share of an outage: %+v", got)
	}
}

func TestSubjectsAreBounded(t *testing.T) {
	limits := newInstance(storetest.Away(t), slow(100))
	for i := range bucket.MaxSubjects + 100 {
		if _, err := limits.Take(t.Context(), scope, strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if n := limits.Subjects(); n > bucket.MaxSubjects {
		t.Fatalf("%d subjects remembered", n)
	}
}

func TestIdleSubjectsGoFirst(t *testing.T) {
	limits := newInstance(storetest.Away(t), slow(100))
	for i := range bucket.MaxSubjects {
		if i == bucket.MaxSubjects-10 {
			limits.clock.Advance(2 * time.Minute)
		}
		if _, err := limits.Take(t.Context(), scope, strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	limits.take(t)
	if n := limits.Subjects(); n != 11 {
		t.Fatalf("%d subjects remembered, want the 11 that are in use", n)
	}
}

// failure makes every command fail while it is on.
type failure struct{ on atomic.Bool }

func (f *failure) DialHook(next redis.DialHook) redis.DialHook { return next }

func (f *failure) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		if f.on.Load() {
			command.SetErr(redis.ErrClosed)
			return redis.ErrClosed
		}
		return next(ctx, command)
	}
}

func (f *failure) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next
}

// TestRefundGivesBackWhatWasNotSpent: the instances that stay may spend what one that goes has leased.
func TestRefundGivesBackWhatWasNotSpent(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		rate := bucket.Rate{Limit: 120_000, Period: 10 * time.Minute} // a lease of ten
		going, staying := newInstance(client, rate), newInstance(client, rate)
		going.take(t)
		if err := going.Refund(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := staying.take(t); got.Remaining < rate.Limit-2 {
			t.Fatalf("%+v after a refund", got)
		}
		if err := going.Refund(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

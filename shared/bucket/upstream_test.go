package bucket_test

import (
	"context"
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// budget is one instance's view of an account that Alpaca allows ten requests in a window.
type budget struct {
	*bucket.Upstream
	t     *testing.T
	clock *clock.Fake
}

const tenth = 10

// switched is a Redis that can be away.
type switched struct {
	redis.Scripter
	away atomic.Bool
}

func (s *switched) EvalSha(ctx context.Context, sha1 string, keys []string, args ...any) *redis.Cmd {
	if s.away.Load() {
		refused := redis.NewCmd(ctx)
		refused.SetErr(errors.New("away"))
		return refused
	}
	return s.Scripter.EvalSha(ctx, sha1, keys, args...)
}

func newBudget(t *testing.T, client redis.Scripter, allowed bucket.Allowance) *budget {
	clk := clock.NewFake(time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC))
	return &budget{bucket.NewUpstream(client, bucket.UpstreamConfig{
		Allowance: func(string, string) bucket.Allowance { return allowed }, Lateness: 4 * time.Second, Clock: clk, Logger: zap.NewNop(),
		Patience: patience,
	}), t, clk}
}

func spending(p alpaca.Priority) alpaca.Spending {
	return alpaca.Spending{AccountID: "ACC001", API: alpaca.APITrading, Priority: p}
}

// takes takes until refused, at most 50, and returns how many it got and the refusal.
func (b *budget) takes(p alpaca.Priority) (int, *problem.Error) {
	b.t.Helper()
	for n := range 50 {
		_, err := b.Take(b.t.Context(), spending(p))
		if err == nil {
			continue
		}
		if !errors.Is(err, alpaca.ErrRateLimited) || !errors.Is(err, problem.RateLimitExceeded) {
			b.t.Fatal(err)
		}
		return n, problem.From(err)
	}
	return 50, nil
}

func (b *budget) want(p alpaca.Priority, want int) *problem.Error {
	b.t.Helper()
	got, refusal := b.takes(p)
	if got != want {
		b.t.Fatalf("took %d, want %d (%v)", got, want, refusal)
	}
	return refusal
}

func (b *budget) spent(p alpaca.Priority) alpaca.Spent {
	b.t.Helper()
	spent, err := b.Take(b.t.Context(), spending(p))
	if err != nil {
		b.t.Fatal(err)
	}
	return spent
}

// TestNoWindowHasMoreThanTheLimit: whatever the pattern of the takes, no span of the window's length has more.
func TestNoWindowHasMoreThanTheLimit(t *testing.T) {
	client, advance := storetest.Embedded(t)
	b := newBudget(t, client, bucket.Allowance{Limit: tenth})
	var times []time.Duration
	now := time.Duration(0)
	for i := range 400 {
		step := time.Duration(i*i%17) * 700 * time.Millisecond
		advance(step)
		b.clock.Advance(step)
		now += step
		for range i % 5 {
			if _, err := b.Take(t.Context(), spending(alpaca.PriorityUrgent)); err == nil {
				times = append(times, now)
			}
		}
	}
	for i := tenth; i < len(times); i++ {
		if span := times[i] - times[i-tenth]; span < b.Window() {
			t.Fatalf("%d takes within %s", tenth+1, span)
		}
	}
	// Nor is anything left unused: the load offers far more than the limit.
	if most := int(now/b.Window()+1) * tenth; len(times) < most*7/10 {
		t.Fatalf("%d takes of %d", len(times), most)
	}
}

func TestUrgentRequestsHaveTheReserve(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		b := newBudget(t, client, bucket.Allowance{Limit: tenth, Reserve: 2})
		b.want(alpaca.PriorityRead, 6)
		b.want(alpaca.PriorityOrder, 2)
		refusal := b.want(alpaca.PriorityUrgent, 2)
		if refusal.RetryAfter <= time.Minute || refusal.RetryAfter > b.Window() || refusal.Details["allowed"] != tenth {
			t.Fatalf("%v after %s", refusal, refusal.RetryAfter)
		}
	})
}

func TestCapBoundsWhatAlpacaAllows(t *testing.T) {
	client, _ := storetest.Embedded(t)
	b := newBudget(t, client, bucket.Allowance{Limit: tenth, Cap: 3})
	b.want(alpaca.PriorityUrgent, 3)
}

func TestAnswersTeachTheLimit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		b := newBudget(t, client, bucket.Allowance{Limit: tenth})
		spent := b.spent(alpaca.PriorityUrgent)
		b.Answered(t.Context(), spending(0), spent, alpaca.RateLimit{Limit: 30, Remaining: 29}, http.StatusOK)
		other := newBudget(t, client, bucket.Allowance{Limit: tenth})
		other.want(alpaca.PriorityUrgent, 29)
	})
}

// TestOthersRequestsCountUntilTheReset: another program uses the account, which only Alpaca's headers tell.
func TestOthersRequestsCountUntilTheReset(t *testing.T) {
	client, advance := storetest.Embedded(t)
	b := newBudget(t, client, bucket.Allowance{Limit: tenth})
	spent := b.spent(alpaca.PriorityUrgent)
	said := alpaca.RateLimit{Limit: tenth, Remaining: 5, Reset: b.clock.Now().Add(20 * time.Second)}
	b.Answered(t.Context(), spending(0), spent, said, http.StatusOK)
	if refusal := b.want(alpaca.PriorityUrgent, 5); refusal.RetryAfter > 20*time.Second {
		t.Fatalf("after %s", refusal.RetryAfter)
	}
	advance(20 * time.Second)
	b.clock.Advance(20 * time.Second)
	b.want(alpaca.PriorityUrgent, 4) // ours still count
}

// TestHigherRemainingIsNotBelieved: at the turn of Alpaca's minute its headers say that all is there again; a rolling
// window would not have forgotten.
func TestHigherRemainingIsNotBelieved(t *testing.T) {
	client, _ := storetest.Embedded(t)
	b := newBudget(t, client, bucket.Allowance{Limit: tenth})
	for range 9 {
		b.spent(alpaca.PriorityUrgent)
	}
	spent := b.spent(alpaca.PriorityUrgent)
	b.Answered(t.Context(), spending(0), spent, alpaca.RateLimit{Limit: tenth, Remaining: 9, Reset: b.clock.Now().Add(time.Minute)}, http.StatusOK)
	b.want(alpaca.PriorityUrgent, 0)
}

func TestRefusalByAlpacaEmptiesTheBudget(t *testing.T) {
	for name, test := range map[string]struct {
		said alpaca.RateLimit
		wait time.Duration
	}{
		"until the reset that it names": {alpaca.RateLimit{Limit: tenth, Reset: time.Date(2026, 11, 23, 14, 30, 40, 0, time.UTC)}, 40 * time.Second},
		"for a moment":                  {alpaca.RateLimit{}, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			client, advance := storetest.Embedded(t)
			b := newBudget(t, client, bucket.Allowance{Limit: tenth, Reserve: 2})
			b.Answered(t.Context(), spending(0), b.spent(alpaca.PriorityUrgent), test.said, http.StatusTooManyRequests)
			if refusal := b.want(alpaca.PriorityUrgent, 0); refusal.RetryAfter != test.wait {
				t.Fatalf("after %s", refusal.RetryAfter)
			}
			advance(test.wait)
			b.clock.Advance(test.wait)
			b.want(alpaca.PriorityUrgent, 9)
		})
	}
}

// TestWithoutRedisEachInstanceHasAShare: and what it took is told to Redis when that is back.
func TestWithoutRedisEachInstanceHasAShare(t *testing.T) {
	client, _ := storetest.Embedded(t)
	scripter := &switched{Scripter: client}
	b := newBudget(t, scripter, bucket.Allowance{Limit: 40, Reserve: 8})
	scripter.away.Store(true)
	b.want(alpaca.PriorityRead, 6)
	b.want(alpaca.PriorityUrgent, 4)
	b.Answered(t.Context(), spending(0), alpaca.Spent{}, alpaca.RateLimit{}, http.StatusTooManyRequests)
	b.clock.Advance(b.Window() - time.Second)
	b.want(alpaca.PriorityUrgent, 0)
	scripter.away.Store(false)
	b.want(alpaca.PriorityUrgent, 30)
	if n := client.LLen(t.Context(), store.UpstreamTakenKey("ACC001", alpaca.APITrading)).Val(); n != 40 {
		t.Fatalf("redis knows of %d", n)
	}
}

func TestRefundedRequestCanBeTakenAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		b := newBudget(t, client, bucket.Allowance{Limit: 2})
		first := b.spent(alpaca.PriorityUrgent)
		b.spent(alpaca.PriorityUrgent)
		if err := b.Refund(t.Context(), "ACC001", alpaca.APITrading, first.At); err != nil {
			t.Fatal(err)
		}
		b.want(alpaca.PriorityUrgent, 1)
	})
}

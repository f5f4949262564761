package bucket

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

//go:embed observe.lua
var observeLua string

const (
	// PrepaidLife is how long a request that was taken together with something else may wait before it is sent.
	PrepaidLife = time.Second
	// saidLife is how long what Alpaca said of a limit is remembered.
	saidLife = 24 * time.Hour
	// askTimeout bounds what a request waits for Redis before it is answered from the local share.
	askTimeout = 100 * time.Millisecond
	// firstPause is how long nothing is sent after a 429 that does not say how long; it doubles with each in a row.
	firstPause = time.Second
)

// Allowance is what Alpaca allows an account on one of its two APIs.
type Allowance struct {
	// Limit is how many requests a minute, until Alpaca's own headers say otherwise.
	Limit int
	// Cap is the most that is used whatever Alpaca says; 0 is all.
	Cap int
	// Reserve is kept for urgent requests; reads leave twice as much.
	Reserve int
}

// UpstreamConfig says what Alpaca allows. All fields but Patience are required.
type UpstreamConfig struct {
	// Allowance returns what the account may do on an API. It is called for every request.
	Allowance func(accountID, api string) Allowance
	// Lateness is the longest time between the beginning of a call and its arrival at Alpaca: the call's timeout.
	Lateness time.Duration
	// Patience is how long an urgent request waits for Redis before it is taken from the local share; others, which can
	// wait, five times that. 0 is 100 ms.
	Patience time.Duration
	Clock    clock.Clock
	Logger   *zap.Logger
}

// Upstream is every account's budget at Alpaca, shared by all instances, exact in any window of a minute: whether
// Alpaca counts by the clock's minutes or over the last 60 seconds, it never counts more than it allows
// (docs/limits.md). While Redis is away each instance has a share of it. Safe for concurrent use.
type Upstream struct {
	client                redis.Scripter
	config                UpstreamConfig
	take, observe, refund *redis.Script

	mu    sync.Mutex
	local map[localKey]*local
}

var _ alpaca.Budget = (*Upstream)(nil)

type localKey struct{ accountID, api string }

// NewUpstream returns the budgets in the Redis of client.
func NewUpstream(client redis.Scripter, config UpstreamConfig) *Upstream {
	if config.Patience == 0 {
		config.Patience = askTimeout
	}
	return &Upstream{
		client: client, config: config, local: make(map[localKey]*local),
		take: store.NewScript(`
local now = now_us()
local owed = tonumber(ARGV[6])
if owed > 0 then window_note(KEYS[1], owed, tonumber(ARGV[3]), now) end
local window_us, cost = tonumber(ARGV[3]), tonumber(ARGV[4])
local granted, _, reset, wait, whole, limit, gone = window_look(KEYS[1], KEYS[2], tonumber(ARGV[1]), tonumber(ARGV[2]),
  window_us, cost, tonumber(ARGV[5]), now)
if granted > 0 then window_commit(KEYS[1], cost, window_us, now, gone) end
return {granted, whole, reset, wait, limit, now}`),
		observe: store.NewScript(observeLua),
		refund:  store.NewScript(`return redis.call('LREM', KEYS[1], 1, ARGV[1])`),
	}
}

// Window is the span in which no more than the limit is taken: a minute, and as long as a request may be on its way.
// Two requests that Alpaca gets within a minute were taken within it.
func (u *Upstream) Window() time.Duration { return time.Minute + u.config.Lateness + PrepaidLife }

// Take takes one request for the account. When there is none left its error is RATE_LIMIT_EXCEEDED and wraps
// alpaca.ErrRateLimited.
func (u *Upstream) Take(ctx context.Context, s alpaca.Spending) (alpaca.Spent, error) {
	allowed := u.config.Allowance(s.AccountID, s.API)
	held := u.of(s)
	owed := held.debt(u.config.Clock.Now(), u.Window())
	asked, cancel := context.WithTimeout(ctx, u.patience(s.Priority))
	defer cancel()
	values, err := u.take.Run(asked, u.client,
		[]string{store.UpstreamTakenKey(s.AccountID, s.API), store.UpstreamSaidKey(s.AccountID, s.API)},
		allowed.Limit, allowed.Cap, u.Window().Microseconds(), 1, allowed.reserve(s.Priority), owed).Int64Slice()
	if err != nil {
		if ctx.Err() != nil { // the caller has gone: that says nothing about Redis
			return alpaca.Spent{}, problem.Unavailable.New("the request ended before it was sent").Because(ctx.Err())
		}
		u.config.Logger.Warn("upstream budget from the local share: redis is away", zap.String("account_id", s.AccountID), zap.Error(err))
		return u.takeLocally(held, allowed, s)
	}
	held.paid(owed)
	if values[0] == 0 {
		return alpaca.Spent{}, usedUp(int(values[4]), time.Duration(values[3])*time.Microsecond)
	}
	return alpaca.Spent{Remaining: int(values[1]), Limit: int(values[4]), At: values[5]}, nil
}

func (u *Upstream) takeLocally(held *local, allowed Allowance, s alpaca.Spending) (alpaca.Spent, error) {
	share := Allowance{Limit: allowed.Limit / fallbackInstances, Cap: allowed.Cap / fallbackInstances, Reserve: allowed.Reserve / fallbackInstances}
	wait := held.take(u.config.Clock.Now(), u.Window(), max(1, share.Most()), share.reserve(s.Priority))
	if wait > 0 {
		return alpaca.Spent{}, usedUp(max(1, share.Most()), wait)
	}
	return alpaca.Spent{}, nil
}

// patience is how long a request of that priority waits for Redis. A share is taken on top of what others take from Redis
// when only this instance does not reach it: better a read that waits.
func (u *Upstream) patience(p alpaca.Priority) time.Duration {
	if p == alpaca.PriorityUrgent {
		return u.config.Patience
	}
	return 5 * u.config.Patience
}

// Answered takes over what Alpaca said of the budget, when that is less than what is known of it.
func (u *Upstream) Answered(ctx context.Context, s alpaca.Spending, spent alpaca.Spent, limit alpaca.RateLimit, status int) {
	now := u.config.Clock.Now()
	blocked := u.of(s).answered(now, limit, status)
	allowed := u.config.Allowance(s.AccountID, s.API)
	told := Allowance{Limit: limit.Limit, Cap: allowed.Cap}
	if blocked.IsZero() && (!limit.Known() || spent.At == 0 || told.Most() == spent.Limit && limit.Remaining >= spent.Remaining) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), u.config.Patience)
	defer cancel()
	err := u.observe.Run(ctx, u.client,
		[]string{store.UpstreamTakenKey(s.AccountID, s.API), store.UpstreamSaidKey(s.AccountID, s.API)},
		limit.Limit, limit.Remaining, microseconds(limit.Reset), spent.At, microseconds(blocked),
		allowed.Limit, u.Window().Microseconds(), saidLife.Milliseconds()).Err()
	if err != nil {
		u.config.Logger.Warn("what Alpaca said of its limit is not shared", zap.String("account_id", s.AccountID), zap.Error(err))
	}
	if status == http.StatusTooManyRequests {
		u.config.Logger.Warn("Alpaca answered 429", zap.String("account_id", s.AccountID), zap.String("api", s.API),
			zap.Int("remaining_before", spent.Remaining), zap.Time("until", blocked))
	}
}

func microseconds(at time.Time) int64 {
	if at.IsZero() {
		return 0
	}
	return at.UnixMicro()
}

// Refund gives back a request that was taken at that microsecond and not sent.
func (u *Upstream) Refund(ctx context.Context, accountID, api string, at int64) error {
	err := u.refund.Run(ctx, u.client, []string{store.UpstreamTakenKey(accountID, api)}, at).Err()
	if err != nil {
		return fmt.Errorf("refund an upstream request of %s: %w", accountID, err)
	}
	return nil
}

// Most is the limit with the cap.
func (a Allowance) Most() int {
	if a.Cap > 0 {
		return min(a.Limit, a.Cap)
	}
	return a.Limit
}

// reserve is what a request of that priority leaves to more urgent ones.
func (a Allowance) reserve(p alpaca.Priority) int {
	switch p {
	case alpaca.PriorityUrgent:
		return 0
	case alpaca.PriorityOrder:
		return a.Reserve
	default:
		return 2 * a.Reserve
	}
}

func usedUp(limit int, wait time.Duration) error {
	return problem.RateLimitExceeded.New("what Alpaca allows the account, %d requests a minute, is used up", limit).
		With("limit", "alpaca").With("allowed", limit).After(wait).Because(alpaca.ErrRateLimited)
}

func (u *Upstream) of(s alpaca.Spending) *local {
	u.mu.Lock()
	defer u.mu.Unlock()
	key := localKey{s.AccountID, s.API}
	held, ok := u.local[key]
	if !ok {
		if len(u.local) >= maxSubjects {
			clear(u.local) // what is lost counts only while Redis is away
		}
		held = &local{}
		u.local[key] = held
	}
	return held
}

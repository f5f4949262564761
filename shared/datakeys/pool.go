// Package datakeys shares the reads that are nobody's own, market data and the exchange's clock, out among the accounts whose
// key pairs serve them.
package datakeys

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// refusedFor is how long a key pair rests that Alpaca does not accept (401), or not for this class of data (403).
const refusedFor = time.Minute

// Pool is the key pairs of the accounts with market_data. Reads take turns, so
// that each gives its share; one that is refused rests while the others go on. The client takes every call from the
// account's budget, which all instances share; one whose budget is used up is passed by. Safe for concurrent use.
type Pool struct {
	accounts vault.Accounts
	clock    clock.Clock
	logger   *zap.Logger
	calls    *prometheus.CounterVec

	mu    sync.Mutex
	turns map[alpaca.Class]int
	rests map[restKey]rest
}

// restKey is a key pair and the class that it rests for; an empty class is all.
type restKey struct {
	keyID string
	class alpaca.Class
}

// rest is why a key pair is not used, and until when.
type rest struct {
	until time.Time
	cause error
}

// New returns the pool of the accounts in the store; its counter goes to registerer.
func New(accounts vault.Accounts, clk clock.Clock, logger *zap.Logger, registerer prometheus.Registerer) *Pool {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "market_data_calls_total", Help: "Market-data and clock calls to Alpaca, by outcome: ok, refused, limited, failed, or over_budget for those not made.",
	}, []string{"outcome"})
	registerer.MustRegister(calls)
	return &Pool{accounts: accounts, clock: clk, logger: logger, calls: calls, turns: make(map[alpaca.Class]int), rests: make(map[restKey]rest)}
}

// Do makes one call with the key pair whose turn it is, and with the next ones when that is refused or used up. The
// error is that of the last key pair that was tried, or why the first one rests.
func (p *Pool) Do(ctx context.Context, class alpaca.Class, call func(alpaca.Credentials) error) error {
	return p.do(ctx, class, true, call)
}

// Ask is Do for calls that Alpaca may forbid because of what they ask for, as it forbids the last 15 minutes of history on a
// small plan. No key pair rests because of that, and one that rests for the class is asked all the same.
func (p *Pool) Ask(ctx context.Context, class alpaca.Class, call func(alpaca.Credentials) error) error {
	return p.do(ctx, class+" asked", false, call)
}

func (p *Pool) do(ctx context.Context, class alpaca.Class, rests bool, call func(alpaca.Credentials) error) error {
	accounts, err := p.accounts.MarketData(ctx)
	if err != nil {
		return err
	}
	first := p.turn(class)
	var tried, resting error
	for i := range accounts {
		cred := accounts[(first+i)%len(accounts)].Credentials
		if cause := p.resting(class, cred.KeyID); cause != nil {
			resting = cause
			continue
		}
		if tried = call(cred); !p.passOn(class, rests, cred.KeyID, tried) {
			return tried
		}
	}
	if tried == nil {
		tried = resting
	}
	return tried
}

// turn counts the calls of a class, each of which takes its own turns.
func (p *Pool) turn(class alpaca.Class) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.turns[class]++
	return p.turns[class]
}

// resting returns why a key pair is not to be used for a class now, nil when it is.
func (p *Pool) resting(class alpaca.Class, keyID string) error {
	now := p.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range []restKey{{keyID, class}, {keyID, ""}} {
		if held, ok := p.rests[key]; ok && now.Before(held.until) {
			return held.cause
		}
	}
	return nil
}

// passOn counts the outcome of a call, lets a key pair rest that was refused, and reports whether another one may help.
func (p *Pool) passOn(class alpaca.Class, rests bool, keyID string, err error) bool {
	var failed *alpaca.Error
	switch {
	case err == nil:
		p.calls.WithLabelValues("ok").Inc()
		return false
	case errors.Is(err, alpaca.ErrUnauthorized):
		class = ""
	case errors.Is(err, alpaca.ErrForbidden) && !rests:
		p.calls.WithLabelValues("refused").Inc()
		return true
	case errors.Is(err, alpaca.ErrForbidden):
	case errors.Is(err, alpaca.ErrRateLimited) && !errors.As(err, &failed):
		p.calls.WithLabelValues("over_budget").Inc()
		return true
	case errors.Is(err, alpaca.ErrRateLimited): // the budget hears of it too, and stops all instances
		p.calls.WithLabelValues("limited").Inc()
		return true
	default:
		p.calls.WithLabelValues("failed").Inc()
		return false
	}
	p.calls.WithLabelValues("refused").Inc()
	p.logger.Warn("a market-data key rests", zap.String("key_id", keyID), zap.Duration("for", refusedFor), zap.Error(err))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rests[restKey{keyID, class}] = rest{p.clock.Now().Add(refusedFor), err}
	return true
}

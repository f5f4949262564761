package quote

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// refusedFor is how long a key pair rests that Alpaca does not accept (401), or not for this class of data (403).
const refusedFor = time.Minute

// pool is the key pairs that serve market data: the accounts with market_data in the accounts file. Reads take turns, so
// that each gives its share; one that is refused rests while the others go on. The client takes every call from the
// account's budget, which all instances share; one whose budget is used up is passed by. Safe for concurrent use.
type pool struct {
	accounts vault.Accounts
	clock    clock.Clock
	logger   *zap.Logger
	turn     atomic.Uint64
	calls    *prometheus.CounterVec

	mu    sync.Mutex
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

func newPool(accounts vault.Accounts, clk clock.Clock, logger *zap.Logger, registerer prometheus.Registerer) *pool {
	calls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "quote_upstream_calls_total", Help: "Market-data calls to Alpaca, by outcome: ok, refused, limited, failed, or over_budget for those not made.",
	}, []string{"outcome"})
	registerer.MustRegister(calls)
	return &pool{accounts: accounts, clock: clk, logger: logger, calls: calls, rests: make(map[restKey]rest)}
}

// do makes one call with the key pair whose turn it is, and with the next ones when that is refused or used up. The
// error is that of the last key pair that was tried, or why the first one rests.
func (p *pool) do(ctx context.Context, class alpaca.Class, call func(alpaca.Credentials) error) error {
	accounts, err := p.accounts.MarketData(ctx)
	if err != nil {
		return err
	}
	first := p.turn.Add(1)
	var tried, resting error
	for i := range uint64(len(accounts)) {
		cred := accounts[(first+i)%uint64(len(accounts))].Credentials
		if cause := p.resting(class, cred.KeyID); cause != nil {
			resting = cause
			continue
		}
		if tried = call(cred); !p.passOn(class, cred.KeyID, tried) {
			return tried
		}
	}
	if tried == nil {
		tried = resting
	}
	return tried
}

// resting returns why a key pair is not to be used for a class now, nil when it is.
func (p *pool) resting(class alpaca.Class, keyID string) error {
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
func (p *pool) passOn(class alpaca.Class, keyID string, err error) bool {
	var failed *alpaca.Error
	switch {
	case err == nil:
		p.calls.WithLabelValues("ok").Inc()
		return false
	case errors.Is(err, alpaca.ErrUnauthorized):
		class = ""
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

// publicError translates a failure for the caller. The credentials and their budget are the service's own, so that
// their refusal is neither the caller's 403 nor the caller's 429.
func publicError(err error) error {
	var failed *alpaca.Error
	_ = errors.As(err, &failed)
	switch {
	case errors.Is(err, alpaca.ErrUnauthorized):
		return problem.UpstreamFailed.New("Alpaca refuses the service's market-data credentials").Because(err)
	case errors.Is(err, alpaca.ErrForbidden):
		said := "forbidden"
		if failed != nil && failed.Message != "" {
			said = failed.Message
		}
		return problem.UpstreamFailed.New("the service's market-data plan does not allow this read: %s", said).Because(err)
	case errors.Is(err, alpaca.ErrRateLimited):
		return problem.Unavailable.New("the market-data calls that Alpaca allows are used up for the moment").
			Because(err).After(max(time.Second, alpaca.Problem(err).RetryAfter))
	}
	return alpaca.Problem(err)
}

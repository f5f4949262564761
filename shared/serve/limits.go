package serve

import (
	"context"
	"math"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// ScopeAll is the scope of the limit over all requests, whose subject is empty.
const ScopeAll = "all"

// Limits takes from the rate limit that a scope ("quotes", "account") has for a subject (an account ID, or "ip:" and
// an address). Implementations may be used concurrently.
type Limits interface {
	Take(ctx context.Context, scope, subject string) (Decision, error)
}

// Decision is what a rate limit said.
type Decision struct {
	Allowed bool
	// Limit is how many requests the period allows, Remaining how many are left.
	Limit, Remaining int
	// Reset is how long until all of Limit is there again; RetryAfter how long to wait when not Allowed.
	Reset, RetryAfter time.Duration
}

// SetRateLimit writes the X-RateLimit headers of d, the reset as a Unix time in seconds.
func SetRateLimit(header http.Header, d Decision, now time.Time) {
	header.Set("X-RateLimit-Limit", strconv.Itoa(d.Limit))
	header.Set("X-RateLimit-Remaining", strconv.Itoa(max(0, d.Remaining)))
	header.Set("X-RateLimit-Reset", strconv.FormatInt(now.Add(d.Reset).Unix()+1, 10))
}

// RateLimited is the problem of a request over its limit.
func RateLimited(scope string, d Decision) error {
	return problem.RateLimitExceeded.New("rate limit of %d exceeded", d.Limit).
		With("limit", scope).With("allowed", d.Limit).After(d.RetryAfter)
}

// takeLimit takes from a limit, if there is one. Its headers are written with the answer.
func (rt *Router) takeLimit(ctx context.Context, e *exchange, scope, subject string) error {
	if rt.config.Limits == nil || scope == "" {
		return nil
	}
	decision, err := rt.config.Limits.Take(ctx, scope, subject)
	if err != nil {
		return err
	}
	e.limit, e.limited = decision, true
	if !decision.Allowed {
		return RateLimited(scope, decision)
	}
	return nil
}

// writeRateLimit writes the headers of the limit that was taken, unless the handler wrote those of its own.
func (rt *Router) writeRateLimit(e *exchange) {
	header := e.Header()
	if _, written := header["X-Ratelimit-Limit"]; written || !e.limited {
		return
	}
	reset := int(rt.config.Clock.Now().Add(e.limit.Reset).Unix() + 1)
	e.setHeader(header, "X-Ratelimit-Limit", rt.answers.limit.of(e.limit.Limit))
	e.setHeader(header, "X-Ratelimit-Remaining", strconv.Itoa(max(0, e.limit.Remaining)))
	e.setHeader(header, "X-Ratelimit-Reset", rt.answers.reset.of(reset))
}

// remoteHost is the address that limits callers without a token: the peer's own. X-Forwarded-For is not believed,
// because a caller can write it; behind a proxy all callers without a token share one limit.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// retryAfterSeconds rounds up: a client that waits one second too little is refused again.
func retryAfterSeconds(wait time.Duration) string {
	return strconv.Itoa(max(1, int(math.Ceil(wait.Seconds()))))
}

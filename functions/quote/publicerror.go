package quote

import (
	"errors"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

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

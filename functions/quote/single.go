package quote

import (
	"context"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// extendedHours is a parameter of the former service. Alpaca's latest quote always covers the extended hours, so that
// it is accepted and changes nothing.
const extendedHours = "include_extended_hours"

// single answers with one view of one symbol.
func (o *operations) single(c *class, v view) func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		symbol, err := c.symbol(r.PathValue("symbol"))
		if err != nil {
			return nil, err
		}
		if err := checkExtendedHours(r.Request); err != nil {
			return nil, err
		}
		answer, err := c.latest.Get(ctx, cache.Latest(symbol))
		if err != nil {
			return nil, err
		}
		data, err := bodyOf(answer, v)
		if err != nil {
			return nil, err
		}
		if value, ok := answer.Value.(*latest); ok {
			if err := o.caching.set(r.Request, r.Answer, answer, c.public, value.etag); err != nil {
				return nil, err
			}
		}
		return data, nil
	}
}

// bodyOf is the JSON of a view, marked where it is stale.
func bodyOf(answer cache.Answer, v view) ([]byte, error) {
	value, ok := answer.Value.(*latest)
	if !ok {
		return nil, problem.Internal.New("internal error")
	}
	data, err := value.view(v)
	if err == nil && answer.Stale {
		data = markStale(data)
	}
	return data, err
}

func checkExtendedHours(r *http.Request) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	for _, value := range r.URL.Query()[extendedHours] {
		if value != "true" && value != "false" {
			return problem.InvalidRequest.New("%s must be true or false", extendedHours).Field(extendedHours)
		}
	}
	return nil
}

package quote

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// extendedHours is a parameter of the former service. Alpaca's latest quote always covers the extended hours, so that
// it is accepted and changes nothing.
const extendedHours = "include_extended_hours"

// operations are the function's handlers.
type operations struct {
	reader *reader
	// cacheControl is the header of an answer that is fresh. It is shared by all answers and never changes.
	cacheControl []string
}

// upstreamProblems are the ways in which Alpaca can fail a read.
func upstreamProblems(more ...*problem.Kind) []*problem.Kind {
	return append(more, problem.UpstreamFailed, problem.Unavailable, problem.UpstreamTimeout)
}

func extendedHoursParameter() serve.Parameter {
	return serve.Parameter{
		Name: extendedHours, In: serve.InQuery, Enum: []string{"true", "false"},
		Description: "Accepted for clients of the former service; quotes always cover the extended hours.",
	}
}

func (f *Function) register(cfg Config) {
	seconds := strconv.Itoa(int(cfg.CacheTTL / time.Second))
	o := &operations{reader: f.reader, cacheControl: []string{"private, max-age=" + seconds}}
	serve.Handle(f.router, serve.Operation{
		ID: "getStockQuote", Method: http.MethodGet, Path: "/api/v1/stocks/{symbol}/quote", Tag: "Stocks",
		Summary:     "Latest quote of a stock",
		Description: "Best bid and offer, latest trade and today's volume. At most CACHE_TTL (1 s) old, or marked as stale.",
		Permission:  auth.PermissionMarketData, Limit: platform.LimitQuotes,
		Parameters: []serve.Parameter{
			{Name: "symbol", In: serve.InPath, Description: "Stock symbol; lower case is accepted.", Example: "AAPL"},
			extendedHoursParameter(),
		},
		Problems: upstreamProblems(problem.SymbolNotFound), Data: StockQuote{},
	}, o.stockQuote)
	serve.Handle(f.router, serve.Operation{
		ID: "getStockQuotes", Method: http.MethodGet, Path: "/api/v1/stocks/quotes", Tag: "Stocks",
		Summary:     "Latest quotes of several stocks",
		Description: "A symbol that has no quote is listed under errors, with its own code, and does not fail the others.",
		Permission:  auth.PermissionMarketData, Limit: platform.LimitQuotes,
		Parameters: []serve.Parameter{
			{Name: "symbols", In: serve.InQuery, Required: true, Description: "1 to 50 stock symbols, separated by commas.", Example: "AAPL,MSFT"},
			extendedHoursParameter(),
		},
		Problems: upstreamProblems(), Data: StockQuotes{},
	}, o.listedQuotes)
	serve.Handle(f.router, serve.Operation{
		ID: "postStockQuotes", Method: http.MethodPost, Path: "/api/v1/stocks/quotes", Tag: "Stocks",
		Summary:     "Latest quotes of several stocks",
		Description: "The same as the GET, with the symbols in the body.",
		Permission:  auth.PermissionMarketData, Limit: platform.LimitQuotes,
		Problems: upstreamProblems(), Data: StockQuotes{},
	}, o.postedQuotes)
}

func (o *operations) stockQuote(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
	symbol, err := parseSymbol(r.PathValue("symbol"))
	if err != nil {
		return nil, err
	}
	if err := checkExtendedHours(r.Request); err != nil {
		return nil, err
	}
	found, err := o.reader.one(ctx, symbol)
	if err != nil {
		return nil, err
	}
	if found.stale == nil {
		r.Answer["Cache-Control"] = o.cacheControl
	}
	return found.body(), nil
}

// parseSymbol returns the canonical symbol, or an INVALID_REQUEST that names the rule.
func parseSymbol(text string) (string, error) {
	symbol, err := market.ParseStock(text)
	if err != nil {
		return "", problem.InvalidRequest.New("symbol: %v", err).Field("symbol")
	}
	return symbol, nil
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

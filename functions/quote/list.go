package quote

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// maxSymbols is how many symbols one request may name, the limit that clients of the former service know.
const maxSymbols = 50

// StockQuotes is the data of the answer to a list. The quotes are in the order of the request.
type StockQuotes struct {
	Quotes []StockQuote  `json:"quotes"`
	Errors []SymbolError `json:"errors" doc:"The symbols without a quote."`
}

// SymbolError says why a symbol of a list has no quote.
type SymbolError struct {
	Symbol  string `json:"symbol" example:"NOSUCH"`
	Code    string `json:"code" example:"SYMBOL_NOT_FOUND"`
	Message string `json:"message"`
}

// StockQuotesRequest is the body of a POST for several quotes.
type StockQuotesRequest struct {
	Symbols []string `json:"symbols" minItems:"1" maxItems:"50" doc:"Stock symbols." example:"[\"AAPL\",\"MSFT\"]"`
	// IncludeExtendedHours is accepted and changes nothing, see extendedHours.
	IncludeExtendedHours bool `json:"include_extended_hours,omitempty" doc:"Accepted for clients of the former service; quotes always cover the extended hours."`
}

func (o *operations) listedQuotes(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
	values := r.URL.Query()["symbols"]
	if len(values) != 1 {
		return nil, problem.InvalidRequest.New("symbols must be given once, separated by commas").Field("symbols")
	}
	if err := checkExtendedHours(r.Request); err != nil {
		return nil, err
	}
	data, fresh, err := o.quotes(ctx, splitSymbols(values[0]))
	if err == nil && fresh {
		r.Answer["Cache-Control"] = o.cacheControl
	}
	return data, err
}

// splitSymbols splits at commas, at most one more than are allowed: the value may be long.
func splitSymbols(list string) []string {
	if list == "" {
		return nil
	}
	return strings.SplitN(list, ",", maxSymbols+1)
}

func (o *operations) postedQuotes(ctx context.Context, r *serve.Request[StockQuotesRequest]) (serve.Raw, error) {
	data, _, err := o.quotes(ctx, r.Body.Symbols)
	return data, err
}

// quotes answers a list; fresh is true when every symbol has a quote that is not stale.
func (o *operations) quotes(ctx context.Context, names []string) (data serve.Raw, fresh bool, err error) {
	if len(names) == 0 || len(names) > maxSymbols {
		return nil, false, problem.InvalidRequest.New("symbols must name 1 to %d symbols", maxSymbols).
			Field("symbols").With("limit", maxSymbols)
	}
	symbols, failures := parseSymbols(names)
	outcomes := o.reader.many(ctx, symbols)
	if err := commonFailure(outcomes); err != nil {
		return nil, false, err
	}
	fresh = len(failures) == 0
	quotes := make([]json.RawMessage, 0, len(symbols))
	for i, found := range outcomes {
		if found.err != nil {
			failures = append(failures, symbolError(symbols[i], found.err))
			fresh = false
			continue
		}
		quotes = append(quotes, found.answer.body())
		fresh = fresh && found.answer.stale == nil
	}
	data, err = encodeList(quotes, failures)
	return data, fresh, err
}

// parseSymbols returns the canonical symbols, each once, and what is malformed.
func parseSymbols(names []string) (symbols []string, failures []SymbolError) {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		symbol, err := parseSymbol(name)
		if err != nil {
			symbol = shorten(name)
		}
		if seen[symbol] {
			continue
		}
		seen[symbol] = true
		if err != nil {
			failures = append(failures, symbolError(symbol, err))
			continue
		}
		symbols = append(symbols, symbol)
	}
	return symbols, failures
}

// shorten keeps what a caller sends as a symbol from coming back in full.
func shorten(name string) string {
	const longest = 32
	if len(name) > longest {
		name = name[:longest]
	}
	return strings.ToValidUTF8(name, "?")
}

func symbolError(symbol string, err error) SymbolError {
	p := problem.From(err)
	return SymbolError{Symbol: symbol, Code: p.Kind.Code(), Message: p.Message}
}

// commonFailure is the failure of a whole list: Alpaca has answered for none of its symbols. A list of unknown
// symbols is no failure.
func commonFailure(outcomes []outcome) error {
	var first error
	for _, found := range outcomes {
		if found.err == nil || problem.From(found.err).Kind.Status() == http.StatusNotFound {
			return nil
		}
		if first == nil {
			first = found.err
		}
	}
	return first
}

// encodeList joins quotes that are encoded already.
func encodeList(quotes []json.RawMessage, failures []SymbolError) (serve.Raw, error) {
	if failures == nil {
		failures = []SymbolError{}
	}
	encodedFailures, err := json.Marshal(failures)
	if err != nil {
		return nil, fmt.Errorf("encode the errors of a list: %w", err)
	}
	size := len(encodedFailures) + 32
	for _, quote := range quotes {
		size += len(quote) + 1
	}
	data := append(make([]byte, 0, size), `{"quotes":[`...)
	for i, quote := range quotes {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, quote...)
	}
	data = append(data, `],"errors":`...)
	data = append(data, encodedFailures...)
	return append(data, '}'), nil
}

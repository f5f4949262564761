package quote

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// maxSymbols is how many symbols one request may name.
const maxSymbols = 200

// SymbolError says why a symbol of a list has no data.
type SymbolError struct {
	Symbol  string `json:"symbol" example:"NOSUCH"`
	Code    string `json:"code" example:"SYMBOL_NOT_FOUND"`
	Message string `json:"message"`
}

// The data of the answers to lists. What is found is in the order of the request.
type (
	// StockQuotes is the data of several stocks' quotes.
	StockQuotes struct {
		Quotes []StockQuote  `json:"quotes"`
		Errors []SymbolError `json:"errors" doc:"The symbols without a quote."`
	}
	// OptionQuotes is the data of several options' quotes.
	OptionQuotes struct {
		Quotes []OptionQuote `json:"quotes"`
		Errors []SymbolError `json:"errors" doc:"The symbols without a quote."`
	}
	// CryptoQuotes is the data of several pairs' quotes.
	CryptoQuotes struct {
		Quotes []CryptoQuote `json:"quotes"`
		Errors []SymbolError `json:"errors" doc:"The symbols without a quote."`
	}
	// Trades is the data of several symbols' latest trades.
	Trades struct {
		Trades []Trade       `json:"trades"`
		Errors []SymbolError `json:"errors" doc:"The symbols without a trade."`
	}
	// Bars is the data of several symbols' latest minute bars.
	Bars struct {
		Bars   []Bar         `json:"bars"`
		Errors []SymbolError `json:"errors" doc:"The symbols without a bar."`
	}
	// Snapshots is the data of several symbols' snapshots.
	Snapshots struct {
		Snapshots []Snapshot    `json:"snapshots"`
		Errors    []SymbolError `json:"errors" doc:"The symbols without a snapshot."`
	}
)

// SymbolsRequest is the body of a POST for several symbols.
type SymbolsRequest struct {
	Symbols []string `json:"symbols" minItems:"1" maxItems:"200" doc:"Symbols." example:"[\"AAPL\",\"MSFT\"]"`
	// IncludeExtendedHours is accepted and changes nothing, see extendedHours.
	IncludeExtendedHours bool `json:"include_extended_hours,omitempty" doc:"Accepted for clients of the former service; quotes always cover the extended hours."`
}

// OptionSymbolsRequest is the body of a POST for several options.
type OptionSymbolsRequest struct {
	OptionSymbols []string `json:"option_symbols,omitempty" maxItems:"200" doc:"OCC option symbols." example:"[\"AAPL270115C00200000\"]"`
	Symbols       []string `json:"symbols,omitempty" maxItems:"200" doc:"The same under the name of the other classes; give one of both."`
}

// listed answers a GET for several symbols.
func (o *operations) listed(c *class, v view) func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		names, err := queriedSymbols(r.URL.Query())
		if err == nil {
			err = checkExtendedHours(r.Request)
		}
		if err != nil {
			return nil, err
		}
		list, err := o.list(ctx, c, v, names)
		if err != nil {
			return nil, err
		}
		if list.fresh {
			answer := cache.Answer{AsOf: list.asOf, Fresh: list.life}
			if err := o.caching.set(r.Request, r.Answer, answer, c.public, list.etag()); err != nil {
				return nil, err
			}
		}
		return list.data, nil
	}
}

// queriedSymbols reads the symbols of a query, at most one more than are allowed: the value may be long.
func queriedSymbols(query map[string][]string) ([]string, error) {
	values := query["symbols"]
	if len(values) != 1 {
		return nil, problem.InvalidRequest.New("symbols must be given once, separated by commas").Field("symbols")
	}
	if values[0] == "" {
		return nil, nil
	}
	return strings.SplitN(values[0], ",", maxSymbols+1), nil
}

// posted answers a POST for several quotes of stocks or pairs.
func (o *operations) posted(c *class) func(context.Context, *serve.Request[SymbolsRequest]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[SymbolsRequest]) (serve.Raw, error) {
		list, err := o.list(ctx, c, viewQuote, r.Body.Symbols)
		return list.data, err
	}
}

// postedOptions answers a POST for several quotes of options.
func (o *operations) postedOptions(c *class) func(context.Context, *serve.Request[OptionSymbolsRequest]) (serve.Raw, error) {
	return func(ctx context.Context, r *serve.Request[OptionSymbolsRequest]) (serve.Raw, error) {
		if len(r.Body.Symbols) > 0 && len(r.Body.OptionSymbols) > 0 {
			return nil, problem.InvalidRequest.New("give symbols or option_symbols, not both").Field("symbols")
		}
		list, err := o.list(ctx, c, viewQuote, append(r.Body.OptionSymbols, r.Body.Symbols...))
		return list.data, err
	}
}

// list is the answer to a request for several symbols.
type list struct {
	data serve.Raw
	// fresh is true when every symbol has its data and none is stale; then asOf is when the oldest was read.
	fresh bool
	asOf  time.Time
	life  time.Duration
	etags []string
}

// etag is that of the whole list.
func (l *list) etag() []string {
	hash := fnv.New64a()
	for _, one := range l.etags {
		_, _ = hash.Write([]byte(one)) // a hash.Hash never returns an error
	}
	return []string{`W/"` + strconv.FormatUint(hash.Sum64(), 36) + `"`}
}

func (o *operations) list(ctx context.Context, c *class, v view, names []string) (list, error) {
	symbols, failures, err := parseSymbols(c, names)
	if err != nil {
		return list{}, err
	}
	keys := make([]cache.Key, len(symbols))
	for i, symbol := range symbols {
		keys[i] = cache.Latest(symbol)
	}
	outcomes := c.latest.GetAll(ctx, keys)
	if err := commonFailure(outcomes); err != nil {
		return list{}, err
	}
	answer := list{fresh: len(failures) == 0}
	found := make([]json.RawMessage, 0, len(symbols))
	for i, outcome := range outcomes {
		var data []byte
		if outcome.Err == nil {
			data, outcome.Err = bodyOf(outcome.Answer, v)
		}
		if outcome.Err != nil {
			failures = append(failures, symbolError(symbols[i], outcome.Err))
			answer.fresh = false
			continue
		}
		found = append(found, data)
		answer.note(outcome.Answer)
	}
	answer.data, err = encodeList(viewName(v)+"s", found, failures)
	return answer, err
}

func (l *list) note(answer cache.Answer) {
	l.fresh = l.fresh && !answer.Stale
	if l.asOf.IsZero() || answer.AsOf.Before(l.asOf) {
		l.asOf = answer.AsOf
	}
	if l.life == 0 || answer.Fresh < l.life {
		l.life = answer.Fresh
	}
	if value, ok := answer.Value.(*latest); ok {
		l.etags = append(l.etags, value.etag[0])
	}
}

// parseSymbols returns the canonical symbols, each once, and what is malformed.
func parseSymbols(c *class, names []string) (symbols []string, failures []SymbolError, err error) {
	if len(names) == 0 || len(names) > maxSymbols {
		return nil, nil, problem.InvalidRequest.New("symbols must name 1 to %d symbols", maxSymbols).
			Field("symbols").With("limit", maxSymbols)
	}
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		symbol, err := c.symbol(name)
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
	return symbols, failures, nil
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
func commonFailure(outcomes []cache.Outcome) error {
	var first error
	for _, found := range outcomes {
		if found.Err == nil || problem.From(found.Err).Kind.Status() == http.StatusNotFound {
			return nil
		}
		if first == nil {
			first = found.Err
		}
	}
	return first
}

// encodeList joins what is encoded already.
func encodeList(name string, found []json.RawMessage, failures []SymbolError) (serve.Raw, error) {
	encodedFailures, err := encodeErrors(failures)
	if err != nil {
		return nil, err
	}
	size := len(encodedFailures) + 32
	for _, one := range found {
		size += len(one) + 1
	}
	data := append(make([]byte, 0, size), `{"`+name+`":[`...)
	for i, one := range found {
		if i > 0 {
			data = append(data, ',')
		}
		data = append(data, one...)
	}
	data = append(data, `],"errors":`...)
	data = append(data, encodedFailures...)
	return append(data, '}'), nil
}

func encodeErrors(failures []SymbolError) ([]byte, error) {
	if failures == nil {
		return []byte("[]"), nil
	}
	encoded, err := json.Marshal(failures)
	if err != nil {
		return nil, fmt.Errorf("encode the errors of a list: %w", err)
	}
	return encoded, nil
}

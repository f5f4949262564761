package alpaca

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Class is an asset class of the Market Data API.
type Class string

// The asset classes.
const (
	ClassStocks  Class = "stocks"
	ClassOptions Class = "options"
	ClassCrypto  Class = "crypto"
)

// MaxOptionSymbols is how many contracts Alpaca takes in one call.
const MaxOptionSymbols = 100

// dataPath is where the data of a class stands; location is of crypto alone.
func dataPath(class Class, location string) string {
	switch class {
	case ClassOptions:
		return "/v1beta1/options"
	case ClassCrypto:
		return "/v1beta3/crypto/" + url.PathEscape(location)
	default:
		return "/v2/stocks"
	}
}

// OptionSnapshots returns the snapshot of each contract that Alpaca knows, with greeks where it can compute them; one
// upstream call for every 100 symbols. feed is opra or indicative; empty is the better that the data plan has.
func (c *Client) OptionSnapshots(ctx context.Context, cred Credentials, symbols []string, feed string) (map[string]Snapshot, error) {
	return keyed(ctx, c, cred, latestCall{
		path: dataPath(ClassOptions, "") + "/snapshots", symbols: symbols, most: MaxOptionSymbols,
		query: url.Values{"feed": {feed}, "limit": {strconv.Itoa(MaxOptionSymbols)}},
	}, snapshotsOf)
}

// CryptoSnapshots returns the snapshot of each pair that location (us, us-1, us-2, eu-1, bs-1) trades.
func (c *Client) CryptoSnapshots(ctx context.Context, cred Credentials, symbols []string, location string) (map[string]Snapshot, error) {
	return keyed(ctx, c, cred, latestCall{path: dataPath(ClassCrypto, location) + "/snapshots", symbols: symbols, most: symbolsPerCall}, snapshotsOf)
}

type snapshotsEnvelope struct {
	Snapshots map[string]*Snapshot `json:"snapshots"`
}

func snapshotsOf(e *snapshotsEnvelope) map[string]Snapshot { return present(e.Snapshots) }

func present[T any](pointers map[string]*T) map[string]T {
	found := make(map[string]T, len(pointers))
	for symbol, value := range pointers {
		if value != nil {
			found[symbol] = *value
		}
	}
	return found
}

// CryptoOrderBooks returns the order book of each pair that location trades.
func (c *Client) CryptoOrderBooks(ctx context.Context, cred Credentials, symbols []string, location string) (map[string]OrderBook, error) {
	type envelope struct {
		OrderBooks map[string]*OrderBook `json:"orderbooks"`
	}
	return keyed(ctx, c, cred, latestCall{path: dataPath(ClassCrypto, location) + "/latest/orderbooks", symbols: symbols, most: symbolsPerCall},
		func(e *envelope) map[string]OrderBook { return present(e.OrderBooks) })
}

// ChainQuery selects contracts of a chain. Zero values select all.
type ChainQuery struct {
	Feed       string // opra or indicative
	Type       string // call or put
	RootSymbol string
	// StrikeFrom and StrikeTo are decimals in USD, both included.
	StrikeFrom, StrikeTo string
	// Expiration, ExpirationFrom and ExpirationTo are dates YYYY-MM-DD, the latter two included.
	Expiration, ExpirationFrom, ExpirationTo string
	Limit                                    int // at most 1000
	PageToken                                string
}

// OptionChain returns one page of the snapshots of an underlying's contracts, and the token of the next page or "".
func (c *Client) OptionChain(ctx context.Context, cred Credentials, underlying string, q ChainQuery) (map[string]Snapshot, string, error) {
	path, err := segment("underlying", underlying)
	if err != nil {
		return nil, "", err
	}
	var answer struct {
		snapshotsEnvelope
		NextPageToken string `json:"next_page_token"`
	}
	err = c.do(ctx, call{
		cred: cred, api: APIData, method: http.MethodGet, path: dataPath(ClassOptions, "") + "/snapshots/" + path,
		query: filled(map[string]string{
			"feed": q.Feed, "type": q.Type, "root_symbol": q.RootSymbol, "strike_price_gte": q.StrikeFrom, "strike_price_lte": q.StrikeTo,
			"expiration_date": q.Expiration, "expiration_date_gte": q.ExpirationFrom, "expiration_date_lte": q.ExpirationTo,
			"limit": number(q.Limit), "page_token": q.PageToken,
		}),
	}, &answer)
	if err != nil {
		return nil, "", err
	}
	return present(answer.Snapshots), answer.NextPageToken, nil
}

// HistoryQuery selects bars or trades of the past. Zero values are left to Alpaca.
type HistoryQuery struct {
	Class   Class
	Symbols []string
	// Timeframe is of bars alone, which need one: 1Min, 1Hour, 1Day and so on.
	Timeframe  string
	Start, End time.Time
	// Limit counts the items of all symbols together, at most 10,000.
	Limit     int
	PageToken string
	Sort      string // asc or desc by time
	// Feed and Adjustment are of stocks alone, Location is of crypto alone and required there.
	Feed, Adjustment, Location string
}

// Bars returns one page of bars by symbol, and the token of the next page or "".
func (c *Client) Bars(ctx context.Context, cred Credentials, q HistoryQuery) (map[string][]Bar, string, error) {
	var answer struct {
		Bars          map[string][]Bar `json:"bars"`
		NextPageToken string           `json:"next_page_token"`
	}
	if err := c.history(ctx, cred, "/bars", q, &answer); err != nil {
		return nil, "", err
	}
	return answer.Bars, answer.NextPageToken, nil
}

// Trades returns one page of trades by symbol, and the token of the next page or "".
func (c *Client) Trades(ctx context.Context, cred Credentials, q HistoryQuery) (map[string][]Trade, string, error) {
	var answer struct {
		Trades        map[string][]Trade `json:"trades"`
		NextPageToken string             `json:"next_page_token"`
	}
	if err := c.history(ctx, cred, "/trades", q, &answer); err != nil {
		return nil, "", err
	}
	return answer.Trades, answer.NextPageToken, nil
}

func (c *Client) history(ctx context.Context, cred Credentials, path string, q HistoryQuery, answer any) error {
	if len(q.Symbols) == 0 || slices.Contains(q.Symbols, "") {
		return fmt.Errorf("%w: symbols must not be empty", ErrBadArgument)
	}
	return c.do(ctx, call{
		cred: cred, api: APIData, method: http.MethodGet, path: dataPath(q.Class, q.Location) + path,
		query: filled(map[string]string{
			"symbols": strings.Join(q.Symbols, ","), "timeframe": q.Timeframe, "start": timestamp(q.Start), "end": timestamp(q.End),
			"limit": number(q.Limit), "page_token": q.PageToken, "sort": q.Sort, "feed": q.Feed, "adjustment": q.Adjustment,
		}),
	}, answer)
}

// filled leaves empty values out.
func filled(values map[string]string) url.Values {
	query := make(url.Values, len(values))
	for name, value := range values {
		if value != "" {
			query.Set(name, value)
		}
	}
	return query
}

func number(n int) string {
	if n == 0 {
		return ""
	}
	return strconv.Itoa(n)
}

package alpaca

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// symbolsPerCall keeps the URL far below the 8 KiB that servers commonly accept.
const symbolsPerCall = 500

// LatestQuotes returns the latest quote of each stock that Alpaca knows; one upstream call for every 500 symbols.
// feed is iex, sip, delayed_sip, otc, boats or overnight; empty is the best that the account's data plan has.
func (c *Client) LatestQuotes(ctx context.Context, cred Credentials, symbols []string, feed string) (map[string]Quote, error) {
	type envelope struct {
		Quotes map[string]Quote `json:"quotes"`
	}
	return latest(ctx, c, cred, "/v2/stocks/quotes/latest", symbols, feed,
		func(e *envelope) map[string]Quote { return e.Quotes })
}

// LatestTrades returns the latest trade of each stock, as LatestQuotes does quotes.
func (c *Client) LatestTrades(ctx context.Context, cred Credentials, symbols []string, feed string) (map[string]Trade, error) {
	type envelope struct {
		Trades map[string]Trade `json:"trades"`
	}
	return latest(ctx, c, cred, "/v2/stocks/trades/latest", symbols, feed,
		func(e *envelope) map[string]Trade { return e.Trades })
}

// LatestBars returns the latest minute bar of each stock, as LatestQuotes does quotes.
func (c *Client) LatestBars(ctx context.Context, cred Credentials, symbols []string, feed string) (map[string]Bar, error) {
	type envelope struct {
		Bars map[string]Bar `json:"bars"`
	}
	return latest(ctx, c, cred, "/v2/stocks/bars/latest", symbols, feed,
		func(e *envelope) map[string]Bar { return e.Bars })
}

// Snapshots returns the snapshot of each stock, as LatestQuotes does quotes. A symbol that Alpaca has nothing about
// is left out.
func (c *Client) Snapshots(ctx context.Context, cred Credentials, symbols []string, feed string) (map[string]Snapshot, error) {
	type envelope = map[string]*Snapshot
	return latest(ctx, c, cred, "/v2/stocks/snapshots", symbols, feed, func(e *envelope) map[string]Snapshot { return present(*e) })
}

func latest[Envelope, T any](
	ctx context.Context, c *Client, cred Credentials, path string, symbols []string, feed string,
	open func(*Envelope) map[string]T,
) (map[string]T, error) {
	return keyed(ctx, c, cred, latestCall{path: path, symbols: symbols, most: symbolsPerCall, query: url.Values{"feed": {feed}}}, open)
}

// latestCall is a read of the latest of some symbols, most in one call. Empty values of query are left out.
type latestCall struct {
	path    string
	symbols []string
	most    int
	query   url.Values
}

func keyed[Envelope, T any](
	ctx context.Context, c *Client, cred Credentials, l latestCall, open func(*Envelope) map[string]T,
) (map[string]T, error) {
	if len(l.symbols) == 0 || slices.Contains(l.symbols, "") {
		return nil, fmt.Errorf("%w: symbols must not be empty", ErrBadArgument)
	}
	found := make(map[string]T, len(l.symbols))
	for part := range slices.Chunk(l.symbols, l.most) {
		query := url.Values{"symbols": {strings.Join(part, ",")}}
		for name := range l.query {
			if value := l.query.Get(name); value != "" {
				query.Set(name, value)
			}
		}
		var answer Envelope
		err := c.do(ctx, call{cred: cred, api: APIData, method: http.MethodGet, path: l.path, query: query}, &answer)
		if err != nil {
			return nil, err
		}
		maps.Copy(found, open(&answer))
	}
	return found, nil
}

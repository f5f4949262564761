package order

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// The bounds of a page of orders.
const (
	defaultPage = 50
	maxPage     = 500
	// maxSymbols bounds the symbols of one query, whose length Alpaca's proxies bound.
	maxSymbols = 100
)

// The directions of a list.
const (
	ascending  = "asc"
	descending = "desc"
)

// Page is a list of orders.
type Page struct {
	Orders []order.Order `json:"orders"`
	// NextPageToken is the page_token of the next page; null when this is the last.
	NextPageToken *string `json:"next_page_token"`
}

func (f *Function) listOrders(ctx context.Context, r *serve.Request[serve.None]) (Page, error) {
	query, rest, err := ordersQuery(r.Request)
	if err != nil {
		return Page{}, err
	}
	account, err := f.account(ctx, r.Claims.AccountID)
	if err != nil {
		return Page{}, err
	}
	found, err := f.Alpaca.Orders(ctx, account.Credentials, query)
	if err != nil {
		return Page{}, alpaca.Problem(err)
	}
	page := Page{Orders: make([]order.Order, 0, len(found))}
	more := len(found) == query.Limit
	for i := range found {
		if rest.over(found[i].SubmittedAt) {
			more = false
			break
		}
		if rest.status == "" || found[i].Status == rest.status {
			page.Orders = append(page.Orders, order.FromAlpaca(&found[i]))
		}
	}
	if more {
		page.NextPageToken = &found[len(found)-1].ID
	}
	return page, nil
}

// remainder is what of a query Alpaca can't filter by.
type remainder struct {
	// status is a single order status.
	status string
	// after and until bound a page that begins at a mark, which Alpaca does not take together with a time.
	after, until time.Time
}

// over reports that an order submitted at this time, and all that follow in the list, are outside of the bounds.
func (r *remainder) over(at time.Time) bool {
	return !r.after.IsZero() && !at.After(r.after) || !r.until.IsZero() && !at.Before(r.until)
}

// listStatuses are the values of the status filter: Alpaca's three, and the single statuses of the former API.
func listStatuses() []string {
	return append([]string{"open", "closed", "all"}, orderStatuses()...)
}

func orderStatuses() []string {
	return []string{
		alpaca.StatusNew, alpaca.StatusAccepted, alpaca.StatusPendingNew, alpaca.StatusPartiallyFilled, alpaca.StatusFilled,
		alpaca.StatusCanceled, alpaca.StatusExpired, alpaca.StatusRejected, alpaca.StatusReplaced, alpaca.StatusHeld,
	}
}

// ordersQuery reads the filters.
func ordersQuery(r *http.Request) (query alpaca.OrdersQuery, rest remainder, err error) {
	values := r.URL.Query()
	query = alpaca.OrdersQuery{Status: values.Get("status"), Limit: defaultPage, Side: values.Get("side"), Nested: true}
	for _, read := range []func(url.Values, *alpaca.OrdersQuery) error{readChoices, readSymbols, readLimit, readSpan} {
		if err := read(values, &query); err != nil {
			return query, rest, err
		}
	}
	if values.Has("nested") {
		if query.Nested, err = boolParameter(values, "nested"); err != nil {
			return query, rest, err
		}
	}
	if slices.Contains(orderStatuses(), query.Status) {
		rest.status, query.Status = query.Status, "open"
		if alpaca.Terminal(rest.status) {
			query.Status = "closed"
		}
	}
	return query, rest, readPage(values, &query, &rest)
}

func readChoices(values url.Values, query *alpaca.OrdersQuery) error {
	query.Direction = values.Get("direction")
	for _, choice := range []struct {
		name, value string
		allowed     []string
	}{
		{"status", query.Status, listStatuses()}, {"side", query.Side, []string{alpaca.SideBuy, alpaca.SideSell}},
		{"direction", query.Direction, []string{ascending, descending}},
	} {
		if choice.value == "" {
			continue
		}
		if err := oneOf(choice.name, choice.value, choice.allowed); err != nil {
			return err
		}
	}
	if classes := values.Get("asset_class"); classes != "" {
		query.AssetClasses = strings.Split(classes, ",")
	}
	for _, class := range query.AssetClasses {
		if err := oneOf("asset_class", class, assetClasses()); err != nil {
			return err
		}
	}
	return nil
}

func assetClasses() []string {
	return []string{event.AssetClassUSEquity, event.AssetClassUSOption, event.AssetClassCrypto}
}

func readSymbols(values url.Values, query *alpaca.OrdersQuery) error {
	text := values.Get("symbols")
	if text == "" {
		return nil
	}
	symbols := strings.Split(text, ",")
	if len(symbols) > maxSymbols {
		return problem.InvalidRequest.New("symbols: at most %d", maxSymbols).Field("symbols").With("limit", maxSymbols)
	}
	for _, symbol := range symbols {
		canonical, ok := anySymbol(symbol)
		if !ok {
			return invalid("symbols", "symbols: %.24q is no ticker, option symbol or crypto pair", symbol)
		}
		query.Symbols = append(query.Symbols, canonical)
	}
	return nil
}

// anySymbol is the canonical form of a symbol of any asset class.
func anySymbol(text string) (string, bool) {
	if pair, err := market.ParsePair(text); err == nil && strings.Contains(text, "/") {
		return pair.String(), true
	}
	if contract, err := market.ParseOption(text); err == nil {
		return contract.Symbol, true
	}
	stock, err := market.ParseStock(text)
	return stock, err == nil
}

func readLimit(values url.Values, query *alpaca.OrdersQuery) error {
	text := values.Get("limit")
	if text == "" {
		return nil
	}
	limit, err := strconv.Atoi(text)
	if err != nil || limit < 1 || limit > maxPage {
		return problem.InvalidRequest.New("limit must be a number from 1 to %d", maxPage).Field("limit").With("limit", maxPage)
	}
	query.Limit = limit
	return nil
}

// readSpan reads the bounds of the submission time, both exclusive.
func readSpan(values url.Values, query *alpaca.OrdersQuery) error {
	for _, bound := range []struct {
		name string
		at   *time.Time
	}{{"after", &query.After}, {"until", &query.Until}} {
		text := values.Get(bound.name)
		if text == "" {
			continue
		}
		at, err := parseTime(text)
		if err != nil {
			return invalid(bound.name, "%s must be a time like 2026-11-25T14:30:00Z or a date like 2026-11-25", bound.name)
		}
		*bound.at = at
	}
	if !query.After.IsZero() && !query.Until.IsZero() && !query.After.Before(query.Until) {
		return invalid("until", "until must be later than after")
	}
	return nil
}

func parseTime(text string) (time.Time, error) {
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, nil
	}
	return time.Parse(time.RFC3339Nano, text)
}

// readPage reads the mark of the page before: its last order, which Alpaca gives the next ones from.
func readPage(values url.Values, query *alpaca.OrdersQuery, rest *remainder) error {
	mark := values.Get("page_token")
	switch {
	case mark == "":
		return nil
	case !isOrderID(mark):
		return invalid("page_token", "page_token is not one that this API gave")
	case query.Direction == ascending:
		query.AfterOrderID, rest.until = mark, query.Until
	default:
		query.BeforeOrderID, rest.after = mark, query.After
	}
	query.After, query.Until = time.Time{}, time.Time{}
	return nil
}

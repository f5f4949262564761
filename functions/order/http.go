package order

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// The bounds of a page of orders.
const (
	defaultPage = 50
	maxPage     = 500
)

func (f *Function) placeStockOrder(ctx context.Context, r *serve.Request[order.OrderRequest]) (order.Order, error) {
	account, err := f.account(ctx, r.Claims.AccountID)
	if err != nil {
		return order.Order{}, err
	}
	key := r.Header.Get(idempotencyHeader)
	if err := checkIdempotencyKey(key); err != nil {
		return order.Order{}, err
	}
	p, err := f.newPlacement(account, event.AssetClassUSEquity, key, r.Answer.Get(serve.RequestIDHeader), r.Body)
	if err != nil {
		return order.Order{}, err
	}
	placed, grant, err := f.place(ctx, p)
	if grant.Reset > 0 || grant.Remaining > 0 {
		serve.SetRateLimit(r.Answer, serve.Decision{
			Limit: f.config.OrdersPerMinute, Remaining: grant.Remaining, Reset: grant.Reset,
		}, f.Clock.Now())
	}
	return placed, err
}

// account is the caller's account with its credentials.
func (f *Function) account(ctx context.Context, id string) (vault.Account, error) {
	account, err := f.Accounts.Account(ctx, id)
	if errors.Is(err, vault.ErrAccountNotFound) {
		return vault.Account{}, problem.AccountNotFound.New("no account %s", id).With("account_id", id)
	}
	return account, err
}

// Page is a list of orders.
type Page struct {
	Orders []order.Order `json:"orders"`
	// NextPageToken is the page_token of the next page; null when this is the last.
	NextPageToken *string `json:"next_page_token"`
}

func (f *Function) listOrders(ctx context.Context, r *serve.Request[serve.None]) (Page, error) {
	query, only, err := ordersQuery(r.Request)
	if err != nil {
		return Page{}, err
	}
	account, err := f.upstreamAccount(ctx, r.Claims.AccountID, 2*f.config.CancelReserve)
	if err != nil {
		return Page{}, err
	}
	found, err := f.Alpaca.Orders(ctx, account.Credentials, query)
	if err != nil {
		return Page{}, alpaca.Problem(err)
	}
	page := Page{Orders: make([]order.Order, 0, len(found))}
	for i := range found {
		if only == "" || found[i].Status == only {
			page.Orders = append(page.Orders, order.FromAlpaca(&found[i]))
		}
	}
	if len(found) == query.Limit {
		page.NextPageToken = &found[len(found)-1].ID
	}
	return page, nil
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

// ordersQuery reads the filters; only is a single status that Alpaca can't filter by, or empty.
func ordersQuery(r *http.Request) (query alpaca.OrdersQuery, only string, err error) {
	values := r.URL.Query()
	query = alpaca.OrdersQuery{Status: values.Get("status"), Limit: defaultPage, Side: values.Get("side"), BeforeOrderID: values.Get("page_token"), Nested: true}
	if query.Status != "" && !slices.Contains(listStatuses(), query.Status) {
		return query, "", problem.InvalidRequest.New("status must be one of %v", listStatuses()).Field("status").With("allowed", listStatuses())
	}
	if slices.Contains(orderStatuses(), query.Status) {
		only, query.Status = query.Status, "open"
		if alpaca.Terminal(only) {
			query.Status = "closed"
		}
	}
	if query.Side != "" && query.Side != alpaca.SideBuy && query.Side != alpaca.SideSell {
		return query, "", invalid("side", "side must be buy or sell")
	}
	if text := values.Get("limit"); text != "" {
		if query.Limit, err = strconv.Atoi(text); err != nil || query.Limit < 1 || query.Limit > maxPage {
			return query, "", problem.InvalidRequest.New("limit must be a number from 1 to %d", maxPage).Field("limit").With("limit", maxPage)
		}
	}
	if symbols := values.Get("symbols"); symbols != "" {
		query.Symbols = strings.Split(strings.ToUpper(symbols), ",")
	}
	if query.BeforeOrderID != "" && !isOrderID(query.BeforeOrderID) {
		return query, "", invalid("page_token", "page_token is not one that this API gave")
	}
	return query, only, nil
}

func (f *Function) getOrder(ctx context.Context, r *serve.Request[serve.None]) (order.Order, error) {
	id := r.PathValue("order_id")
	if !isOrderID(id) {
		return order.Order{}, orderNotFound(id)
	}
	account, err := f.upstreamAccount(ctx, r.Claims.AccountID, 2*f.config.CancelReserve)
	if err != nil {
		return order.Order{}, err
	}
	found, err := f.Alpaca.OrderByID(ctx, account.Credentials, id, true)
	return nativeOrder(found, id, err)
}

func (f *Function) getOrderByClientOrderID(ctx context.Context, r *serve.Request[serve.None]) (order.Order, error) {
	id := r.PathValue("client_order_id")
	if len(id) > maxClientOrderID || !printable(id) {
		return order.Order{}, orderNotFound(id)
	}
	account, err := f.upstreamAccount(ctx, r.Claims.AccountID, 2*f.config.CancelReserve)
	if err != nil {
		return order.Order{}, err
	}
	found, err := f.Alpaca.OrderByClientOrderID(ctx, account.Credentials, id)
	return nativeOrder(found, id, err)
}

func nativeOrder(found *alpaca.Order, id string, err error) (order.Order, error) {
	switch {
	case errors.Is(err, alpaca.ErrNotFound):
		return order.Order{}, orderNotFound(id)
	case err != nil:
		return order.Order{}, alpaca.Problem(err)
	}
	return order.FromAlpaca(found), nil
}

func orderNotFound(id string) error {
	return problem.OrderNotFound.New("the account has no order %.128q", id)
}

// upstreamAccount is the account of a call to Alpaca, with the call taken from the account's budget.
func (f *Function) upstreamAccount(ctx context.Context, id string, reserve int) (vault.Account, error) {
	account, err := f.account(ctx, id)
	if err != nil {
		return vault.Account{}, err
	}
	return account, f.takeUpstream(ctx, id, reserve)
}

// isOrderID reports whether id has the form of a UUID: anything else can't be an order, and is never put into a path.
func isOrderID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(id) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

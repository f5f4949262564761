package alpaca

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

const maxPathSegment = 128

// segment escapes one part of a path. An empty one is refused: DELETE /v2/orders/ without an ID could be taken for
// the call that cancels everything.
func segment(field, value string) (string, error) {
	if value == "" || value == "." || value == ".." || len(value) > maxPathSegment {
		return "", fmt.Errorf("%w: %s must have 1 to %d characters and not be a path", ErrBadArgument, field, maxPathSegment)
	}
	return url.PathEscape(value), nil
}

// OrdersQuery selects orders; the zero value selects Alpaca's default, the 50 newest open ones.
type OrdersQuery struct {
	// Status is open, closed or all.
	Status string
	// Limit is at most 500.
	Limit int
	// After and Until bound the submission time, both exclusive.
	After, Until time.Time
	// Direction is asc or desc by submission time.
	Direction string
	// Nested puts the legs of multi-leg orders into Order.Legs.
	Nested  bool
	Symbols []string
	Side    string
	// AssetClasses is a list of us_equity, us_option, crypto.
	AssetClasses []string
	// BeforeOrderID and AfterOrderID are exclusive page marks; not with each other nor with After and Until.
	BeforeOrderID, AfterOrderID string
}

func (q OrdersQuery) values() url.Values {
	values := url.Values{}
	set := func(name, value string) {
		if value != "" {
			values.Set(name, value)
		}
	}
	set("status", q.Status)
	set("after", timestamp(q.After))
	set("until", timestamp(q.Until))
	set("direction", q.Direction)
	set("symbols", strings.Join(q.Symbols, ","))
	set("side", q.Side)
	set("asset_class", strings.Join(q.AssetClasses, ","))
	set("before_order_id", q.BeforeOrderID)
	set("after_order_id", q.AfterOrderID)
	if q.Limit > 0 {
		values.Set("limit", strconv.Itoa(q.Limit))
	}
	if q.Nested {
		values.Set("nested", "true")
	}
	return values
}

func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// PlaceOrder submits an order once. Without a client order ID it is ErrNoClientOrderID. On ErrOutcomeUnknown the
// order may exist: ask OrderByClientOrderID.
func (c *Client) PlaceOrder(ctx context.Context, cred Credentials, order OrderRequest) (*Order, error) {
	if order.ClientOrderID == "" {
		return nil, ErrNoClientOrderID
	}
	return one[Order](ctx, c, call{cred: cred, api: APITrading, method: http.MethodPost, path: "/v2/orders", body: order})
}

// OrderByClientOrderID returns the order with the caller's own ID; ErrNotFound proves that no such order arrived.
func (c *Client) OrderByClientOrderID(ctx context.Context, cred Credentials, clientOrderID string) (*Order, error) {
	if clientOrderID == "" {
		return nil, ErrNoClientOrderID
	}
	return one[Order](ctx, c, call{
		cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/orders:by_client_order_id",
		query: url.Values{"client_order_id": {clientOrderID}},
	})
}

// OrderByID returns the order with Alpaca's ID, with its legs when nested.
func (c *Client) OrderByID(ctx context.Context, cred Credentials, id string, nested bool) (*Order, error) {
	path, err := segment("order ID", id)
	if err != nil {
		return nil, err
	}
	var query url.Values
	if nested {
		query = url.Values{"nested": {"true"}}
	}
	return one[Order](ctx, c, call{
		cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/orders/" + path, query: query,
	})
}

// Orders returns the orders that the query selects.
func (c *Client) Orders(ctx context.Context, cred Credentials, query OrdersQuery) ([]Order, error) {
	return many[Order](ctx, c, call{
		cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/orders", query: query.values(),
	})
}

// ReplaceOrder replaces an open order and returns the new one, whose Replaces is id. It is not final: when the old
// order fills first, the new one is rejected later. On ErrOutcomeUnknown look at the old order's ReplacedBy.
func (c *Client) ReplaceOrder(ctx context.Context, cred Credentials, id string, change ReplaceRequest) (*Order, error) {
	path, err := segment("order ID", id)
	if err != nil {
		return nil, err
	}
	return one[Order](ctx, c, call{
		cred: cred, api: APITrading, method: http.MethodPatch, path: "/v2/orders/" + path, body: change,
	})
}

// CancelOrder asks for an order to be cancelled; it may still fill. ErrRejected when it can't be cancelled any more.
func (c *Client) CancelOrder(ctx context.Context, cred Credentials, id string) error {
	path, err := segment("order ID", id)
	if err != nil {
		return err
	}
	return c.do(ctx, call{cred: cred, api: APITrading, method: http.MethodDelete, path: "/v2/orders/" + path}, nil)
}

// CancelResult is what became of one order's cancellation.
type CancelResult struct {
	ID string `json:"id"`
	// Status is an HTTP status; 200 means accepted.
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// CancelAllOrders asks for every open order of the account to be cancelled.
func (c *Client) CancelAllOrders(ctx context.Context, cred Credentials) ([]CancelResult, error) {
	return many[CancelResult](ctx, c, call{cred: cred, api: APITrading, method: http.MethodDelete, path: "/v2/orders"})
}

// Account returns the account's state.
func (c *Client) Account(ctx context.Context, cred Credentials) (*Account, error) {
	return one[Account](ctx, c, call{cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/account"})
}

// Positions returns every open position.
func (c *Client) Positions(ctx context.Context, cred Credentials) ([]Position, error) {
	return many[Position](ctx, c, call{cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/positions"})
}

// Position returns the position in one symbol, ErrNotFound when there is none.
func (c *Client) Position(ctx context.Context, cred Credentials, symbol string) (*Position, error) {
	path, err := segment("symbol", symbol)
	if err != nil {
		return nil, err
	}
	return one[Position](ctx, c, call{cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/positions/" + path})
}

// CloseQuery says how much of a position to close; the zero value closes all of it. Not both.
type CloseQuery struct {
	// Qty is a number of shares, Percentage 0 to 100.
	Qty, Percentage *decimal.Decimal
}

// ClosePosition submits the closing order and returns it. Alpaca takes no client order ID here: after
// ErrOutcomeUnknown only the account's orders and positions tell what happened.
func (c *Client) ClosePosition(ctx context.Context, cred Credentials, symbol string, amount CloseQuery) (*Order, error) {
	path, err := segment("symbol", symbol)
	if err != nil {
		return nil, err
	}
	if amount.Qty != nil && amount.Percentage != nil {
		return nil, fmt.Errorf("%w: close by qty or by percentage, not both", ErrBadArgument)
	}
	query := url.Values{}
	if amount.Qty != nil {
		query.Set("qty", amount.Qty.String())
	}
	if amount.Percentage != nil {
		query.Set("percentage", amount.Percentage.String())
	}
	return one[Order](ctx, c, call{
		cred: cred, api: APITrading, method: http.MethodDelete, path: "/v2/positions/" + path, query: query,
	})
}

// CloseResult is what became of one position's closing: Body is the closing Order, or an error object.
type CloseResult struct {
	Symbol string          `json:"symbol"`
	Status int             `json:"status"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// CloseAllPositions submits closing orders for every position, after cancelling all open orders when asked to.
func (c *Client) CloseAllPositions(ctx context.Context, cred Credentials, cancelOrders bool) ([]CloseResult, error) {
	return many[CloseResult](ctx, c, call{
		cred: cred, api: APITrading, method: http.MethodDelete, path: "/v2/positions",
		query: url.Values{"cancel_orders": {strconv.FormatBool(cancelOrders)}},
	})
}

// Clock returns Alpaca's market clock.
func (c *Client) Clock(ctx context.Context, cred Credentials) (*Clock, error) {
	return one[Clock](ctx, c, call{cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/clock"})
}

// Calendar returns the trading days from start to end, both included; their dates are taken in their own locations.
// A zero time is left to Alpaca (1970 and 2029).
func (c *Client) Calendar(ctx context.Context, cred Credentials, start, end time.Time) ([]CalendarDay, error) {
	query := url.Values{}
	if !start.IsZero() {
		query.Set("start", start.Format(time.DateOnly))
	}
	if !end.IsZero() {
		query.Set("end", end.Format(time.DateOnly))
	}
	return many[CalendarDay](ctx, c, call{
		cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/calendar", query: query,
	})
}

// Asset returns one asset by symbol or ID.
func (c *Client) Asset(ctx context.Context, cred Credentials, symbol string) (*Asset, error) {
	path, err := segment("symbol", symbol)
	if err != nil {
		return nil, err
	}
	return one[Asset](ctx, c, call{cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/assets/" + path})
}

// OptionContract returns one option contract by symbol or ID.
func (c *Client) OptionContract(ctx context.Context, cred Credentials, symbol string) (*OptionContract, error) {
	path, err := segment("symbol", symbol)
	if err != nil {
		return nil, err
	}
	return one[OptionContract](ctx, c, call{cred: cred, api: APITrading, method: http.MethodGet, path: "/v2/options/contracts/" + path})
}

func one[T any](ctx context.Context, c *Client, r call) (*T, error) {
	var result T
	if err := c.do(ctx, r, &result); err != nil {
		return nil, err
	}
	return &result, nil
}

func many[T any](ctx context.Context, c *Client, r call) ([]T, error) {
	var result []T
	if err := c.do(ctx, r, &result); err != nil {
		return nil, err
	}
	return result, nil
}

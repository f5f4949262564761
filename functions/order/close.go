package order

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

const (
	// maxPositionSymbol is over the 21 characters of an OCC option symbol and the 36 of an asset ID.
	maxPositionSymbol = 40
	wholePercentage   = 100
)

// The first and the longest pause between looks at whether orders that hold a position are gone.
const (
	releasePause    = 20 * time.Millisecond
	maxReleasePause = 500 * time.Millisecond
)

// closing is what makes a placement the close of a position. How much that is in shares is read when it is sent.
type closing struct {
	// Symbol is the position's, without the slash of a crypto pair.
	Symbol string `json:"symbol"`
	// Qty or Percentage limits how much is closed; neither closes all of it.
	Qty        *decimal.Decimal `json:"qty,omitempty"`
	Percentage *decimal.Decimal `json:"percentage,omitempty"`
	// CancelOrders first cancels the symbol's open orders, which hold what is to be closed.
	CancelOrders bool `json:"cancel_orders,omitempty"`
	// held is the position as it was just read; nil reads it.
	held *alpaca.Position
}

// closePosition closes one position by an order of ours with a client order ID, never by Alpaca's own call, which makes
// an order that can't be found when its answer is lost.
func (f *Function) closePosition(ctx context.Context, r *serve.Request[serve.None]) (order.Order, error) {
	c, err := closingOf(r.PathValue("symbol"), r.URL.Query())
	if err != nil {
		return order.Order{}, err
	}
	p, err := f.newRequest(ctx, r.Claims.AccountID, r.Request, r.Answer, "close", c)
	if err != nil {
		return order.Order{}, err
	}
	p.closes = &c
	p.request.ClientOrderID = clientOrderID(p.account.ID, "", p.idempotencyKey)
	return f.placeLimited(ctx, r.Answer, p)
}

func closingOf(symbol string, query url.Values) (closing, error) {
	c := closing{Symbol: strings.ReplaceAll(strings.ToUpper(symbol), "/", "")}
	if !validPositionSymbol(c.Symbol) {
		return c, invalid("symbol", "symbol must be 1 to %d letters, digits or . / -", maxPositionSymbol)
	}
	var err error
	if c.CancelOrders, err = boolParameter(query, "cancel_orders"); err != nil {
		return c, err
	}
	if c.Qty, err = amountParameter(query, "qty"); err != nil {
		return c, err
	}
	if c.Percentage, err = amountParameter(query, "percentage"); err != nil {
		return c, err
	}
	switch {
	case c.Qty != nil && c.Percentage != nil:
		return c, invalid("percentage", "percentage: only one of qty and percentage may be given")
	case c.Percentage != nil && c.Percentage.GreaterThan(decimal.FromInt(wholePercentage)):
		return c, problem.InvalidRequest.New("percentage must be at most %d", wholePercentage).Field("percentage").With("limit", wholePercentage)
	}
	return c, nil
}

func validPositionSymbol(symbol string) bool {
	if symbol == "" || len(symbol) > maxPositionSymbol {
		return false
	}
	for _, c := range []byte(symbol) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return symbol[0] != '.' && symbol[0] != '-'
}

func amountParameter(query url.Values, name string) (*decimal.Decimal, error) {
	if !query.Has(name) {
		return nil, nil //nolint:nilnil // absent is not an error
	}
	amount, err := decimal.Parse(query.Get(name))
	if err != nil {
		return nil, invalid(name, "%s must be a number", name)
	}
	return &amount, checkQuantity(name, &decimal.Number{Decimal: amount})
}

func boolParameter(query url.Values, name string) (bool, error) {
	if !query.Has(name) {
		return false, nil
	}
	value, err := strconv.ParseBool(query.Get(name))
	if err != nil {
		return false, invalid(name, "%s must be true or false", name)
	}
	return value, nil
}

// prepareClose reads the position and makes p the order that closes as much of it as was asked for.
func (f *Function) prepareClose(ctx context.Context, p *placement) error {
	defer f.upstreamSince(p, f.Clock.Now())
	if p.closes.CancelOrders {
		own := func(o *alpaca.Order) bool { return o.ClientOrderID == p.request.ClientOrderID }
		if err := f.release(ctx, p.account, p.closes.Symbol, own); err != nil {
			return err
		}
	}
	held, err := f.position(ctx, p)
	if err != nil {
		return err
	}
	p.assetClass = held.AssetClass
	request, err := closeOrder(held, p.closes, p.request.ClientOrderID)
	if err != nil {
		return err
	}
	p.request = request
	return nil
}

// position is the position that p closes.
func (f *Function) position(ctx context.Context, p *placement) (*alpaca.Position, error) {
	if held := p.closes.held; held != nil {
		p.closes.held = nil // true once
		return held, nil
	}
	held, err := f.Alpaca.Position(alpaca.Urgent(ctx), p.account.Credentials, p.closes.Symbol)
	if errors.Is(err, alpaca.ErrNotFound) {
		return nil, problem.PositionNotFound.New("no open position in %s", p.closes.Symbol).With("symbol", p.closes.Symbol)
	}
	return held, err
}

// closeOrder is the order that closes a position as Alpaca's own call does it: at the market, for the day.
func closeOrder(held *alpaca.Position, c *closing, clientOrderID string) (alpaca.OrderRequest, error) {
	qty, err := closeQuantity(held, c)
	if err != nil {
		return alpaca.OrderRequest{}, err
	}
	request := alpaca.OrderRequest{
		Symbol: held.Symbol, Qty: &qty, Side: alpaca.SideSell, Type: alpaca.TypeMarket, TimeInForce: alpaca.TimeInForceDay,
		PositionIntent: alpaca.IntentSellToClose, ClientOrderID: clientOrderID,
	}
	if held.Qty.IsNeg() {
		request.Side, request.PositionIntent = alpaca.SideBuy, alpaca.IntentBuyToClose
	}
	if held.AssetClass == event.AssetClassCrypto {
		request.TimeInForce = alpaca.TimeInForceGTC
		if pair, err := market.ParsePair(held.Symbol); err == nil {
			request.Symbol = pair.String()
		}
	}
	return request, nil
}

// closeQuantity is how many shares, contracts or coins to close; only a fractional position is closed in fractions.
func closeQuantity(held *alpaca.Position, c *closing) (decimal.Decimal, error) {
	all, available := held.Qty.Abs(), held.QtyAvailable.Abs()
	number := func(d decimal.Decimal) decimal.Number { return decimal.Number{Decimal: d} }
	qty, field := all, "qty"
	switch {
	case c.Qty != nil:
		qty = *c.Qty
	case c.Percentage != nil:
		field = "percentage"
		qty = all.Mul(*c.Percentage).Mul(decimal.MustParse("0.01")).Trunc(maxQuantityDigits)
		if decimal.Digits(all) == 0 {
			qty = qty.Trunc(0)
		}
	}
	switch {
	case qty.GreaterThan(all):
		return qty, problem.InvalidRequest.New("qty %s is more than the position's %s", qty, all).Field(field).With("existing_qty", number(all))
	case !qty.IsPos():
		return qty, problem.InvalidRequest.New("%s of the position's %s is less than one share or contract", field, all).
			Field(field).With("existing_qty", number(all))
	case held.AssetClass == event.AssetClassUSOption && decimal.Digits(qty) > 0:
		return qty, invalid(field, "%s must be whole: options trade in contracts", field)
	case qty.GreaterThan(available):
		return qty, problem.OrderRejected.New("open orders hold %s of the position's %s; cancel them, or ask with cancel_orders=true", all.Sub(available), all).
			With("symbol", held.Symbol).With("existing_qty", number(all)).With("available_qty", number(available)).
			With("held_for_orders", number(all.Sub(available)))
	}
	return qty, nil
}

// release cancels the open orders of a symbol, or all of them for an empty one, and waits until Alpaca has let go of
// what they hold. Orders of the request's own, which it placed before, stay: they are the close.
func (f *Function) release(ctx context.Context, account vault.Account, symbol string, own func(*alpaca.Order) bool) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.UpstreamTimeout)
	defer cancel()
	asked := make(map[string]bool)
	for pause := releasePause; ; pause = min(2*pause, maxReleasePause) {
		query := alpaca.OrdersQuery{Status: "open", Limit: maxPage}
		if symbol != "" {
			query.Symbols = []string{symbol}
		}
		open, err := f.Alpaca.Orders(alpaca.Urgent(ctx), account.Credentials, query)
		open = slices.DeleteFunc(open, func(o alpaca.Order) bool { return own(&o) })
		if err != nil || len(open) == 0 {
			return err
		}
		if err := f.cancelEach(ctx, account, open, asked); err != nil {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return problem.UpstreamTimeout.New("%d orders that hold the position are still being canceled; repeat the request", len(open)).
				With("open_orders", len(open)).After(retrySoon)
		}
	}
}

// cancelEach asks for each order to be canceled once; those that ended meanwhile are as good.
func (f *Function) cancelEach(ctx context.Context, account vault.Account, open []alpaca.Order, asked map[string]bool) error {
	for i := range open {
		if asked[open[i].ID] {
			continue
		}
		err := f.Alpaca.CancelOrder(ctx, account.Credentials, open[i].ID)
		switch {
		case errors.Is(err, alpaca.ErrOutcomeUnknown): // the next look shows whether to ask again
		case err == nil, errors.Is(err, alpaca.ErrRejected), errors.Is(err, alpaca.ErrNotFound):
			asked[open[i].ID] = true
		default:
			return err
		}
	}
	return nil
}

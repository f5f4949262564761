package exchange

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// OpenPosition is a position as GET /v2/positions answers it. Quantities are shares (negative when short), amounts and
// prices USD, ratios fractions.
type OpenPosition struct {
	Asset                   *asset.Asset
	Qty, QtyAvailable       decimal.Decimal
	AverageEntryPrice       decimal.Decimal
	MarketValue, CostBasis  decimal.Decimal
	UnrealizedPL            decimal.Decimal
	UnrealizedPLRatio       decimal.Decimal
	UnrealizedIntradayPL    decimal.Decimal
	UnrealizedIntradayRatio decimal.Decimal
	CurrentPrice, LastPrice decimal.Decimal // LastPrice is the last close
	ChangeToday             decimal.Decimal
}

// Symbol returns the asset's symbol as positions have it: crypto pairs without the slash.
func (p *OpenPosition) Symbol() string { return strings.ReplaceAll(p.Asset.Symbol, "/", "") }

// Positions returns all positions, by symbol.
func (a *Account) Positions() []OpenPosition {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	positions := make([]OpenPosition, 0, len(a.holdings))
	for _, held := range a.holdings {
		positions = append(positions, a.position(held, now))
	}
	slices.SortFunc(positions, func(x, y OpenPosition) int { return strings.Compare(x.Asset.Symbol, y.Asset.Symbol) })
	return positions
}

// Position returns one position by symbol or asset ID. A *wire.Error when the account is flat in it.
func (a *Account) Position(symbolOrID string) (OpenPosition, error) {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	held, err := a.holding(symbolOrID)
	if err != nil {
		return OpenPosition{}, err
	}
	return a.position(held, now), nil
}

func (a *Account) holding(symbolOrID string) (*holding, error) {
	listed, ok := a.exchange.catalogue.Find(symbolOrID)
	if !ok {
		return nil, wire.NotFound("symbol not found: %s", symbolOrID)
	}
	held := a.holdings[listed.Symbol]
	if held == nil {
		return nil, wire.NotFound("position does not exist")
	}
	return held, nil
}

func (a *Account) position(held *holding, now time.Time) OpenPosition {
	prices := a.exchange.market
	current, last := prices.Price(held.asset, now), prices.Price(held.asset, a.lastClose)
	tied, _ := a.tiedShares(queue{held.asset.Symbol, held.closingSide()}, nil)
	if held.asset.Class == asset.Equity && held.qty.IsPos() {
		tied = minimum(held.qty, tied.Add(a.coveringShares(held.asset.Symbol, nil)))
	}
	p := OpenPosition{
		Asset: held.asset, Qty: held.qty, QtyAvailable: held.qty.Sub(tied), AverageEntryPrice: held.averageEntry(),
		MarketValue: held.asset.Worth(held.qty, current), CostBasis: held.cost, CurrentPrice: current, LastPrice: last,
	}
	if held.qty.IsNeg() {
		p.QtyAvailable = held.qty.Add(tied)
	}
	p.UnrealizedPL = p.MarketValue.Sub(held.cost)
	p.UnrealizedPLRatio = ratio(p.UnrealizedPL, held.cost.Abs())
	// Shares from before today gained since the last close, the others since they were bought.
	today := held.qty.Sub(held.overnightQty)
	basis := held.asset.Worth(held.overnightQty, last).Add(held.asset.Worth(today, p.AverageEntryPrice))
	p.UnrealizedIntradayPL = p.MarketValue.Sub(basis)
	p.UnrealizedIntradayRatio = ratio(p.UnrealizedIntradayPL, basis.Abs())
	p.ChangeToday = ratio(current.Sub(last), last)
	return p
}

// ratio divides to the five digits that Alpaca prints.
func ratio(part, whole decimal.Decimal) decimal.Decimal {
	quotient, err := part.Div(whole)
	if err != nil { // nothing is no part of nothing
		return decimal.Decimal{}
	}
	return quotient.RoundHAZ(5)
}

// Closing says how much of a position to close: all of it, a quantity, or a percentage.
type Closing struct{ Qty, Percentage *decimal.Decimal }

// ClosePosition sends the market order that closes a position and returns it. A *wire.Error when there is no such
// position or its shares are held by other orders.
func (a *Account) ClosePosition(symbolOrID string, closing Closing) (Order, error) {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	held, err := a.holding(symbolOrID)
	if err != nil {
		return Order{}, err
	}
	qty, err := closing.shares(held.qty.Abs())
	if err != nil {
		return Order{}, err
	}
	return a.close(held, qty, now)
}

func (c Closing) shares(held decimal.Decimal) (decimal.Decimal, error) {
	switch {
	case c.Qty != nil && c.Percentage != nil:
		return decimal.Decimal{}, wire.Shape("only one of qty or percentage is accepted")
	case c.Qty != nil:
		if !c.Qty.Trunc(quantityDigits).IsPos() {
			return decimal.Decimal{}, wire.Shape("qty must be > 0")
		}
		return c.Qty.Trunc(quantityDigits), nil
	case c.Percentage == nil:
		return held, nil
	}
	if !c.Percentage.IsPos() || c.Percentage.GreaterThan(decimal.FromInt(100)) {
		return decimal.Decimal{}, wire.Shape("percentage must be between 0 and 100")
	}
	shares := held.Mul(*c.Percentage).Mul(decimal.MustParse("0.01")).Trunc(quantityDigits)
	if held.Trunc(0).Equal(held) {
		shares = shares.Trunc(0) // only a fractional position is closed in fractions
	}
	if !shares.IsPos() {
		return decimal.Decimal{}, wire.Shape("qty must be > 0")
	}
	return shares, nil
}

func (a *Account) close(held *holding, qty decimal.Decimal, now time.Time) (Order, error) {
	request := OrderRequest{
		Symbol: held.asset.Symbol, Qty: Amount{&qty}, Side: held.closingSide(), Type: Market, TimeInForce: Day,
	}
	if held.asset.Class == asset.Crypto {
		request.TimeInForce = GoodTillCanceled
	}
	if err := a.exchange.checkShape(&request); err != nil {
		return Order{}, err
	}
	return a.submit(request, now)
}

// CloseResult is what became of one position of CloseAll: the order that closes it, or why there is none.
type CloseResult struct {
	Symbol string
	Order  Order
	Err    error
}

// Status returns the HTTP status that closing the position alone would have.
func (r CloseResult) Status() int {
	if r.Err != nil {
		return wire.ErrorOf(r.Err).Status
	}
	return http.StatusOK
}

// CloseAll closes every position; with cancelOrders it first cancels every open order, at once.
func (a *Account) CloseAll(cancelOrders bool) []CloseResult {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.advance(now)
	if cancelOrders {
		for _, e := range a.openOrders() {
			if !e.Status.Terminal() { // a replacement ends together with the order it was to replace
				e.CancelRequestedAt = now
				a.end(e, StatusCanceled, now)
			}
		}
	}
	a.liquidating = true
	defer func() { a.liquidating = false }()
	results := make([]CloseResult, 0, len(a.holdings))
	for _, held := range a.shortsFirst() {
		order, err := a.close(held, held.qty.Abs(), now)
		results = append(results, CloseResult{Symbol: strings.ReplaceAll(held.asset.Symbol, "/", ""), Order: order, Err: err})
	}
	slices.SortFunc(results, func(x, y CloseResult) int { return strings.Compare(x.Symbol, y.Symbol) })
	return results
}

// shortsFirst returns the holdings with the short ones before what covers them, else by symbol.
func (a *Account) shortsFirst() []*holding {
	return slices.SortedFunc(maps.Values(a.holdings), func(x, y *holding) int {
		switch {
		case x.qty.IsNeg() == y.qty.IsNeg():
			return strings.Compare(x.asset.Symbol, y.asset.Symbol)
		case x.qty.IsNeg():
			return -1
		default:
			return 1
		}
	})
}

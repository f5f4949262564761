package exchange

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// checkAsset applies the rules between an order and what it trades.
func (x *Exchange) checkAsset(r *OrderRequest, a *asset.Asset, now time.Time) error {
	if !a.Tradable && a.Class != asset.Option {
		return wire.Forbidden("asset %q is not tradable", a.Symbol)
	}
	if err := x.checkClassOf(r, a, now); err != nil || a.Class != asset.Equity {
		return err
	}
	if err := checkIncrement("limit_price", r.LimitPrice.Value); err != nil {
		return err
	}
	if err := checkIncrement("stop_price", r.StopPrice.Value); err != nil {
		return err
	}
	if err := r.checkComplexTerms(); err != nil {
		return err
	}
	if err := x.checkListing(r, a); err != nil {
		return err
	}
	if err := x.checkDistance(r, a, now); err != nil {
		return err
	}
	if err := x.checkFraction(r, a); err != nil {
		return err
	}
	return r.checkExtendedHours()
}

// checkDistance refuses limits far from the market, where that is wanted. The words are ours.
func (x *Exchange) checkDistance(r *OrderRequest, a *asset.Asset, now time.Time) error {
	limit := r.LimitPrice.Value
	if limit == nil || x.settings.LimitPriceAway.IsZero() {
		return nil
	}
	last := x.market.Price(a, now)
	if limit.Sub(last).Abs().LessThanOrEqual(last.Mul(x.settings.LimitPriceAway)) {
		return nil
	}
	return wire.Unprocessable("limit price %s is too far away from the current price", limit).With("market_price", last.String()).
		With("limit_price", limit.String())
}

// checkIncrement refuses sub-penny prices: two decimals from a dollar on, four below (SEC Rule 612).
func checkIncrement(name string, price *decimal.Decimal) error {
	if price == nil {
		return nil
	}
	digits := uint8(2)
	if price.LessThan(decimal.FromInt(1)) {
		digits = 4
	}
	if price.Trunc(digits).Equal(*price) {
		return nil
	}
	return subPenny(name, *price)
}

func subPenny(name string, price decimal.Decimal) error {
	return wire.Unprocessable("invalid %s %s. sub-penny increment does not fulfill minimum pricing criteria", name, price)
}

func (r *OrderRequest) fractional() bool {
	return r.Notional.Value != nil || !r.Qty.Value.Trunc(0).Equal(*r.Qty.Value)
}

func (x *Exchange) checkFraction(r *OrderRequest, a *asset.Asset) error {
	if !r.fractional() {
		return nil
	}
	if !a.Fractionable {
		return wire.Forbidden("asset %q is not fractionable", a.Symbol)
	}
	if r.Type == TrailingStop {
		return wire.Unprocessable("fractional orders must be market, limit, stop, or stop_limit orders")
	}
	if r.TimeInForce != Day {
		return wire.Unprocessable("fractional orders must be DAY orders")
	}
	if r.Notional.Value != nil && r.Type != Market && !x.settings.Disputed.WideNotional {
		return wire.Unprocessable("notional orders must be market orders")
	}
	return nil
}

func (r *OrderRequest) checkExtendedHours() error {
	if !r.ExtendedHours {
		return nil
	}
	if r.Type == StopLimit {
		return wire.Unprocessable("stop_limit orders are not eligible for extended hours trading")
	}
	if r.Type != Limit || (r.TimeInForce != Day && r.TimeInForce != GoodTillCanceled) {
		return wire.Unprocessable("extended hours order must be DAY or GTC limit orders")
	}
	return nil
}

// checkWash refuses an order that could trade with another order of the same account, by the table of Alpaca's user
// protection page. Trailing stops, brackets and OCO orders are exempt on either side.
func (a *Account) checkWash(candidate *entry) error {
	if candidate.washExempt() {
		return nil
	}
	for _, open := range a.open[candidate.queue().opposite()] {
		if mayTradeWith(open, candidate) {
			return wire.Forbidden("potential wash trade detected. use complex orders").
				With("existing_order_id", open.ID).
				With("reject_reason", "opposite side "+string(open.Type)+" order exists. use complex/limit/stop_limit orders")
		}
	}
	return nil
}

func (e *entry) washExempt() bool {
	return e.Type == TrailingStop || e.Class == Bracket || e.Class == OCO
}

func mayTradeWith(open, candidate *entry) bool {
	if open.washExempt() {
		return false
	}
	if open.Type == Market || open.Type == Stop {
		return true
	}
	if candidate.Type == Market || candidate.Type == Stop {
		return true
	}
	buy, sell := open.LimitPrice, candidate.LimitPrice
	if open.Side == Sell {
		buy, sell = sell, buy
	}
	return buy.GreaterThanOrEqual(*sell)
}

// checkStacked refuses sales in shares and in dollars on one symbol together while the market is closed (Alpaca's orders page).
func (a *Account) checkStacked(candidate *entry, now time.Time) error {
	if candidate.Side != Sell || candidate.Asset.Class != asset.Equity || a.exchange.clock.Phase(now) == session.Regular {
		return nil
	}
	for _, open := range a.open[candidate.queue()] {
		if open != candidate.replaces && !open.Intent.opens() && (open.Notional == nil) != (candidate.Notional == nil) {
			return wire.Forbidden("unable to open new notional orders while having open closing position orders")
		}
	}
	return nil
}

// maxConcentration is how many times an account's equity a position may be worth. From then on only closes are taken, until
// Alpaca's staff lift the restriction (its user protection page).
const maxConcentration = 6

func (a *Account) checkConcentration(v valuation) error {
	if v.largest.GreaterThan(v.equity.Mul64(maxConcentration)) && !v.largest.IsZero() {
		a.restriction.LiquidationOnly = true
	}
	return a.restriction.check(true)
}

// checkOpposite refuses to open a position on one side while an order to open the other side is waiting.
func (a *Account) checkOpposite(candidate *entry) error {
	if !candidate.Intent.opens() {
		return nil
	}
	for _, open := range a.open[candidate.queue().opposite()] {
		if !open.Intent.opens() {
			continue
		}
		if candidate.Side == Buy {
			return wire.Forbidden("cannot open a long buy while a short sell order is open")
		}
		return wire.Forbidden("cannot open a short sell while a long buy order is open")
	}
	return nil
}

// checkShort applies the rules for opening a short position.
func (a *Account) checkShort(candidate *entry, equity decimal.Decimal, now time.Time) error {
	if candidate.Intent != SellToOpen {
		return nil
	}
	if coin := candidate.Asset.Pair; coin != nil {
		return wire.Forbidden("insufficient balance for %s (requested: %s, available: 0)", coin.Base, candidate.remaining())
	}
	if candidate.Notional != nil || !candidate.Qty.Trunc(0).Equal(*candidate.Qty) {
		return wire.Unprocessable("fractional orders cannot be sold short")
	}
	if !candidate.Asset.Shortable || !a.exchange.easyToBorrow(candidate.Asset) && !a.isLocated(candidate, now) {
		return wire.Unprocessable("asset %q cannot be sold short", candidate.Asset.Symbol)
	}
	if !a.shortingEnabled(equity) {
		return wire.Forbidden("account is not allowed to short")
	}
	return nil
}

// checkAvailable makes sure that an order to close does not sell more than the account holds free.
func (a *Account) checkAvailable(candidate, except *entry) error {
	if candidate.Intent.opens() || candidate.replaces != nil && candidate.replaces.Status == StatusHeld {
		return nil
	}
	symbol := candidate.Asset.Symbol
	existing := a.positionQty(symbol).Abs()
	held, related := a.tiedShares(candidate.queue(), except)
	if candidate.Asset.Class == asset.Equity && candidate.Side == Sell {
		held = held.Add(a.coveringShares(symbol, except))
	}
	requested := candidate.remaining()
	if candidate.Notional != nil {
		requested = candidate.tiedByNotional()
	}
	available := positive(existing.Sub(held))
	if requested.LessThanOrEqual(available) {
		return nil
	}
	failure := wire.Forbidden("insufficient qty available for order (requested: %s, available: %s)", requested, available)
	if coin := candidate.Asset.Pair; coin != nil {
		failure = wire.Forbidden("insufficient balance for %s (requested: %s, available: %s)", coin.Base, requested, available)
	}
	failure = failure.With("available", available.String()).With("existing_qty", existing.String()).
		With("held_for_orders", held.String()).With("symbol", symbol)
	if len(related) > 0 {
		failure = failure.WithList("related_orders", related)
	}
	return failure
}

// tiedShares sums the shares of a position that the open orders of its closing side keep, and names those orders; except
// is not counted.
func (a *Account) tiedShares(closing queue, except *entry) (decimal.Decimal, []string) {
	var sum decimal.Decimal
	var related []string
	note := func(open *entry) {
		if tied := open.tied(); open != except && tied.IsPos() {
			sum = sum.Add(tied)
			related = append(related, open.ID)
		}
	}
	for _, open := range a.open[closing] {
		note(open)
	}
	for _, parent := range a.open[queue{}] {
		for _, leg := range parent.combo.legs {
			if parent != except && leg.queue() == closing {
				note(leg)
			}
		}
	}
	return sum, related
}

// checkBuyingPower makes sure that the account can pay for what the order opens.
func (a *Account) checkBuyingPower(candidate *entry, power decimal.Decimal) error {
	if !candidate.Intent.opens() {
		return nil
	}
	cost := candidate.need()
	if cost.LessThan(decimal.FromInt(1)) {
		return wire.Forbidden("cost basis must be >= minimal amount of order 1").With("cost_basis", cost.String())
	}
	if candidate.replaces != nil {
		power = power.Add(candidate.replaces.reserved)
	}
	if cost.LessThanOrEqual(power) {
		return nil
	}
	return wire.Forbidden("insufficient buying power").
		With("buying_power", power.Trunc(2).String()).With("cost_basis", cost.String())
}

package exchange

import (
	"fmt"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Limits of option orders. Alpaca has such limits and does not publish them; these are the emulator's own.
const (
	maxContracts        = 10_000
	maxOptionNotional   = 10_000_000 // USD
	maxExpiringToday    = 10_000     // contracts, held and ordered
	approvedOptionLevel = 3          // of every paper account
)

// beforeExpiry is how long before a contract's end no more positions in it are opened.
const beforeExpiry = 30 * time.Minute

// checkOption applies the rules of Alpaca's options page that need no account.
func (x *Exchange) checkOption(r *OrderRequest, a *asset.Asset, now time.Time) error {
	switch {
	case r.Class.complex():
		return wire.Unprocessable("complex orders not supported for options trading")
	case r.Notional.Value != nil:
		return wire.Unprocessable("notional orders are not supported for options trading")
	case !r.Qty.Value.Trunc(0).Equal(*r.Qty.Value):
		return wire.Unprocessable("qty must be integer for options trading")
	case r.Qty.Value.GreaterThan(decimal.FromInt(maxContracts)):
		return wire.Unprocessable("options order qty must be <= %d", maxContracts)
	case r.ExtendedHours:
		return wire.Unprocessable("extended hours is not supported for options trading")
	case r.SwapFee.Value != nil:
		return wire.Unprocessable("swap_fee_bps is not allowed for options trading")
	}
	if err := x.checkOptionTerms(r); err != nil {
		return err
	}
	if limit := r.LimitPrice.Value; limit != nil {
		if notional := a.Worth(*r.Qty.Value, *limit); notional.GreaterThan(decimal.FromInt(maxOptionNotional)) {
			return wire.Unprocessable("options order notional is %s must be <= %d", notional, maxOptionNotional)
		}
	}
	for name, price := range map[string]*decimal.Decimal{"limit_price": r.LimitPrice.Value, "stop_price": r.StopPrice.Value} {
		if price != nil && !price.Trunc(2).Equal(*price) {
			return subPenny(name, *price)
		}
	}
	if err := x.checkContract(a, now); err != nil {
		return err
	}
	return x.checkOptionHours(r.Type, now)
}

// checkOptionTerms: one of Alpaca's pages takes day orders at the market or with a limit; another one also stops, and limit
// orders that are good till canceled.
func (x *Exchange) checkOptionTerms(r *OrderRequest) error {
	wide := x.settings.Disputed.WideOptionOrders
	switch r.Type {
	case Market, Limit:
	case Stop, StopLimit:
		if !wide {
			return wire.Unprocessable("invalid option order_type")
		}
	default:
		return wire.Unprocessable("invalid order type for options trading")
	}
	switch {
	case r.TimeInForce == Day || wide && r.TimeInForce == GoodTillCanceled && r.Type == Limit:
		return nil
	case r.TimeInForce == GoodTillCanceled:
		return wire.Unprocessable("order_time_in_force provided not supported for options trading")
	default:
		return wire.Unprocessable("invalid option time_in_force")
	}
}

// checkContract refuses contracts that are not listed at the moment, or that nobody may trade.
func (x *Exchange) checkContract(a *asset.Asset, now time.Time) error {
	const morning = "orders for morning-expiration index options cannot be placed "
	switch c := a.Contract; {
	case c.Morning && c.ExpiresOn(now):
		return wire.Unprocessable(morning+"on expiration day (contract %q)", a.Symbol)
	case c.Morning && !now.Before(c.LastTrade) && !c.Expired(now):
		return wire.Unprocessable(morning+"after market close when expiration is the next trading day (contract %q)", a.Symbol)
	case a.Contract.Expired(now):
		return wire.Unprocessable("contract %q is expired", a.Symbol)
	case !x.catalogue.IsListed(a.Contract, now):
		return wire.Unprocessable("contract %q is not active", a.Symbol)
	case !a.Tradable:
		return wire.Unprocessable("contract %q is not tradable", a.Symbol)
	default:
		return nil
	}
}

func (x *Exchange) checkOptionHours(kind Type, now time.Time) error {
	if kind != Market || x.clock.Phase(now) == session.Regular {
		return nil
	}
	return wire.Unprocessable("options market orders are only allowed during market hours")
}

// optionLevel is what the account may do: 0 nothing, 1 sell what shares or cash cover, 2 buy, 3 spreads.
func (a *Account) optionLevel() int {
	if chosen := a.configuration.MaxOptionsTradingLevel; chosen != nil {
		return min(approvedOptionLevel, *chosen)
	}
	return approvedOptionLevel
}

// admitOption applies the rules for an order in one option contract that need the account, and sets what it holds.
func (a *Account) admitOption(candidate *entry, now time.Time) error {
	level := a.optionLevel()
	if err := a.checkAssignmentLock(candidate); err != nil {
		return err
	}
	switch {
	case candidate.Intent.opens() && level == 0:
		return wire.Forbidden("account not authorized to trade options")
	case candidate.Intent.opens() && a.restriction.forbidsOptionsOn(candidate.underlying()):
		return wire.Forbidden("account not eligible to trade options: %s", candidate.Asset.Symbol)
	case candidate.Intent == BuyToOpen && level < 2 && a.exchange.settings.Disputed.OlderOptionTexts:
		return wire.Forbidden("account not eligible for level2 options trading")
	case candidate.Intent == BuyToOpen && level < 2:
		return wire.Forbidden("account not eligible to trade long option contracts")
	case candidate.Intent.opens() && !now.Before(candidate.Asset.Contract.Expiration.Add(-beforeExpiry)):
		return wire.Unprocessable("contract %q expires soon, unable to open new positions", candidate.Asset.Symbol)
	case candidate.Intent == BuyToClose:
		return nil
	}
	if err := a.checkExpiringToday(candidate, now); err != nil {
		return err
	}
	contract := candidate.Asset.Contract
	before := a.optionBook(contract.Cover(), candidate.replaces)
	count := countOf(candidate.remaining())
	if candidate.Side == Sell {
		count = -count
	}
	after := before.with(contracts{contract, count})
	if err := a.checkCover(candidate, before, after, level); err != nil {
		return err
	}
	a.holdForOption(candidate, before, after, level, now)
	return a.checkOptionPower(candidate, now)
}

func (a *Account) checkExpiringToday(candidate *entry, now time.Time) error {
	if !candidate.Intent.opens() || !candidate.Asset.Contract.ExpiresOn(now) {
		return nil
	}
	var taken decimal.Decimal
	for _, held := range a.holdings {
		if c := held.asset.Contract; c != nil && c.ExpiresOn(now) {
			taken = taken.Add(held.qty.Abs())
		}
	}
	for _, orders := range a.open {
		for _, open := range orders {
			if c := open.Asset.Contract; c != nil && open.Intent.opens() && c.ExpiresOn(now) {
				taken = taken.Add(open.remaining())
			}
		}
	}
	if taken.Add(candidate.remaining()).LessThanOrEqual(decimal.FromInt(maxExpiringToday)) {
		return nil
	}
	return wire.Forbidden("exceeded account limit for contracts expiring today (requested: %s, held+open: %s, limit: %d)",
		candidate.remaining(), taken, maxExpiringToday)
}

// checkCover makes sure that every short call has shares or, from level 3 on, another call behind it.
func (a *Account) checkCover(candidate *entry, before, after optionRisk, level int) error {
	contract := candidate.Asset.Contract
	shares := a.freeShares(contract.Cover())
	need := after.shortage()
	if level < approvedOptionLevel && candidate.Intent == SellToOpen {
		need = after.alone(asset.Call)
	}
	required := decimal.FromInt(need * asset.Multiplier)
	if a.liquidating || contract.Type == asset.Put || need <= before.shortage() || required.LessThanOrEqual(shares) {
		return nil // puts are secured with cash, see holdForOption
	}
	switch {
	case candidate.Intent != SellToOpen || level == approvedOptionLevel && shares.IsZero() || contract.European || contract.Adjusted:
		return wire.Forbidden("account not eligible to trade uncovered option contracts")
	case after.shortage() < need:
		return wire.Forbidden("account not eligible to trade spreads or uncovered contracts")
	}
	order := candidate.remaining().Mul64(asset.Multiplier)
	free := positive(shares.Sub(decimal.FromInt(before.shortage() * asset.Multiplier)))
	return wire.Forbidden("insufficient underlying qty available for covered call (required: %s, available: %s)", order, free).
		With("available_qty", free.String()).With("required_qty", order.String()).With("symbol", candidate.Asset.Symbol).
		With("underlying_asset_id", contract.Underlying.ID)
}

// alone is how many short contracts of a type there are when long ones do not count.
func (r optionRisk) alone(kind asset.ContractType) int64 {
	short := int64(0)
	for _, c := range r {
		if c.of.Type == kind && c.count < 0 {
			short -= c.count
		}
	}
	return short
}

// holdForOption sets what the order holds: what it pays, or what it adds to the account's margin less what it brings. Below
// level 3 a put is secured with all that its shares would cost.
func (a *Account) holdForOption(candidate *entry, before, after optionRisk, level int, now time.Time) {
	qty := candidate.remaining()
	quote := a.exchange.market.Quote(candidate.Asset, now)
	price := quote.BidPrice
	if candidate.Side == Buy {
		price = quote.AskPrice
	}
	switch {
	case candidate.LimitPrice != nil:
		price = *candidate.LimitPrice
	case candidate.StopPrice != nil && candidate.Side == Buy:
		price = collar(*candidate.StopPrice)
	}
	need := candidate.Asset.Worth(qty, price)
	if candidate.Side == Sell {
		margin := positive(after.margin().Sub(before.margin()))
		if contract := candidate.Asset.Contract; contract.Type == asset.Put && candidate.Intent == SellToOpen && level < approvedOptionLevel {
			margin = candidate.Asset.Worth(qty, contract.Strike)
		}
		need = positive(margin.Sub(need))
	}
	if each, err := need.Div(qty); err == nil { // no order is for nothing
		candidate.reservePrice = each.RoundAwayFromZero(averageDigits)
	}
}

func (a *Account) checkOptionPower(candidate *entry, now time.Time) error {
	v := a.value(now)
	if candidate.Intent.opens() {
		if err := a.checkConcentration(v); err != nil {
			return err
		}
	}
	power, cost := a.cashPower(v), candidate.need()
	if candidate.replaces != nil {
		power = power.Add(candidate.replaces.reserved)
	}
	if cost.LessThanOrEqual(power) {
		return nil
	}
	cost, power = cost.RoundAwayFromZero(2), power.Trunc(2)
	if candidate.Intent == SellToOpen && candidate.Asset.Contract.Type == asset.Put {
		return wire.Forbidden("insufficient options buying power for cash-secured put (required: %s, available: %s)", cost, power).
			With("buying_power", power.String()).With("required_options_buying_power", cost.String())
	}
	return a.exchange.lackOfOptionPower(cost, power)
}

// lackOfOptionPower is the refusal of an order that the account cannot pay for, both USD.
func (x *Exchange) lackOfOptionPower(cost, power decimal.Decimal) error {
	message := fmt.Sprintf("insufficient options buying power (required: %s, available: %s)", cost, power)
	if x.settings.Disputed.OlderOptionTexts {
		message = "insufficient options buying power"
	}
	return wire.Forbidden("%s", message).With("options_buying_power", power.String()).With("cost_basis", cost.String())
}

// checkAssignmentLock keeps the last long contracts of an account that is being assigned on them: they are what its short
// ones are settled with.
func (a *Account) checkAssignmentLock(candidate *entry) error {
	symbol := candidate.Asset.Symbol
	if candidate.Intent != SellToClose || !slices.Contains(a.restriction.AssignmentLocks, symbol) {
		return nil
	}
	tied, _ := a.tiedShares(candidate.queue(), candidate.replaces)
	if tied.Add(candidate.remaining()).LessThan(a.positionQty(symbol)) {
		return nil
	}
	return wire.Forbidden("active assignment lock on %s, cannot close all long options", symbol)
}

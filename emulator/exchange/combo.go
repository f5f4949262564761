package exchange

import (
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Bounds of a multi-leg order.
const (
	minLegs = 2
	maxLegs = 4
)

// LegRequest is one leg in the body of a multi-leg order.
type LegRequest struct {
	Symbol   string `json:"symbol"`
	RatioQty Amount `json:"ratio_qty"`
	Side     Side   `json:"side"`
	Intent   Intent `json:"position_intent"`
}

// combo is what only the parent of a multi-leg order has. Its legs are filled together, in their ratio.
type combo struct{ legs []*entry }

// rest is what the unfilled part would change in the account's contracts.
func (c *combo) rest() []contracts {
	list := make([]contracts, 0, len(c.legs))
	for _, leg := range c.legs {
		count := countOf(leg.remaining())
		if leg.Side == Sell {
			count = -count
		}
		list = append(list, contracts{leg.Asset.Contract, count})
	}
	return list
}

// side returns whether an intent buys or sells.
func (i Intent) side() Side {
	if i == BuyToOpen || i == BuyToClose {
		return Buy
	}
	return Sell
}

// checkComboShape applies the rules of multi-leg orders that need neither account nor contracts.
func (x *Exchange) checkComboShape(r *OrderRequest) error {
	if err := x.checkComboTerms(r); err != nil {
		return err
	}
	divisor := int64(0)
	for i := range r.Legs {
		ratio, err := checkLeg(i, &r.Legs[i])
		if err != nil {
			return err
		}
		divisor = greatestDivisor(divisor, ratio)
		for _, other := range r.Legs[:i] {
			if other.Symbol == r.Legs[i].Symbol {
				return wire.Unprocessable("rolling contracts ambiguity")
			}
		}
	}
	if divisor != 1 {
		return wire.Unprocessable("greatest common divisor of the legs' ratio_qty must be 1")
	}
	return nil
}

func (x *Exchange) checkComboTerms(r *OrderRequest) error {
	limit := r.LimitPrice.Value
	switch {
	case r.Symbol != "" || r.Side != "" || r.Intent != "":
		return wire.Shape("mleg orders must have symbol, side and position_intent in their legs only")
	case len(r.Legs) < minLegs || len(r.Legs) > maxLegs:
		return wire.Unprocessable("mleg orders must have at least 2 legs and at most 4 legs")
	case r.Type != Market && r.Type != Limit:
		return wire.Unprocessable("invalid order type for options trading")
	case r.TimeInForce != Day && (r.TimeInForce != GoodTillCanceled || !x.settings.Disputed.WideOptionOrders):
		return wire.Unprocessable("invalid time in force")
	case r.Notional.Value != nil:
		return wire.Unprocessable("notional orders are not supported for options trading")
	case r.Qty.Value == nil:
		return wire.Shape("qty or notional is required")
	case !r.Qty.Value.IsPos():
		return wire.Shape("qty must be > 0")
	case !r.Qty.Value.Trunc(0).Equal(*r.Qty.Value):
		return wire.Unprocessable("qty must be integer for options trading")
	case r.Qty.Value.GreaterThan(decimal.FromInt(maxContracts)):
		return wire.Unprocessable("options order qty must be <= %d", maxContracts)
	case r.ExtendedHours:
		return wire.Unprocessable("extended hours is not supported for options trading")
	case r.SwapFee.Value != nil:
		return wire.Unprocessable("swap_fee_bps is not allowed for options trading")
	case r.TakeProfit.LimitPrice.Value != nil || r.StopLoss.StopPrice.Value != nil:
		return wire.Unprocessable("complex orders not supported for options trading")
	case r.StopPrice.Value != nil || r.TrailPrice.Value != nil || r.TrailPercent.Value != nil:
		return wire.Unprocessable("invalid order type for options trading")
	case r.Type == Limit && limit == nil:
		return wire.Unprocessable("limit price is required for limit orders")
	case r.Type == Market && limit != nil:
		return wire.Unprocessable("limit price is only valid for limit orders")
	case limit != nil && !limit.Trunc(2).Equal(*limit):
		return wire.Unprocessable("invalid limit price")
	}
	return checkClientOrderID(r.ClientOrderID)
}

func checkLeg(i int, leg *LegRequest) (ratio int64, err error) {
	if leg.Symbol == "" {
		return 0, wire.Shape("leg.%d symbol is required", i)
	}
	qty := leg.RatioQty.Value
	if qty == nil || !qty.IsPos() || !qty.Trunc(0).Equal(*qty) || qty.GreaterThan(decimal.FromInt(maxContracts)) {
		return 0, wire.Unprocessable("leg.%d ratio_qty must be a whole number > 0", i)
	}
	switch leg.Intent {
	case BuyToOpen, BuyToClose, SellToOpen, SellToClose:
	case "":
		return 0, wire.Unprocessable("leg.%d position intent is required", i)
	default:
		return 0, wire.Shape("invalid position_intent")
	}
	switch leg.Side {
	case "":
		leg.Side = leg.Intent.side()
	case Buy, Sell:
		if leg.Side != leg.Intent.side() {
			return 0, wire.Unprocessable("leg.%d side %s contradicts position intent %s", i, leg.Side, leg.Intent)
		}
	default:
		return 0, wire.Shape("invalid side")
	}
	return countOf(*qty), nil
}

func greatestDivisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// findLegs returns the contracts of the legs, which are all on one underlying.
func (x *Exchange) findLegs(r *OrderRequest, now time.Time) ([]*asset.Asset, error) {
	listed := make([]*asset.Asset, 0, len(r.Legs))
	for i := range r.Legs {
		found, ok := x.catalogue.Find(r.Legs[i].Symbol)
		switch {
		case !ok:
			return nil, wire.Unprocessable("asset not found for %s", r.Legs[i].Symbol)
		case found.Class == asset.Equity:
			return nil, wire.Unprocessable("equity legs are allowed only with a corresponding amount of call contracts")
		case found.Contract == nil:
			return nil, wire.Unprocessable("invalid contract")
		}
		if err := x.checkContract(found, now); err != nil {
			return nil, err
		}
		listed = append(listed, found)
		first, this := listed[0].Contract, found.Contract
		if first.Cover() != this.Cover() {
			return nil, wire.Unprocessable("underlying asset mismatch: %s != %s", first.Cover(), this.Cover())
		}
		if this.European && first.Date() != this.Date() {
			return nil, wire.Unprocessable("European-style option legs in a multi-leg order must have the same expiration date")
		}
	}
	return listed, x.checkOptionHours(r.Type, now)
}

// submitCombo places a multi-leg order.
func (a *Account) submitCombo(request *OrderRequest, now time.Time) (Order, error) {
	if a.restriction.forbidsMultiLeg(submitMultiLeg) {
		return Order{}, wire.Forbidden("submit mleg order is disabled")
	}
	if err := a.claimable(request.ClientOrderID); err != nil {
		return Order{}, err
	}
	listed, err := a.exchange.findLegs(request, now)
	if err != nil {
		return Order{}, err
	}
	if err := a.checkState(false); err != nil {
		return Order{}, err
	}
	if err := a.checkPrivileges(request); err != nil {
		return Order{}, err
	}
	candidate := a.draftCombo(request, listed, now)
	if err := a.admitCombo(candidate, now); err != nil {
		return Order{}, err
	}
	return a.accept(candidate, now), nil
}

func (a *Account) draftCombo(request *OrderRequest, listed []*asset.Asset, now time.Time) *entry {
	parent := a.draftTerms(request, a.exchange.combination, now)
	parent.combo = &combo{}
	for i, leg := range request.Legs {
		qty := request.Qty.Value.Mul(*leg.RatioQty.Value)
		terms := &Terms{
			ID: uuid.NewString(), ClientOrderID: uuid.NewString(), CreatedAt: now, Asset: listed[i], Class: MultiLeg,
			Side: leg.Side, Intent: leg.Intent, TimeInForce: request.TimeInForce, Qty: &qty, RatioQty: leg.RatioQty.Value,
			ExpiresAt: parent.ExpiresAt, Parent: parent.ID,
		}
		drafted := &entry{Terms: terms, account: a, parent: parent, State: State{Status: StatusPendingNew, UpdatedAt: now}}
		parent.combo.legs = append(parent.combo.legs, drafted)
		if last := listed[i].Contract.LastTrade; last.Before(parent.ExpiresAt) {
			parent.ExpiresAt = last
		}
	}
	return parent
}

// admitCombo applies the rules for a multi-leg order that need the account, and sets what it holds.
func (a *Account) admitCombo(candidate *entry, now time.Time) error {
	if a.optionLevel() < approvedOptionLevel {
		if a.optionLevel() == 0 {
			return wire.Forbidden("account not authorized to trade options")
		}
		return wire.Forbidden("account not eligible to trade spreads or uncovered contracts")
	}
	for _, leg := range candidate.combo.legs {
		if err := a.restriction.check(leg.Intent.opens()); err != nil {
			return err
		}
		if err := a.checkAssignmentLock(leg); err != nil {
			return err
		}
		if err := a.checkDayTrades(leg, now); err != nil {
			return err
		}
		if leg.Intent.opens() && a.restriction.forbidsOptionsOn(candidate.underlying()) {
			return wire.Forbidden("account not eligible to trade options: %s", leg.Asset.Symbol)
		}
		if leg.Intent.opens() && !now.Before(leg.Asset.Contract.Expiration.Add(-beforeExpiry)) {
			return wire.Unprocessable("contract %q expires soon, unable to open new positions", leg.Asset.Symbol)
		}
		if inferred := a.intentOf(leg.Side, leg.Asset.Symbol); inferred != leg.Intent {
			return wire.Unprocessable("position intent mismatch, inferred: %s, specified: %s", inferred, leg.Intent)
		}
		if err := a.checkAvailable(leg, candidate.replaces); err != nil {
			return err
		}
	}
	before := a.optionBook(candidate.cover(), candidate.replaces)
	after := before.with(candidate.combo.rest()...)
	shares := a.freeShares(candidate.cover())
	uncovered := decimal.FromInt(after.shortage() * asset.Multiplier).GreaterThan(shares)
	if !candidate.combo.coversItself() || after.shortage() > before.shortage() && uncovered {
		return wire.Forbidden("account not eligible to trade uncovered option contracts")
	}
	a.holdForCombo(candidate, before, after, now)
	power, cost := a.cashPower(a.value(now)), candidate.need()
	if candidate.replaces != nil {
		power = power.Add(candidate.replaces.reserved)
	}
	if cost.LessThanOrEqual(power) {
		return nil
	}
	cost, power = cost.RoundAwayFromZero(2), power.Trunc(2)
	return a.exchange.lackOfOptionPower(cost, power)
}

// coversItself reports whether every short leg that opens has a long leg that opens, or a short leg that closes, behind it.
func (c *combo) coversItself() bool {
	var opened optionRisk
	closed := map[asset.ContractType]int64{}
	for i, leg := range c.rest() {
		switch c.legs[i].Intent {
		case BuyToClose:
			closed[leg.of.Type] += leg.count
		case SellToClose:
		default:
			opened = append(opened, leg)
		}
	}
	return opened.short(asset.Call) <= closed[asset.Call] && opened.short(asset.Put) <= closed[asset.Put]
}

// holdForCombo sets what a unit holds: the worst payoff of its legs and the net premium (Alpaca's cost basis); when it
// closes something, what it adds to the account's margin instead of the payoff.
func (a *Account) holdForCombo(candidate *entry, before, after optionRisk, now time.Time) {
	margin := optionRisk(candidate.combo.rest()).margin()
	for _, leg := range candidate.combo.legs {
		if !leg.Intent.opens() {
			margin = positive(after.margin().Sub(before.margin()))
			break
		}
	}
	net, _ := a.netPrice(candidate, now)
	if candidate.LimitPrice != nil {
		net = *candidate.LimitPrice
	}
	qty := candidate.remaining()
	need := positive(margin.Add(net.Mul(qty).Mul64(asset.Multiplier)))
	if each, err := need.Div(qty); err == nil { // no order is for nothing
		candidate.reservePrice = each.RoundAwayFromZero(averageDigits)
	}
}

// netPrice is what a unit costs at the quotes of the moment, negative when it brings money, with the price of each leg. Its
// prices are nil when nobody bids for a leg to sell.
func (a *Account) netPrice(e *entry, now time.Time) (net decimal.Decimal, prices []decimal.Decimal) {
	prices = make([]decimal.Decimal, 0, len(e.combo.legs))
	bid := true
	for _, leg := range e.combo.legs {
		quote := a.exchange.market.Quote(leg.Asset, now)
		if leg.Side == Buy {
			prices = append(prices, quote.AskPrice)
			net = net.Add(quote.AskPrice.Mul(*leg.RatioQty))
			continue
		}
		prices = append(prices, quote.BidPrice)
		net = net.Sub(quote.BidPrice.Mul(*leg.RatioQty))
		bid = bid && quote.BidPrice.IsPos()
	}
	if !bid {
		return net, nil
	}
	return net, prices
}

// fillCombo fills whole units while the legs together are no worse than the limit.
func (a *Account) fillCombo(e *entry, now time.Time) {
	for !e.Status.Terminal() {
		net, prices := a.netPrice(e, now)
		if prices == nil || e.LimitPrice != nil && net.GreaterThan(*e.LimitPrice) {
			return
		}
		a.executeCombo(e, a.fillSize(e, e.remaining()), net, prices, now)
		if a.exchange.settings.FillLatency >= 0 {
			return
		}
	}
}

func (a *Account) executeCombo(e *entry, units, net decimal.Decimal, prices []decimal.Decimal, now time.Time) {
	fills, level := make([]LegFill, 0, len(prices)), a.levelBefore(now)
	for i, leg := range e.combo.legs {
		qty := units.Mul(*leg.RatioQty)
		signed := qty
		if leg.Side == Sell {
			signed = qty.Neg()
		}
		a.noteTrade(leg.Asset, signed, now)
		a.settle(leg.Asset, signed, prices[i])
		leg.FilledQty = leg.FilledQty.Add(qty)
		leg.filledCost = leg.filledCost.Add(qty.Mul(prices[i]))
		fills = append(fills, LegFill{
			ExecutionID: uuid.NewString(), OrderID: leg.ID, Asset: leg.Asset, Side: leg.Side, Qty: qty, Price: prices[i],
			PositionQty: a.positionQty(leg.Asset.Symbol),
		})
	}
	a.noteLevel(level, now)
	first := e.FilledQty.IsZero()
	e.FilledQty = e.FilledQty.Add(units)
	e.filledCost = e.filledCost.Add(units.Mul(net))
	e.UpdatedAt = now
	name := "fill"
	if e.remaining().IsPos() {
		name = "partial_fill"
		if e.Status == StatusNew {
			e.Status = StatusPartiallyFilled
		}
		a.reserve(e)
	} else {
		a.finish(e, StatusFilled, now)
	}
	added := a.emit(name, e, now)
	added.execution, added.extra.fills = uuid.New(), fills
	added.fill(net, units, decimal.Decimal{})
	a.chargeCommission(e, first, now)
}

// mirror gives the legs the state of their parent.
func (e *entry) mirror() {
	for _, leg := range e.combo.legs {
		leg.Status, leg.UpdatedAt, leg.ClosedAt, leg.CancelRequestedAt = e.Status, e.UpdatedAt, e.ClosedAt, e.CancelRequestedAt
	}
}

// rejectLeg refuses to change a leg of a multi-leg order apart from the others.
func (e *entry) rejectLeg() error {
	return wire.Unprocessable("leg order is already in %s state", e.Status)
}

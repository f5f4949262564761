package risk

import (
	"fmt"
	"slices"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// The controls by name, as refusals, events, metrics and the file call them.
const (
	RestrictedSymbols = "restricted_symbols"
	Sessions          = "sessions"
	RepeatedOrders    = "repeated_orders"
	MaxOrderQty       = "max_order_qty"
	MaxOrderValue     = "max_order_value"
	PriceCollar       = "price_collar_percent"
	MaxOpenOrders     = "max_open_orders"
	MaxDailyLoss      = "max_daily_loss"
	MinCash           = "min_cash"
	MaxPositionQty    = "max_position_qty"
	MaxPositionValue  = "max_position_value"
	MaxConcentration  = "max_concentration_percent"
	KillSwitch        = "kill_switch"
)

// Inputs is what a decision is made from.
type Inputs struct {
	Order Order
	// Price is the last quote, nil when there is none that is fresh enough.
	Price *Price
	State State
	// Phase is the exchange's session.
	Phase market.Phase
	// StateFresh says that State's snapshot is fresh enough to decide by.
	StateFresh bool
}

// Refusal is a control that an order does not pass.
type Refusal struct {
	Control string
	// Limit is what is allowed, Actual what the order leads to; nil for controls that are no number.
	Limit, Actual *decimal.Decimal
	Message       string
	// Unknown says that the control could not be checked: its input is missing, and an unchecked order is not sent.
	Unknown bool
	// Stateful says that the account's state led to it, so that a fresher one may not.
	Stateful bool
}

// Decide returns the first control that the order does not pass, nil when it passes all. An order that only reduces a
// position passes those that keep an account from getting into trouble: they must not keep it there.
func Decide(c *Controls, in *Inputs) *Refusal {
	for _, check := range []func(*Controls, *Inputs) *Refusal{restricted, session, repeated, orderQty, orderValue, collar, openOrders} {
		if refusal := check(c, in); refusal != nil {
			return refusal
		}
	}
	if !c.needsState() {
		return nil
	}
	if in.StateFresh && in.reduces() {
		return nil
	}
	for _, check := range []func(*Controls, *Inputs) *Refusal{dailyLoss, cash, position} {
		if refusal := check(c, in); refusal != nil {
			return refusal
		}
	}
	return nil
}

// needsState reports whether a control needs the account's snapshot.
func (c *Controls) needsState() bool {
	return c.MaxDailyLoss != nil || c.MinCash != nil || c.MaxPositionQty != nil || c.MaxPositionValue != nil || c.MaxConcentrationPercent != nil
}

// NeedsState reports whether the order needs the account's snapshot and open orders: selling is no matter for the
// minimum of cash alone.
func (c *Controls) NeedsState(o *Order) bool {
	rest := *c
	rest.MinCash = nil
	return c.MaxOpenOrders != nil || rest.needsState() || c.MinCash != nil && o.Buy
}

// NeedsPrice reports whether the order needs the last quote.
func (c *Controls) NeedsPrice(o *Order) bool {
	positions := c.MaxPositionValue != nil || c.MaxConcentrationPercent != nil
	switch {
	case c.PriceCollarPercent != nil && o.LimitPrice != nil:
		return true
	case len(o.Legs) > 0: // its limit says what it costs, but not what its legs are worth
		return positions || o.LimitPrice == nil && (c.MaxOrderValue != nil || c.MinCash != nil)
	}
	if o.value(nil) != nil && o.Buy && c.MaxPositionQty == nil && !positions {
		return false // its own limit says what it may cost
	}
	return c.MaxOrderValue != nil || c.MinCash != nil && o.Buy || c.MaxPositionQty != nil && o.Qty == nil ||
		positions || c.MaxOrderQty != nil && o.Qty == nil
}

// HoldOf is what the order may do to its account from now on.
func HoldOf(o *Order, p *Price) Hold {
	return Hold{Symbol: Key(o.Symbol), Buy: o.Pays(p), Qty: o.Qty, Value: o.value(p)}
}

func restricted(c *Controls, in *Inputs) *Refusal {
	if len(c.RestrictedSymbols) == 0 {
		return nil
	}
	for _, symbol := range in.Order.symbols() {
		if slices.Contains(c.RestrictedSymbols, symbol) || slices.Contains(c.RestrictedSymbols, underlying(symbol)) {
			return &Refusal{Control: RestrictedSymbols, Message: symbol + " may not be traded"}
		}
	}
	return nil
}

func session(c *Controls, in *Inputs) *Refusal {
	name := sessionOf(in.Phase)
	if in.Order.Crypto || len(c.Sessions) == 0 || slices.Contains(c.Sessions, name) {
		return nil
	}
	return &Refusal{Control: Sessions, Message: fmt.Sprintf("orders are taken in the sessions %v, this is %q", c.Sessions, name)}
}

func repeated(c *Controls, in *Inputs) *Refusal {
	if c.RepeatWindow.Duration == 0 || in.State.Repeats <= c.MaxRepeats {
		return nil
	}
	return over(RepeatedOrders, decimal.FromInt(int64(c.MaxRepeats)), decimal.FromInt(int64(in.State.Repeats)),
		fmt.Sprintf("the same order came within %s", c.RepeatWindow.Duration))
}

func orderQty(c *Controls, in *Inputs) *Refusal {
	qty := in.Order.quantity(in.Price)
	if qty != nil && len(in.Order.Legs) > 0 {
		contracts := qty.Mul(in.Order.mostContracts())
		qty = &contracts
	}
	return atMost(MaxOrderQty, c.MaxOrderQty, qty, "the order's quantity")
}

func orderValue(c *Controls, in *Inputs) *Refusal {
	return atMost(MaxOrderValue, c.MaxOrderValue, in.Order.value(in.Price), "the order's value")
}

// collar compares a limit price with the last quote, on the side on which it would trade worse than the market.
func collar(c *Controls, in *Inputs) *Refusal {
	o := &in.Order
	if c.PriceCollarPercent == nil || o.LimitPrice == nil {
		return nil
	}
	if len(o.Legs) > 0 {
		return netCollar(c, in)
	}
	base := in.Price.reference(o.Buy)
	if o.Type == alpaca.TypeStopLimit { // it is sent when the market is at the stop
		base = o.StopPrice
	}
	if base == nil || !base.IsPos() {
		return unknown(PriceCollar, "there is no quote to compare the limit price with")
	}
	away := o.LimitPrice.Sub(*base)
	if !o.Buy {
		away = away.Neg()
	}
	percent, err := away.Mul(decimal.FromInt(100)).Div(*base)
	if err != nil || !percent.GreaterThan(c.PriceCollarPercent.Decimal) {
		return nil
	}
	return over(PriceCollar, c.PriceCollarPercent.Decimal, percent.RoundHAZ(4), "the limit price's distance from "+base.String()+" in percent")
}

// netCollar compares the limit of a multi-leg order with what its legs' quotes come to. A higher limit is worse, whether it is
// a debit or, negative, a credit.
func netCollar(c *Controls, in *Inputs) *Refusal {
	base := in.Order.net(in.Price)
	if base == nil {
		return unknown(PriceCollar, "there is no quote of each leg to compare the limit price with")
	}
	away := in.Order.LimitPrice.Sub(*base)
	if !away.IsPos() {
		return nil
	}
	percent, err := away.Mul(decimal.FromInt(100)).Div(base.Abs())
	if err != nil {
		return &Refusal{Control: PriceCollar, Message: "the legs' quotes come to 0, and no limit price above that is within a percentage of it"}
	}
	if !percent.GreaterThan(c.PriceCollarPercent.Decimal) {
		return nil
	}
	return over(PriceCollar, c.PriceCollarPercent.Decimal, percent.RoundHAZ(4), "the limit price's distance from the legs' quotes, "+base.String()+" net, in percent")
}

func openOrders(c *Controls, in *Inputs) *Refusal {
	if c.MaxOpenOrders == nil {
		return nil
	}
	if !in.StateFresh {
		return unknown(MaxOpenOrders, "the account's open orders are not known")
	}
	open := 1 + in.State.Open
	if open <= *c.MaxOpenOrders {
		return nil
	}
	refusal := over(MaxOpenOrders, decimal.FromInt(int64(*c.MaxOpenOrders)), decimal.FromInt(int64(open)), "the account's open orders with this one")
	refusal.Stateful = true
	return refusal
}

// reduces reports whether the order can only make the position in its symbol, or in each of its legs', smaller, other open
// orders counted.
func (in *Inputs) reduces() bool {
	for i := range in.Order.Legs {
		if leg := in.leg(i); !leg.StateFresh || !leg.reduces() {
			return false
		}
	}
	if len(in.Order.Legs) > 0 {
		return true
	}
	held, qty := in.State.Position, in.Order.quantity(in.Price)
	if qty == nil || held.IsZero() || in.Order.Buy != held.IsNeg() {
		return false
	}
	for _, hold := range in.sameSide() {
		if hold.Qty == nil {
			return false
		}
		sum := qty.Add(*hold.Qty)
		qty = &sum
	}
	return qty.LessThanOrEqual(held.Abs())
}

// sameSide are the holds in the order's symbol and direction.
func (in *Inputs) sameSide() []*Hold {
	var found []*Hold
	for i := range in.State.Holds {
		if hold := &in.State.Holds[i]; hold.Symbol == Key(in.Order.Symbol) && hold.Buy == in.Order.Buy {
			found = append(found, hold)
		}
	}
	return found
}

func dailyLoss(c *Controls, in *Inputs) *Refusal {
	if c.MaxDailyLoss == nil {
		return nil
	}
	if !in.StateFresh {
		return unknown(MaxDailyLoss, "the account's equity is not known")
	}
	loss := in.State.LastEquity.Sub(in.State.Equity)
	if loss.LessThan(c.MaxDailyLoss.Decimal) {
		return nil
	}
	refusal := over(MaxDailyLoss, c.MaxDailyLoss.Decimal, loss, "the account's loss since the previous close")
	refusal.Stateful = true
	return refusal
}

// cash is what all open buys and this one would leave.
func cash(c *Controls, in *Inputs) *Refusal {
	if c.MinCash == nil || !in.Order.Buy {
		return nil
	}
	value := in.Order.value(in.Price)
	if value == nil || !in.StateFresh {
		return unknown(MinCash, "the account's cash, or what the order costs, is not known")
	}
	left := in.State.Cash.Sub(*value)
	for i := range in.State.Holds {
		hold := &in.State.Holds[i]
		if !hold.Buy {
			continue
		}
		held := in.worth(hold)
		if held == nil {
			return unknown(MinCash, "what another order costs is not known yet")
		}
		left = left.Sub(*held)
	}
	if left.GreaterThanOrEqual(c.MinCash.Decimal) {
		return nil
	}
	limit := c.MinCash.Decimal
	return &Refusal{
		Control: MinCash, Limit: &limit, Actual: &left, Stateful: true,
		Message: fmt.Sprintf("the order would leave %s in cash, at least %s must stay", left, limit),
	}
}

// worth is a hold's value; one of the same symbol that is being looked up is priced as this order is.
func (in *Inputs) worth(hold *Hold) *decimal.Decimal {
	if hold.Value != nil {
		return hold.Value
	}
	unit := in.Order.unitPrice(in.Price)
	if hold.Qty == nil || unit == nil || hold.Symbol != Key(in.Order.Symbol) {
		return nil
	}
	value := unit.Mul(*hold.Qty)
	return &value
}

// position bounds what the symbol's position could become by all open orders in the order's direction.
func position(c *Controls, in *Inputs) *Refusal {
	if c.MaxPositionQty == nil && c.MaxPositionValue == nil && c.MaxConcentrationPercent == nil {
		return nil
	}
	if len(in.Order.Legs) > 0 {
		return legPositions(c, in)
	}
	qty := in.Order.quantity(in.Price)
	for _, hold := range in.sameSide() {
		if qty == nil || hold.Qty == nil {
			qty = nil
			break
		}
		sum := qty.Add(*hold.Qty)
		qty = &sum
	}
	if qty == nil || !in.StateFresh {
		return unknown(MaxPositionQty, "the position that the order leads to is not known")
	}
	after := in.State.Position.Add(*qty)
	if !in.Order.Buy {
		after = qty.Sub(in.State.Position)
	}
	if refusal := stateful(atMost(MaxPositionQty, c.MaxPositionQty, &after, "the position")); refusal != nil {
		return refusal
	}
	var value, percent *decimal.Decimal
	if unit := in.Order.unitPrice(in.Price); unit != nil {
		worth := unit.Mul(after)
		value = &worth
		if share, err := worth.Mul(decimal.FromInt(100)).Div(in.State.Equity); err == nil {
			share = share.RoundHAZ(4)
			percent = &share
		}
	}
	if refusal := stateful(atMost(MaxPositionValue, c.MaxPositionValue, value, "the position's value")); refusal != nil {
		return refusal
	}
	return stateful(atMost(MaxConcentration, c.MaxConcentrationPercent, percent, "the position's share of the equity in percent"))
}

func stateful(refusal *Refusal) *Refusal {
	if refusal != nil {
		refusal.Stateful = true
	}
	return refusal
}

// legPositions bounds the position in each leg's symbol, as if the leg were an order of its own.
func legPositions(c *Controls, in *Inputs) *Refusal {
	for i := range in.Order.Legs {
		leg := in.leg(i)
		if leg.StateFresh && leg.reduces() {
			continue
		}
		if refusal := position(c, leg); refusal != nil {
			refusal.Message = leg.Order.Symbol + ": " + refusal.Message
			return refusal
		}
	}
	return nil
}

// atMost refuses what is over the limit, or not known.
func atMost(control string, limit *decimal.Number, actual *decimal.Decimal, what string) *Refusal {
	switch {
	case limit == nil:
		return nil
	case actual == nil:
		return unknown(control, what+" is not known: there is no price")
	case actual.GreaterThan(limit.Decimal):
		return over(control, limit.Decimal, *actual, what)
	}
	return nil
}

func over(control string, limit, actual decimal.Decimal, what string) *Refusal {
	return &Refusal{Control: control, Limit: &limit, Actual: &actual, Message: fmt.Sprintf("%s is %s, the limit is %s", what, actual, limit)}
}

func unknown(control, why string) *Refusal {
	return &Refusal{Control: control, Message: why, Unknown: true}
}

package risk

import (
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// optionMultiplier is how many shares a contract stands for.
const optionMultiplier = 100

// Order is what the controls look at.
type Order struct {
	// Symbol is empty for a multi-leg order, Symbols has those of its legs.
	Symbol  string
	Symbols []string
	Legs    []alpaca.OrderLeg
	// Option says that quantities are contracts, Crypto that the market has no sessions.
	Option, Crypto bool
	Buy            bool
	Type           string
	// Qty or Notional is nil.
	Qty, Notional         *decimal.Decimal
	LimitPrice, StopPrice *decimal.Decimal
}

// OrderOf reads a request.
func OrderOf(r *alpaca.OrderRequest, option, crypto bool) Order {
	o := Order{
		Symbol: r.Symbol, Option: option, Crypto: crypto, Buy: r.Side == alpaca.SideBuy, Type: r.Type,
		Qty: r.Qty, Notional: r.Notional, LimitPrice: r.LimitPrice, StopPrice: r.StopPrice, Legs: r.Legs,
	}
	for _, leg := range r.Legs {
		o.Symbols = append(o.Symbols, leg.Symbol)
	}
	o.Buy = o.Pays(nil)
	return o
}

// Pays reports whether the order costs something: a buy, or a multi-leg order that is no credit at its limit or, at the market,
// at its legs' quotes.
func (o *Order) Pays(p *Price) bool {
	if len(o.Legs) == 0 {
		return o.Buy
	}
	price := o.netPrice(p)
	return price == nil || price.IsPos()
}

// symbols are all that the order trades.
func (o *Order) symbols() []string {
	if len(o.Symbols) > 0 {
		return o.Symbols
	}
	return []string{o.Symbol}
}

// Price is the last quote; nil is a side without one.
type Price struct {
	Bid, Ask, Last *decimal.Decimal
	// Legs are those of a multi-leg order's legs, in their order; nil is a leg without one.
	Legs []*Price
	// At is when it was read of Alpaca.
	At time.Time
}

// reference is the price that an order of that side meets.
func (p *Price) reference(buy bool) *decimal.Decimal {
	if p == nil {
		return nil
	}
	first, second := p.Ask, p.Bid
	if !buy {
		first, second = p.Bid, p.Ask
	}
	for _, price := range []*decimal.Decimal{first, p.Last, second} {
		if price != nil && price.IsPos() {
			return price
		}
	}
	return nil
}

// unitPrice is what one share, contract or coin of the order may cost, nil when nobody knows. A sell may bring more than
// its limit: the market's price counts when it is higher.
func (o *Order) unitPrice(p *Price) *decimal.Decimal {
	if len(o.Legs) > 0 {
		return o.multilegUnit(p)
	}
	var unit *decimal.Decimal
	switch {
	case o.LimitPrice != nil:
		limit := o.LimitPrice.Abs() // of a multi-leg order whose legs are not known
		unit = &limit
	case o.StopPrice != nil:
		unit = o.StopPrice
	}
	met := p.reference(o.Buy)
	if unit == nil || !o.Buy && met != nil && met.GreaterThan(*unit) {
		unit = met
	}
	if unit == nil || !o.Option {
		return unit
	}
	shares := unit.Mul(decimal.FromInt(optionMultiplier))
	return &shares
}

// value is what the order may be worth, nil when nobody knows.
func (o *Order) value(p *Price) *decimal.Decimal {
	if o.Notional != nil {
		return o.Notional
	}
	unit := o.unitPrice(p)
	if unit == nil || o.Qty == nil {
		return nil
	}
	value := unit.Mul(*o.Qty)
	return &value
}

// quantity is how many shares the order is about, nil when nobody knows.
func (o *Order) quantity(p *Price) *decimal.Decimal {
	if o.Qty != nil {
		return o.Qty
	}
	unit := o.unitPrice(p)
	if unit == nil || o.Notional == nil || !unit.IsPos() {
		return nil
	}
	qty, err := o.Notional.Div(*unit)
	if err != nil {
		return nil
	}
	return &qty
}

// Key is a symbol as positions and holds name it: without a pair's slash, which Alpaca leaves out in places.
func Key(symbol string) string { return strings.ReplaceAll(symbol, "/", "") }

// underlying is what an option is on, or the symbol itself.
func underlying(symbol string) string {
	option, err := market.ParseOption(symbol)
	if err != nil {
		return symbol
	}
	return strings.TrimRight(option.Root, "0123456789") // AAPL1 is an adjusted contract on AAPL
}

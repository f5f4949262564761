package risk

import (
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// mostContracts is how many contracts of its largest leg a unit of the order stands for: 1 without legs.
func (o *Order) mostContracts() decimal.Decimal {
	most := decimal.FromInt(1)
	for i := range o.Legs {
		if ratio := o.Legs[i].RatioQty; ratio != nil && ratio.GreaterThan(most) {
			most = *ratio
		}
	}
	return most
}

// net is what a share of a unit costs at the market, what is bought at the ask and what is sold at the bid; a credit is
// negative. It is nil when one of these quotes is missing.
func (o *Order) net(p *Price) *decimal.Decimal {
	if p == nil || len(p.Legs) != len(o.Legs) {
		return nil
	}
	var sum decimal.Decimal
	for i := range o.Legs {
		leg, quote := &o.Legs[i], p.Legs[i]
		if quote == nil || leg.RatioQty == nil {
			return nil
		}
		side := quote.Ask
		if leg.Side == alpaca.SideSell {
			side = quote.Bid
		}
		if side == nil {
			return nil
		}
		price := side.Mul(*leg.RatioQty)
		if leg.Side == alpaca.SideSell {
			price = price.Neg()
		}
		sum = sum.Add(price)
	}
	return &sum
}

// netPrice is the limit of a multi-leg order, or at the market what its legs' quotes come to; nil when that is not known.
func (o *Order) netPrice(p *Price) *decimal.Decimal {
	if o.LimitPrice != nil {
		return o.LimitPrice
	}
	return o.net(p)
}

// multilegUnit is what a unit of the order may cost: the most that it can lose, or its price when it closes something.
func (o *Order) multilegUnit(p *Price) *decimal.Decimal {
	price := o.netPrice(p)
	if price == nil {
		return nil
	}
	unit := price.Abs()
	if loss := o.maxLoss(*price); loss != nil {
		unit = *loss
	}
	unit = unit.Mul(decimal.FromInt(optionMultiplier))
	return &unit
}

// LegHolds are what the legs may do to the positions in their symbols. The order's own hold has its value.
func (o *Order) LegHolds() []Hold {
	if len(o.Legs) == 0 {
		return nil
	}
	holds := make([]Hold, 0, len(o.Legs))
	for i := range o.Legs {
		leg := &o.Legs[i]
		holds = append(holds, Hold{Symbol: Key(leg.Symbol), Buy: leg.Side == alpaca.SideBuy, Leg: true, Qty: o.legQty(i), Value: &decimal.Decimal{}})
	}
	return holds
}

// legQty is how many contracts of a leg the order is about, nil when nobody knows.
func (o *Order) legQty(i int) *decimal.Decimal {
	if o.Qty == nil || o.Legs[i].RatioQty == nil {
		return nil
	}
	qty := o.Qty.Mul(*o.Legs[i].RatioQty)
	return &qty
}

// leg is what a decision about a leg alone is made from.
func (in *Inputs) leg(i int) *Inputs {
	leg := &in.Order.Legs[i]
	alone := &Inputs{Phase: in.Phase, Order: Order{
		Symbol: leg.Symbol, Option: in.Order.Option, Buy: leg.Side == alpaca.SideBuy, Type: in.Order.Type, Qty: in.Order.legQty(i),
	}}
	if in.Price != nil && i < len(in.Price.Legs) {
		alone.Price = in.Price.Legs[i]
	}
	if i < len(in.State.Legs) {
		alone.State, alone.StateFresh = in.State.Legs[i], in.StateFresh && in.State.Legs[i].Known
	}
	return alone
}

// maxLoss is the most, for each share of a unit, that a multi-leg order can lose at expiration: its price and the worst payoff of
// its legs. It is nil when a leg closes something, or is no contract: then the price has to do.
func (o *Order) maxLoss(netPrice decimal.Decimal) *decimal.Decimal {
	contracts := make([]market.Option, len(o.Legs))
	prices := []decimal.Decimal{{}} // a payoff bends at the strikes only; beyond the highest covered calls make it flat or rising
	for i := range o.Legs {
		contract, err := market.ParseOption(o.Legs[i].Symbol)
		if err != nil || o.Legs[i].RatioQty == nil || !strings.HasSuffix(o.Legs[i].PositionIntent, "_open") {
			return nil
		}
		contracts[i] = contract
		prices = append(prices, contract.Strike)
	}
	var worst decimal.Decimal
	for n, price := range prices {
		var payoff decimal.Decimal
		for i, contract := range contracts {
			value := price.Sub(contract.Strike)
			if !contract.Call {
				value = value.Neg()
			}
			if !value.IsPos() {
				continue
			}
			if value = value.Mul(*o.Legs[i].RatioQty); o.Legs[i].Side == alpaca.SideSell {
				value = value.Neg()
			}
			payoff = payoff.Add(value)
		}
		if n == 0 || payoff.LessThan(worst) {
			worst = payoff
		}
	}
	loss := netPrice.Sub(worst)
	if loss.IsNeg() {
		loss = decimal.Decimal{}
	}
	return &loss
}

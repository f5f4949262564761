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

// maxLoss is the most, for each share of a unit, that a multi-leg order at its limit can lose at expiration: what it costs
// and the worst payoff of its legs. It is nil when a leg closes something, or is no contract: then the limit has to do.
func (o *Order) maxLoss() *decimal.Decimal {
	if o.LimitPrice == nil || len(o.Legs) == 0 {
		return nil
	}
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
	loss := o.LimitPrice.Sub(worst)
	if loss.IsNeg() {
		loss = decimal.Decimal{}
	}
	return &loss
}

package order

import (
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// plain is the number without its JSON form.
func plain(n *decimal.Number) *decimal.Decimal {
	if n == nil {
		return nil
	}
	return &n.Decimal
}

// toAlpaca is the order in Alpaca's form.
func toAlpaca(r *order.OrderRequest) alpaca.OrderRequest {
	request := alpaca.OrderRequest{
		Symbol: r.Symbol, Qty: plain(r.Qty), Notional: plain(r.Notional), Side: r.Side, Type: r.Type, TimeInForce: r.TimeInForce,
		LimitPrice: plain(r.LimitPrice), StopPrice: plain(r.StopPrice), TrailPrice: plain(r.TrailPrice),
		TrailPercent: plain(r.TrailPercent), ExtendedHours: r.ExtendedHours, ClientOrderID: r.ClientOrderID,
		OrderClass: r.OrderClass, PositionIntent: r.PositionIntent,
	}
	if r.TakeProfit != nil {
		request.TakeProfit = &alpaca.TakeProfit{LimitPrice: plain(r.TakeProfit.LimitPrice)}
	}
	if r.StopLoss != nil {
		request.StopLoss = &alpaca.StopLoss{StopPrice: plain(r.StopLoss.StopPrice), LimitPrice: plain(r.StopLoss.LimitPrice)}
	}
	for _, leg := range r.Legs {
		request.Legs = append(request.Legs, alpaca.OrderLeg{
			Symbol: leg.Symbol, RatioQty: plain(leg.RatioQty), Side: leg.Side, PositionIntent: leg.PositionIntent,
		})
	}
	return request
}

// fromAlpaca is the order in the native form.
func fromAlpaca(r *alpaca.OrderRequest) order.OrderRequest {
	number := decimal.NumberOf
	request := order.OrderRequest{
		Symbol: r.Symbol, Qty: number(r.Qty), Notional: number(r.Notional), Side: r.Side, Type: r.Type, TimeInForce: r.TimeInForce,
		LimitPrice: number(r.LimitPrice), StopPrice: number(r.StopPrice), TrailPrice: number(r.TrailPrice),
		TrailPercent: number(r.TrailPercent), ExtendedHours: r.ExtendedHours, ClientOrderID: r.ClientOrderID,
		OrderClass: r.OrderClass, PositionIntent: r.PositionIntent,
	}
	if r.TakeProfit != nil {
		request.TakeProfit = &order.TakeProfit{LimitPrice: number(r.TakeProfit.LimitPrice)}
	}
	if r.StopLoss != nil {
		request.StopLoss = &order.StopLoss{StopPrice: number(r.StopLoss.StopPrice), LimitPrice: number(r.StopLoss.LimitPrice)}
	}
	for _, leg := range r.Legs {
		request.Legs = append(request.Legs, order.Leg{
			Symbol: leg.Symbol, RatioQty: number(leg.RatioQty), Side: leg.Side, PositionIntent: leg.PositionIntent,
		})
	}
	return request
}

package order

import (
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// minStopDistance is how far beyond the base price a protective stop must be, in USD.
const minStopDistance = "0.01"

// checkClass checks the legs of bracket, OCO and OTO orders.
func checkClass(r *order.OrderRequest) error {
	advanced := r.OrderClass != "" && r.OrderClass != alpaca.ClassSimple
	if !advanced {
		if r.TakeProfit != nil {
			return invalid("take_profit", "take_profit needs an order_class of bracket, oco or oto")
		}
		if r.StopLoss != nil {
			return invalid("stop_loss", "stop_loss needs an order_class of bracket, oco or oto")
		}
		return nil
	}
	if r.ExtendedHours {
		return invalid("extended_hours", "extended_hours: a %s order can't trade in extended hours", r.OrderClass)
	}
	if r.TimeInForce != alpaca.TimeInForceDay && r.TimeInForce != alpaca.TimeInForceGTC {
		return invalid("time_in_force", "time_in_force must be day or gtc for a %s order", r.OrderClass)
	}
	if r.Type == alpaca.TypeTrailingStop {
		return invalid("type", "type of a %s order can't be trailing_stop", r.OrderClass)
	}
	if err := checkLegsGiven(r); err != nil {
		return err
	}
	if err := checkLegPrices(r); err != nil {
		return err
	}
	if err := checkLegOrder(r); err != nil {
		return err
	}
	return checkStopBeyondEntry(r)
}

func checkLegsGiven(r *order.OrderRequest) error {
	switch {
	case r.OrderClass == alpaca.ClassOCO && r.Type != alpaca.TypeLimit:
		return invalid("type", "type of an oco order must be limit")
	case r.OrderClass == alpaca.ClassOCO && r.LimitPrice != nil && r.TakeProfit != nil && r.TakeProfit.LimitPrice != nil &&
		!r.LimitPrice.Equal(r.TakeProfit.LimitPrice.Decimal):
		return invalid("limit_price", "limit_price of an oco order is its take_profit.limit_price: leave it out, or give the same")
	case r.OrderClass == alpaca.ClassOTO && (r.TakeProfit == nil) == (r.StopLoss == nil):
		return invalid("take_profit", "an oto order needs exactly one of take_profit and stop_loss")
	case r.OrderClass == alpaca.ClassOTO:
		return nil
	case r.TakeProfit == nil:
		return invalid("take_profit", "a %s order needs take_profit.limit_price", r.OrderClass)
	case r.StopLoss == nil:
		return invalid("stop_loss", "a %s order needs stop_loss.stop_price", r.OrderClass)
	}
	return nil
}

func checkLegPrices(r *order.OrderRequest) error {
	if r.TakeProfit != nil {
		if err := checkPrice("take_profit.limit_price", r.TakeProfit.LimitPrice, true, r.OrderClass, checkTick); err != nil {
			return err
		}
	}
	if r.StopLoss == nil {
		return nil
	}
	if err := checkPrice("stop_loss.stop_price", r.StopLoss.StopPrice, true, r.OrderClass, checkTick); err != nil {
		return err
	}
	if r.StopLoss.LimitPrice == nil {
		return nil
	}
	return checkTick("stop_loss.limit_price", r.StopLoss.LimitPrice)
}

// checkLegOrder: the profit lies on the right side of the stop, at least a cent apart.
func checkLegOrder(r *order.OrderRequest) error {
	if r.TakeProfit == nil || r.StopLoss == nil {
		return nil
	}
	upper, lower, relation := r.TakeProfit.LimitPrice.Decimal, r.StopLoss.StopPrice.Decimal, "above"
	exit := r.OrderClass == alpaca.ClassOCO // its side is that of the exit, a bracket's that of the entry
	if (r.Side == alpaca.SideBuy) == exit {
		upper, lower, relation = lower, upper, "below"
	}
	if upper.Sub(lower).LessThan(decimal.MustParse(minStopDistance)) {
		return invalid("take_profit.limit_price", "take_profit.limit_price must be at least %s %s stop_loss.stop_price", minStopDistance, relation)
	}
	return nil
}

// checkStopBeyondEntry: the stop that protects a limit entry lies at least a cent on its losing side.
func checkStopBeyondEntry(r *order.OrderRequest) error {
	if r.OrderClass == alpaca.ClassOCO || r.Type != alpaca.TypeLimit || r.StopLoss == nil {
		return nil
	}
	distance, relation := r.LimitPrice.Sub(r.StopLoss.StopPrice.Decimal), "below"
	if r.Side == alpaca.SideSell {
		distance, relation = distance.Neg(), "above"
	}
	if distance.LessThan(decimal.MustParse(minStopDistance)) {
		return invalid("stop_loss.stop_price", "stop_loss.stop_price must be at least %s %s limit_price", minStopDistance, relation)
	}
	return nil
}

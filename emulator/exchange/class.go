package exchange

import (
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Class says whether an order stands alone or with others that depend on it.
type Class string

// The order classes. Simple is written as the empty string, as Alpaca answers it for stocks.
const (
	Simple   Class = ""
	Bracket  Class = "bracket"
	OCO      Class = "oco" // one cancels the other
	OTO      Class = "oto" // one triggers the other
	MultiLeg Class = "mleg"
)

// TakeProfit is the part of a request that describes the leg to take a profit with.
type TakeProfit struct {
	LimitPrice Amount `json:"limit_price"`
}

// StopLoss is the part of a request that describes the leg to limit a loss with: a stop, or with a limit price a stop limit.
type StopLoss struct {
	StopPrice  Amount `json:"stop_price"`
	LimitPrice Amount `json:"limit_price"`
}

// complex reports whether the order brings other orders with it.
func (c Class) complex() bool { return c == Bracket || c == OCO || c == OTO }

func checkClass(r *OrderRequest) error {
	if r.Class == "simple" {
		r.Class = Simple
	}
	switch r.Class {
	case Simple:
		return checkSimple(r)
	case Bracket, OCO, OTO:
		return checkComplex(r)
	default:
		return wire.Shape("invalid order_class")
	}
}

// checkSimple refuses legs that would be dropped without a word: whoever sent a stop loss believes to have one.
func checkSimple(r *OrderRequest) error {
	if r.TakeProfit.LimitPrice.Value != nil || r.StopLoss.StopPrice.Value != nil {
		return wire.Shape("simple orders must not have take_profit or stop_loss")
	}
	return nil
}

func checkComplex(r *OrderRequest) error {
	profit, stop := r.TakeProfit.LimitPrice.Value, r.StopLoss.StopPrice.Value
	if r.Class == OCO {
		if r.Type != Limit {
			return wire.Shape("oco orders must be limit orders")
		}
		if profit == nil {
			profit = r.LimitPrice.Value
		}
		r.TakeProfit.LimitPrice.Value, r.LimitPrice.Value = profit, profit
	}
	switch {
	case r.Class == OTO && (profit == nil) == (stop == nil):
		return wire.Shape("oto orders require exactly one of take_profit.limit_price or stop_loss.stop_price")
	case r.Class != OTO && profit == nil:
		return wire.Shape("%s orders require take_profit.limit_price", r.Class)
	case r.Class != OTO && stop == nil:
		return wire.Shape("%s orders require stop_loss.stop_price", r.Class)
	}
	for _, price := range []*decimal.Decimal{profit, stop, r.StopLoss.LimitPrice.Value} {
		if price != nil && !price.IsPos() {
			return wire.Shape("take_profit and stop_loss prices must be > 0")
		}
	}
	return nil
}

// checkComplexTerms applies the rules of Alpaca's orders page that hold for all complex orders.
func (r *OrderRequest) checkComplexTerms() error {
	if !r.Class.complex() {
		return nil
	}
	switch {
	case r.fractional():
		return wire.Unprocessable("fractional orders must be simple orders")
	case r.Type == TrailingStop:
		return wire.Unprocessable("trailing_stop orders must be simple orders")
	case r.TimeInForce != Day && r.TimeInForce != GoodTillCanceled:
		return wire.Unprocessable("%s orders must be DAY or GTC orders", r.Class)
	case r.ExtendedHours:
		return wire.Unprocessable("%s orders are not eligible for extended hours trading", r.Class)
	}
	for name, price := range map[string]*decimal.Decimal{
		"take_profit.limit_price": r.TakeProfit.LimitPrice.Value,
		"stop_loss.stop_price":    r.StopLoss.StopPrice.Value,
		"stop_loss.limit_price":   r.StopLoss.LimitPrice.Value,
	} {
		if err := checkIncrement(name, price); err != nil {
			return err
		}
	}
	return nil
}

// checkLegs applies the rules between an order, its legs and the market. The exits of a long position sell, with the
// profit above and the stop below; those of a short one buy, the other way round.
func (r *OrderRequest) checkLegs(candidate *entry, held, marketPrice decimal.Decimal) error {
	if !r.Class.complex() {
		return nil
	}
	if r.Class == OCO && candidate.Intent.opens() {
		return wire.Unprocessable("oco orders must be exit orders")
	}
	if r.Class == Bracket && !held.IsZero() || r.Class != OCO && !candidate.Intent.opens() {
		return wire.Unprocessable("%s orders must be entry orders", r.Class)
	}
	long := candidate.exitSide() == Sell
	profit, stop := r.TakeProfit.LimitPrice.Value, r.StopLoss.StopPrice.Value
	if profit != nil && stop != nil && !beyond(*profit, *stop, long) {
		return wire.Unprocessable("take_profit.limit_price must be %s stop_loss.stop_price", comparison(long))
	}
	if stop == nil {
		return nil
	}
	if base := r.LimitPrice.Value; base != nil && !beyond(*base, *stop, long) {
		bound := "<= base_price - 0.01"
		if !long {
			bound = ">= base_price + 0.01"
		}
		return wire.Unprocessable("stop_loss.stop_price must be %s", bound).With("base_price", base.String())
	}
	if beyond(marketPrice, *stop, long) {
		return nil
	}
	bound := "less"
	if !long {
		bound = "greater"
	}
	return wire.Unprocessable("stop price must be %s than current price", bound).
		With("market_price", marketPrice.String()).With("stop_price", stop.String())
}

func comparison(above bool) string {
	if above {
		return ">"
	}
	return "<"
}

// beyond reports whether price is at least a cent above stop, or below it.
func beyond(price, stop decimal.Decimal, above bool) bool {
	cent := decimal.MustParse("0.01")
	if above {
		return price.Sub(stop).GreaterThanOrEqual(cent)
	}
	return stop.Sub(price).GreaterThanOrEqual(cent)
}

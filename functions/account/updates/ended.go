package updates

import (
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// contractShares is how many shares an option contract stands for.
const contractShares = 100

// ended is an order that a trade event ends: what risk controls hold of it shrinks to what it filled. The zero value is
// none.
type ended struct {
	clientOrderID string
	// qty is what it filled, value what that was worth in USD; both empty when that is not known.
	qty, value string
}

// endedBy returns the order that trade ends.
func endedBy(trade *alpaca.TradeEvent) ended {
	switch trade.Event {
	case alpaca.EventFill, alpaca.EventCanceled, alpaca.EventExpired, alpaca.EventRejected, alpaca.EventReplaced:
	default:
		return ended{}
	}
	o := &trade.Order
	done := ended{clientOrderID: o.ClientOrderID}
	switch {
	case o.FilledQty.IsZero() && trade.Event != alpaca.EventFill:
		done.qty, done.value = "0", "0"
	case o.FilledQty.IsPos() && o.FilledAvgPrice != nil:
		value := o.FilledQty.Mul(o.FilledAvgPrice.Abs())
		if o.AssetClass == event.AssetClassUSOption || o.OrderClass == alpaca.ClassMultileg {
			value = value.Mul(decimal.FromInt(contractShares))
		}
		done.qty, done.value = o.FilledQty.String(), value.String()
	}
	return done
}

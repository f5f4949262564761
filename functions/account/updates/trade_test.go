package updates

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func number(text string) *decimal.Decimal {
	d := decimal.MustParse(text)
	return &d
}

// trade makes a trade event of a buy order for 10 AAPL.
func trade(name, orderID string, at time.Time, change ...func(*alpaca.TradeEvent)) alpaca.TradeEvent {
	e := alpaca.TradeEvent{
		At: at, Event: name, EventID: newID(at),
		Order: alpaca.Order{
			ID: orderID, ClientOrderID: "c-" + orderID, Symbol: "AAPL", AssetClass: "us_equity", Side: alpaca.SideBuy,
			Type: alpaca.TypeMarket, TimeInForce: alpaca.TimeInForceDay, Qty: number("10"), Status: name,
			SubmittedAt: at.Add(-time.Second), CreatedAt: at.Add(-time.Second), UpdatedAt: at,
		},
	}
	for _, apply := range change {
		apply(&e)
	}
	return e
}

// executed turns the event into an execution of qty at 187.25, with the position after it.
func executed(id, qty, position string) func(*alpaca.TradeEvent) {
	return func(e *alpaca.TradeEvent) {
		e.ExecutionID, e.Qty, e.PositionQty, e.Price = id, number(qty), number(position), number("187.25")
		e.Order.FilledQty, e.Order.FilledAvgPrice = *number(qty), number("187.25")
		e.Order.Status = map[string]string{"fill": alpaca.StatusFilled, "partial_fill": alpaca.StatusPartiallyFilled}[e.Event]
	}
}

func submitted(at time.Time) func(*alpaca.TradeEvent) {
	return func(e *alpaca.TradeEvent) { e.Order.SubmittedAt = at }
}

func selling(e *alpaca.TradeEvent) { e.Order.Side = alpaca.SideSell }

func crypto(e *alpaca.TradeEvent) { e.Order.Symbol, e.Order.AssetClass = "BTCUSD", "crypto" }

func replacedBy(e *alpaca.TradeEvent) {
	next := "o-next"
	e.Order.ReplacedBy = &next
}

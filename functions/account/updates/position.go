package updates

import (
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// fill is one execution in one symbol.
type fill struct {
	orderID, executionID, symbol, assetClass, side string
	// qty is what was executed, after the signed position since then; nil when Alpaca does not say.
	qty, after *decimal.Decimal
}

// positions tells what the execution did to positions: one, or one for each leg of a multi-leg order.
func (t *translator) positions() {
	trade := t.trade
	if len(trade.Legs) == 0 {
		t.position(fill{
			orderID: trade.Order.ID, executionID: t.execution(), symbol: trade.Order.Symbol,
			assetClass: trade.Order.AssetClass, side: trade.Order.Side, qty: trade.Qty, after: trade.PositionQty,
		})
		return
	}
	for _, leg := range trade.Legs {
		after, ok := trade.PositionQtys[leg.Symbol]
		if !ok {
			continue
		}
		f := fill{orderID: leg.OrderID, executionID: leg.ExecutionID, symbol: leg.Symbol, qty: leg.Qty, after: &after}
		for _, order := range trade.Order.Legs {
			if order.ID == leg.OrderID {
				f.side, f.assetClass = order.Side, order.AssetClass
			}
		}
		t.position(f)
	}
}

func (t *translator) position(f fill) {
	if f.after == nil || f.symbol == "" {
		return
	}
	before := f.before()
	changed := event.PositionChanged{
		AccountID: t.accountID, Symbol: f.symbol, AssetClass: f.assetClass, Qty: decimal.NumberOf(f.after),
		PreviousQty: decimal.NumberOf(before), OrderID: f.orderID, ExecutionID: f.executionID, OccurredAt: t.at,
	}
	eventType := event.TypePositionChanged
	switch {
	case f.after.IsZero():
		eventType = event.TypePositionClosed
	case before != nil && before.IsZero():
		eventType = event.TypePositionOpened
	}
	t.add(eventType, f.orderID+":"+f.executionID+":position", t.at, changed)
}

// before is the signed position before the execution, nil when it can't be told.
func (f fill) before() *decimal.Decimal {
	if f.qty == nil {
		return nil
	}
	var before decimal.Decimal
	switch f.side {
	case alpaca.SideBuy:
		before = f.after.Sub(*f.qty)
	case alpaca.SideSell:
		before = f.after.Add(*f.qty)
	default:
		return nil
	}
	if f.assetClass == event.AssetClassCrypto && before.IsNeg() {
		// Crypto can't be sold short: the fee was taken from what was bought.
		before = decimal.Decimal{}
	}
	return &before
}

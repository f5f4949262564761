package event

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// OrderChangedOf describes an order as Alpaca has it, as of occurredAt. What only an execution has (Price,
// ExecutionQty, PositionQty, ExecutionID) and Reason are left to the caller.
func OrderChangedOf(accountID string, o *alpaca.Order, occurredAt time.Time) OrderChanged {
	changed := OrderChanged{
		AccountID: accountID, OrderID: o.ID, ClientOrderID: o.ClientOrderID, Symbol: o.Symbol, AssetClass: o.AssetClass,
		Side: o.Side, Type: o.Type, TimeInForce: o.TimeInForce, Status: o.Status,
		Qty: decimal.NumberOf(o.Qty), Notional: decimal.NumberOf(o.Notional), FilledQty: decimal.NumberOf(&o.FilledQty),
		FilledAvgPrice: decimal.NumberOf(o.FilledAvgPrice), LimitPrice: decimal.NumberOf(o.LimitPrice),
		StopPrice: decimal.NumberOf(o.StopPrice), OccurredAt: occurredAt,
	}
	if o.ReplacedBy != nil {
		changed.ReplacedBy = *o.ReplacedBy
	}
	if o.Replaces != nil {
		changed.Replaces = *o.Replaces
	}
	return changed
}

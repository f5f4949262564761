package alpaca

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Kinds of trade events.
const (
	EventNew                  = "new"
	EventFill                 = "fill"
	EventPartialFill          = "partial_fill"
	EventCanceled             = "canceled"
	EventExpired              = "expired"
	EventDoneForDay           = "done_for_day"
	EventReplaced             = "replaced"
	EventRejected             = "rejected"
	EventPendingNew           = "pending_new"
	EventAccepted             = "accepted"
	EventHeld                 = "held"
	EventStopped              = "stopped"
	EventPendingCancel        = "pending_cancel"
	EventPendingReplace       = "pending_replace"
	EventCalculated           = "calculated"
	EventSuspended            = "suspended"
	EventOrderReplaceRejected = "order_replace_rejected"
	EventOrderCancelRejected  = "order_cancel_rejected"
	EventRestated             = "restated"
	EventTradeBust            = "trade_bust"
	EventTradeCorrect         = "trade_correct"
)

// TradeEvent is one change of an order. Order is the state after it; for "replaced" it is the old order. Price (USD)
// and Qty (shares) are of this execution alone, PositionQty is the signed position after it; all three are nil
// unless the event is an execution.
type TradeEvent struct {
	AccountID string    `json:"account_id,omitempty"`
	At        time.Time `json:"at"`
	Event     string    `json:"event"`
	// EventID is a ULID whose time is At. Events of one account are ordered; of several accounts they are not.
	EventID             string                     `json:"event_id"`
	ExecutionID         string                     `json:"execution_id,omitempty"`
	PreviousExecutionID string                     `json:"previous_execution_id,omitempty"`
	Order               Order                      `json:"order"`
	Timestamp           *time.Time                 `json:"timestamp,omitempty"`
	Price               *decimal.Decimal           `json:"price,omitempty"`
	Qty                 *decimal.Decimal           `json:"qty,omitempty"`
	PositionQty         *decimal.Decimal           `json:"position_qty,omitempty"`
	Legs                []TradeEventLeg            `json:"legs,omitempty"`
	PositionQtys        map[string]decimal.Decimal `json:"position_qtys,omitempty"`
	SettleDate          string                     `json:"settle_date,omitempty"`
	SwapRate            *decimal.Decimal           `json:"swap_rate,omitempty"`
}

func (e *TradeEvent) identity() string {
	if e.Event == "" {
		return ""
	}
	return e.Order.ID
}

// TradeEventLeg is the execution of one leg of a multi-leg order.
type TradeEventLeg struct {
	ExecutionID string           `json:"execution_id"`
	OrderID     string           `json:"order_id"`
	Price       *decimal.Decimal `json:"price"`
	Qty         *decimal.Decimal `json:"qty"`
	Symbol      string           `json:"symbol"`
	Timestamp   *time.Time       `json:"timestamp,omitempty"`
}

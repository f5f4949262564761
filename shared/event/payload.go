package event

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// The asset classes, in Alpaca's spelling.
const (
	AssetClassUSEquity = "us_equity"
	AssetClassUSOption = "us_option"
	AssetClassCrypto   = "crypto"
)

// OrderRequested is the data of TypeOrderRequested: place this order for this account.
type OrderRequested struct {
	AccountID string `json:"account_id"`
	// AssetClass is one of the AssetClass constants; Decode fills in us_equity when it is absent.
	AssetClass string             `json:"asset_class,omitempty"`
	Order      order.OrderRequest `json:"order"`
}

func (r *OrderRequested) setDefaults() {
	if r.AssetClass == "" {
		r.AssetClass = AssetClassUSEquity
	}
}

// OrderCancelRequested is the data of TypeOrderCancelRequested. One of OrderID and ClientOrderID names the order.
type OrderCancelRequested struct {
	AccountID     string `json:"account_id"`
	OrderID       string `json:"order_id,omitempty"`
	ClientOrderID string `json:"client_order_id,omitempty"`
}

// OrderChanged is the data of every event about what became of an order. It describes the order after the
// change. Money is in USD (crypto: quote currency), quantities in shares, contracts or coins.
type OrderChanged struct {
	AccountID     string `json:"account_id"`
	OrderID       string `json:"order_id,omitempty"`
	ClientOrderID string `json:"client_order_id,omitempty"`
	Symbol        string `json:"symbol,omitempty"`
	AssetClass    string `json:"asset_class,omitempty"`
	Side          string `json:"side,omitempty"`
	Type          string `json:"type,omitempty"`
	TimeInForce   string `json:"time_in_force,omitempty"`
	// Status is Alpaca's order status after the change.
	Status         string          `json:"status,omitempty"`
	Qty            *decimal.Number `json:"qty,omitempty"`
	Notional       *decimal.Number `json:"notional,omitempty"`
	FilledQty      *decimal.Number `json:"filled_qty,omitempty"`
	FilledAvgPrice *decimal.Number `json:"filled_avg_price,omitempty"`
	LimitPrice     *decimal.Number `json:"limit_price,omitempty"`
	StopPrice      *decimal.Number `json:"stop_price,omitempty"`
	// Price and ExecutionQty are of this execution alone; PositionQty is the signed position after it.
	Price        *decimal.Number `json:"price,omitempty"`
	ExecutionQty *decimal.Number `json:"execution_qty,omitempty"`
	PositionQty  *decimal.Number `json:"position_qty,omitempty"`
	// ExecutionID identifies the execution; consumers that add up fills deduplicate by it.
	ExecutionID string `json:"execution_id,omitempty"`
	// AlpacaEventID is the ULID of the trade update this event was made from.
	AlpacaEventID string `json:"alpaca_event_id,omitempty"`
	// Reason says why an order was rejected or canceled by others than its owner.
	Reason *Reason `json:"reason,omitempty"`
	// ReplacedBy is the ID of the order that took this one's place.
	ReplacedBy string `json:"replaced_by,omitempty"`
	// Replaces is the ID of the order whose place this one took, or was to take.
	Replaces   string    `json:"replaces,omitempty"`
	OccurredAt time.Time `json:"occurred_at"`
}

// Reason is a stable code of the native API's error list, and a text for people.
type Reason struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// PositionChanged is the data of the three position events: the position after the change.
type PositionChanged struct {
	AccountID  string `json:"account_id"`
	Symbol     string `json:"symbol"`
	AssetClass string `json:"asset_class,omitempty"`
	// Qty is signed: negative is short, 0 is closed. PreviousQty is the same before the change.
	Qty           *decimal.Number `json:"qty"`
	PreviousQty   *decimal.Number `json:"previous_qty,omitempty"`
	AvgEntryPrice *decimal.Number `json:"avg_entry_price,omitempty"`
	// OrderID and ExecutionID name the execution that caused the change, when one did.
	OrderID     string    `json:"order_id,omitempty"`
	ExecutionID string    `json:"execution_id,omitempty"`
	OccurredAt  time.Time `json:"occurred_at"`
}

// AccountUpdated is the data of TypeAccountUpdated. It carries no balance: the snapshot is where readers look.
type AccountUpdated struct {
	AccountID string `json:"account_id"`
	// Reason is what made the account change, for example "fill" or "reconciled".
	Reason     string    `json:"reason"`
	OccurredAt time.Time `json:"occurred_at"`
}

// QuoteCrossed is the data of TypeQuoteCrossed: Price passed Level in Direction.
type QuoteCrossed struct {
	// AccountID is whose watch it is, WatchID the watch, RuleID what its owner named when it was made.
	AccountID string `json:"account_id,omitempty"`
	WatchID   string `json:"watch_id,omitempty"`
	RuleID    string `json:"rule_id,omitempty"`
	Symbol    string `json:"symbol"`
	// AssetClass is us_equity, us_option or crypto; Source the price that is watched: trade, bid or ask.
	AssetClass string `json:"asset_class,omitempty"`
	Source     string `json:"source,omitempty"`
	// Direction is "above" or "below": the side of Level on which Price now is.
	Direction string `json:"direction"`
	// Level and Price are in USD (crypto: quote currency).
	Level      *decimal.Number `json:"level"`
	Price      *decimal.Number `json:"price"`
	OccurredAt time.Time       `json:"occurred_at"`
}

// MarketSession is the data of the four market events.
type MarketSession struct {
	// Session is the state that the event announces: "preopen", "opened", "closing" or "closed".
	Session string `json:"session"`
	// Date is the trading day in New York, as 2006-01-02.
	Date string `json:"date"`
	// At is when the state begins, which may be after the event for preopen and closing.
	At time.Time `json:"at"`
}

// RiskBreached is the data of TypeRiskBreached.
type RiskBreached struct {
	// AccountID is empty when the limit is one over all accounts.
	AccountID string `json:"account_id,omitempty"`
	// Rule is the name of the limit, as in the RISK_LIMIT error's details.
	Rule string `json:"rule"`
	// Limit is what is allowed, Observed what was met; USD, quantity, percent or count by the rule.
	Limit    *decimal.Number `json:"limit,omitempty"`
	Observed *decimal.Number `json:"observed,omitempty"`
	// Action is what was done about it: "refused", "kill_switch" or "alerted".
	Action     string    `json:"action"`
	Message    string    `json:"message,omitempty"`
	OccurredAt time.Time `json:"occurred_at"`
}

// SweepTick is the data of TypeSweepTick.
type SweepTick struct {
	// Shard limits the sweep to one shard of accounts; absent means all of them.
	Shard *int `json:"shard,omitempty"`
}

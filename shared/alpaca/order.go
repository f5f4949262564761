package alpaca

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Sides of an order.
const (
	SideBuy  = "buy"
	SideSell = "sell"
)

// Position intents: whether an order opens or closes a position.
const (
	IntentBuyToOpen   = "buy_to_open"
	IntentBuyToClose  = "buy_to_close"
	IntentSellToOpen  = "sell_to_open"
	IntentSellToClose = "sell_to_close"
)

// Order types.
const (
	TypeMarket       = "market"
	TypeLimit        = "limit"
	TypeStop         = "stop"
	TypeStopLimit    = "stop_limit"
	TypeTrailingStop = "trailing_stop"
)

// Times in force.
const (
	TimeInForceDay = "day"
	TimeInForceGTC = "gtc"
	TimeInForceOPG = "opg"
	TimeInForceCLS = "cls"
	TimeInForceIOC = "ioc"
	TimeInForceFOK = "fok"
)

// Order classes. Alpaca answers a simple equity order with an empty class.
const (
	ClassSimple   = "simple"
	ClassBracket  = "bracket"
	ClassOCO      = "oco"
	ClassOTO      = "oto"
	ClassMultileg = "mleg"
)

// Order states of Alpaca's Trading API.
const (
	StatusNew                = "new"
	StatusPartiallyFilled    = "partially_filled"
	StatusFilled             = "filled"
	StatusDoneForDay         = "done_for_day"
	StatusCanceled           = "canceled"
	StatusExpired            = "expired"
	StatusReplaced           = "replaced"
	StatusPendingCancel      = "pending_cancel"
	StatusPendingReplace     = "pending_replace"
	StatusAccepted           = "accepted"
	StatusPendingNew         = "pending_new"
	StatusAcceptedForBidding = "accepted_for_bidding"
	StatusStopped            = "stopped"
	StatusRejected           = "rejected"
	StatusSuspended          = "suspended"
	StatusCalculated         = "calculated"
	StatusHeld               = "held"
)

// Terminal reports whether an order in this state can no longer change. done_for_day is not terminal: the order
// works again on the next day.
func Terminal(status string) bool {
	switch status {
	case StatusFilled, StatusCanceled, StatusExpired, StatusRejected, StatusReplaced:
		return true
	}
	return false
}

// Order is Alpaca's Order object, fields in the order in which a paper account sends them. Quantities are shares
// (contracts, coins), prices and Notional USD.
type Order struct {
	ID            string           `json:"id"`
	ClientOrderID string           `json:"client_order_id"`
	CreatedAt     time.Time        `json:"created_at"`
	UpdatedAt     time.Time        `json:"updated_at"`
	SubmittedAt   time.Time        `json:"submitted_at"`
	FilledAt      *time.Time       `json:"filled_at"`
	ExpiredAt     *time.Time       `json:"expired_at"`
	CanceledAt    *time.Time       `json:"canceled_at"`
	FailedAt      *time.Time       `json:"failed_at"`
	ReplacedAt    *time.Time       `json:"replaced_at"`
	ReplacedBy    *string          `json:"replaced_by"`
	Replaces      *string          `json:"replaces"`
	AssetID       string           `json:"asset_id"`
	Symbol        string           `json:"symbol"`
	AssetClass    string           `json:"asset_class"`
	Notional      *decimal.Decimal `json:"notional"`
	// Qty is nil for an order by notional, also when it is filled.
	Qty            *decimal.Decimal `json:"qty"`
	FilledQty      decimal.Decimal  `json:"filled_qty"`
	FilledAvgPrice *decimal.Decimal `json:"filled_avg_price"`
	OrderClass     string           `json:"order_class"`
	// OrderType repeats Type; Alpaca calls it deprecated and still sends it.
	OrderType      string           `json:"order_type"`
	Type           string           `json:"type"`
	Side           string           `json:"side"`
	PositionIntent string           `json:"position_intent"`
	TimeInForce    string           `json:"time_in_force"`
	LimitPrice     *decimal.Decimal `json:"limit_price"`
	StopPrice      *decimal.Decimal `json:"stop_price"`
	Status         string           `json:"status"`
	ExtendedHours  bool             `json:"extended_hours"`
	Legs           []Order          `json:"legs"`
	TrailPercent   *decimal.Decimal `json:"trail_percent"`
	TrailPrice     *decimal.Decimal `json:"trail_price"`
	// HWM is the high (or low) water mark of a trailing stop.
	HWM       *decimal.Decimal `json:"hwm"`
	Subtag    *string          `json:"subtag"`
	Source    *string          `json:"source"`
	ExpiresAt *time.Time       `json:"expires_at,omitempty"`
	// CancelRequestedAt is sent in trade events only.
	CancelRequestedAt *time.Time `json:"cancel_requested_at,omitempty"`
	// RatioQty is sent for the legs of a multi-leg order only.
	RatioQty *decimal.Decimal `json:"ratio_qty,omitempty"`
}

// OrderRequest is the body of POST /v2/orders. What is unset is left out of the JSON.
type OrderRequest struct {
	Symbol        string           `json:"symbol,omitempty"`
	Qty           *decimal.Decimal `json:"qty,omitempty"`
	Notional      *decimal.Decimal `json:"notional,omitempty"`
	Side          string           `json:"side,omitempty"`
	Type          string           `json:"type,omitempty"`
	TimeInForce   string           `json:"time_in_force,omitempty"`
	LimitPrice    *decimal.Decimal `json:"limit_price,omitempty"`
	StopPrice     *decimal.Decimal `json:"stop_price,omitempty"`
	TrailPrice    *decimal.Decimal `json:"trail_price,omitempty"`
	TrailPercent  *decimal.Decimal `json:"trail_percent,omitempty"`
	ExtendedHours bool             `json:"extended_hours,omitempty"`
	// ClientOrderID is at most 128 characters and, as far as is known, unique per account for ever.
	ClientOrderID        string                `json:"client_order_id,omitempty"`
	OrderClass           string                `json:"order_class,omitempty"`
	TakeProfit           *TakeProfit           `json:"take_profit,omitempty"`
	StopLoss             *StopLoss             `json:"stop_loss,omitempty"`
	Legs                 []OrderLeg            `json:"legs,omitempty"`
	PositionIntent       string                `json:"position_intent,omitempty"`
	AdvancedInstructions *AdvancedInstructions `json:"advanced_instructions,omitempty"`
}

// TakeProfit is the exit with a profit of a bracket, OCO or OTO order.
type TakeProfit struct {
	LimitPrice *decimal.Decimal `json:"limit_price,omitempty"`
}

// StopLoss is the exit with a loss of a bracket, OCO or OTO order; with a LimitPrice it is a stop-limit order.
type StopLoss struct {
	StopPrice  *decimal.Decimal `json:"stop_price,omitempty"`
	LimitPrice *decimal.Decimal `json:"limit_price,omitempty"`
}

// OrderLeg is one leg of a multi-leg option order.
type OrderLeg struct {
	Symbol         string           `json:"symbol,omitempty"`
	RatioQty       *decimal.Decimal `json:"ratio_qty,omitempty"`
	Side           string           `json:"side,omitempty"`
	PositionIntent string           `json:"position_intent,omitempty"`
}

// AdvancedInstructions routes an order; accounts on Alpaca's Elite smart router only.
type AdvancedInstructions struct {
	Algorithm     string           `json:"algorithm,omitempty"`
	Destination   string           `json:"destination,omitempty"`
	DisplayQty    *decimal.Decimal `json:"display_qty,omitempty"`
	MaxPercentage *decimal.Decimal `json:"max_percentage,omitempty"`
	StartTime     *time.Time       `json:"start_time,omitempty"`
	EndTime       *time.Time       `json:"end_time,omitempty"`
}

// ReplaceRequest is the body of PATCH /v2/orders/{id}. What is unset keeps its old value.
type ReplaceRequest struct {
	Qty         *decimal.Decimal `json:"qty,omitempty"`
	Notional    *decimal.Decimal `json:"notional,omitempty"`
	TimeInForce string           `json:"time_in_force,omitempty"`
	LimitPrice  *decimal.Decimal `json:"limit_price,omitempty"`
	StopPrice   *decimal.Decimal `json:"stop_price,omitempty"`
	// Trail is the new trail price or percentage, whichever kind the order has.
	Trail                *decimal.Decimal      `json:"trail,omitempty"`
	ClientOrderID        string                `json:"client_order_id,omitempty"`
	AdvancedInstructions *AdvancedInstructions `json:"advanced_instructions,omitempty"`
}

package exchange

import (
	"sync/atomic"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Side of an order.
type Side string

// The sides.
const (
	Buy  Side = "buy"
	Sell Side = "sell"
)

// Type of an order.
type Type string

// The order types.
const (
	Market       Type = "market"
	Limit        Type = "limit"
	Stop         Type = "stop"
	StopLimit    Type = "stop_limit"
	TrailingStop Type = "trailing_stop"
)

// TimeInForce is how long an order stays good.
type TimeInForce string

// The times in force.
const (
	Day               TimeInForce = "day"
	GoodTillCanceled  TimeInForce = "gtc"
	AtOpen            TimeInForce = "opg"
	AtClose           TimeInForce = "cls"
	ImmediateOrCancel TimeInForce = "ioc"
	FillOrKill        TimeInForce = "fok"
)

// Intent says whether an order opens or closes a position.
type Intent string

// The position intents.
const (
	BuyToOpen   Intent = "buy_to_open"
	BuyToClose  Intent = "buy_to_close"
	SellToOpen  Intent = "sell_to_open"
	SellToClose Intent = "sell_to_close"
)

// opens reports whether the intent adds to a position, and so needs buying power.
func (i Intent) opens() bool { return i == BuyToOpen || i == SellToOpen }

// Status of an order.
type Status string

// The statuses that the emulator gives.
const (
	StatusPendingNew      Status = "pending_new"
	StatusAccepted        Status = "accepted"
	StatusNew             Status = "new"
	StatusPartiallyFilled Status = "partially_filled"
	StatusFilled          Status = "filled"
	StatusPendingCancel   Status = "pending_cancel"
	StatusCanceled        Status = "canceled"
	StatusExpired         Status = "expired"
	StatusPendingReplace  Status = "pending_replace"
	StatusReplaced        Status = "replaced"
	StatusRejected        Status = "rejected"
	StatusHeld            Status = "held" // a leg that waits for other orders
)

// Terminal reports whether an order in this status never changes again.
func (s Status) Terminal() bool {
	switch s {
	case StatusFilled, StatusCanceled, StatusExpired, StatusReplaced, StatusRejected:
		return true
	default:
		return false
	}
}

// Terms are what an order is from its creation on; they never change and are shared by all its snapshots. Quantities
// are shares, prices and the notional USD.
type Terms struct {
	ID            string
	ClientOrderID string
	CreatedAt     time.Time
	Asset         *asset.Asset `json:"-"`
	Type          Type
	Class         Class
	Side          Side
	Intent        Intent
	TimeInForce   TimeInForce
	Qty           *decimal.Decimal
	Notional      *decimal.Decimal
	LimitPrice    *decimal.Decimal
	TrailPrice    *decimal.Decimal
	TrailPercent  *decimal.Decimal
	ExtendedHours bool
	ExpiresAt     time.Time
	Replaces      string
	Parent        string           `json:",omitempty"` // of a leg of a multi-leg order
	RatioQty      *decimal.Decimal `json:",omitempty"` // of a leg of a multi-leg order, in each unit of it

	reservePrice decimal.Decimal // buying power that a share, a contract or a unit needs, USD
}

// State is what changes while an order lives.
type State struct {
	Status            Status
	FilledQty         decimal.Decimal
	StopPrice         *decimal.Decimal
	HighWaterMark     *decimal.Decimal
	UpdatedAt         time.Time
	ClosedAt          time.Time // when it was filled, canceled, expired, replaced or rejected
	CancelRequestedAt time.Time
	ReplacedBy        string
	Reduced           *decimal.Decimal // what is left of Qty, because a take-profit filled in part; nil: all

	filledCost decimal.Decimal // sum of quantity times price, USD
}

// Order is a snapshot of an order. Snapshots are safe to keep and share.
type Order struct {
	*Terms
	State

	Legs []Order // of multi-leg orders; of others in nested views only
}

// Quantity returns the shares that the order is for now, or nil for an order in dollars.
func (o *Order) Quantity() *decimal.Decimal {
	if o.Reduced != nil {
		return o.Reduced
	}
	return o.Qty
}

// FilledAveragePrice returns the mean price of the fills in USD, or nil when there are none.
func (o *Order) FilledAveragePrice() *decimal.Decimal {
	if o.FilledQty.IsZero() {
		return nil
	}
	mean, err := o.filledCost.Div(o.FilledQty)
	if err != nil { // a quantity that is not zero divides
		return nil
	}
	mean = mean.RoundHAZ(averageDigits)
	return &mean
}

// averageDigits is how many digits Alpaca prints of an average price.
const averageDigits = 9

// closedAt returns ClosedAt when the order ended in this status.
func (o *Order) closedAt(status Status) time.Time {
	if o.Status == status {
		return o.ClosedAt
	}
	return time.Time{}
}

// entry is a living order; its account's lock guards it, except for Terms.
type entry struct {
	*Terms
	State

	account     *Account
	number      int              // place in the account's order of submission
	reserved    decimal.Decimal  // buying power that it holds, USD
	triggered   bool             // a stop whose price was reached
	resting     bool             // in the book
	liquidates  bool             // closes a position together with all others
	commission  *decimal.Decimal // USD, taken with the first fill
	queued      atomic.Bool      // waits for the market to open
	replacement *entry           // waits to take this order's place
	replaces    *entry
	family      *family // of a complex order
	combo       *combo  // of the parent of a multi-leg order
	parent      *entry  // of a leg of a multi-leg order
}

func (e *entry) snapshot() Order {
	order := Order{Terms: e.Terms, State: e.State}
	if e.combo != nil {
		for _, leg := range e.combo.legs {
			order.Legs = append(order.Legs, leg.snapshot())
		}
	}
	return order
}

func (e *entry) queue() queue { return queue{e.Asset.Symbol, e.Side} }

func (q queue) opposite() queue {
	if q.side == Buy {
		return queue{q.symbol, Sell}
	}
	return queue{q.symbol, Buy}
}

// remaining returns the shares still to fill; zero for an order in dollars, whose shares are not known.
func (e *entry) remaining() decimal.Decimal {
	if e.Qty == nil {
		return decimal.Decimal{}
	}
	if e.Reduced != nil {
		return e.Reduced.Sub(e.FilledQty)
	}
	return e.Qty.Sub(e.FilledQty)
}

// need returns the buying power that the unfilled part takes, USD.
func (e *entry) need() decimal.Decimal {
	if e.Status.Terminal() || !e.Intent.opens() && e.underlying() == "" {
		return decimal.Decimal{}
	}
	if e.Notional != nil {
		return positive(e.Notional.Sub(e.filledCost))
	}
	return e.reservePrice.Mul(e.remaining())
}

// tied returns the shares of a position that the order keeps from other orders.
func (e *entry) tied() decimal.Decimal {
	if e.Intent.opens() || e.Status.Terminal() || e.Status == StatusHeld {
		return decimal.Decimal{}
	}
	shares := e.remaining()
	if e.Notional != nil {
		shares = e.tiedByNotional()
	}
	if e.replacement != nil && e.replacement.remaining().GreaterThan(shares) {
		return e.replacement.remaining()
	}
	return shares
}

// tiedByNotional estimates the shares that an order to sell for dollars will take, at the price of its submission.
func (e *entry) tiedByNotional() decimal.Decimal {
	shares, err := e.Notional.Sub(e.filledCost).Div(e.reservePrice)
	if err != nil {
		return decimal.Decimal{}
	}
	return positive(shares.Trunc(quantityDigits))
}

func positive(d decimal.Decimal) decimal.Decimal {
	if d.IsNeg() {
		return decimal.Decimal{}
	}
	return d
}

package exchange

import (
	"slices"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// ActivityFilter selects account activities. Empty fields select all; After and Until are exclusive.
type ActivityFilter struct {
	Types       []string
	Category    string // trade_activity, non_trade_activity or empty
	OrderID     string
	After       time.Time
	Until       time.Time
	Ascending   bool
	PageSize    int
	PageToken   string // ID of the last activity of the page before
	WithoutPage bool   // no limit, as with a date
}

// Activity is an execution, or what else moved money or positions, as GET /v2/account/activities answers it.
type Activity struct {
	event *Event
	leg   *LegFill // of a multi-leg order's fill
}

// fillActivity is the type of executions.
const fillActivity = "FILL"

// Activities lists the account's activities, newest first unless the filter says otherwise.
func (a *Account) Activities(filter ActivityFilter) []Activity {
	now := a.exchange.clock.Now()
	a.mu.Lock()
	a.advance(now)
	found := make([]Activity, 0, len(a.history.records)/2)
	for _, event := range a.events() {
		for _, activity := range event.Activities() {
			if filter.selects(activity) {
				found = append(found, activity)
			}
		}
	}
	a.mu.Unlock()
	if !filter.Ascending {
		slices.Reverse(found)
	}
	if filter.PageToken != "" {
		at := slices.IndexFunc(found, func(x Activity) bool { return x.ID() == filter.PageToken })
		found = found[at+1:]
	}
	if !filter.WithoutPage && len(found) > filter.PageSize {
		found = found[:filter.PageSize]
	}
	return found
}

// Activities returns the activities that the event is: none, one, or one for each leg.
func (e *Event) Activities() []Activity {
	switch {
	case !e.IsActivity():
		return nil
	case len(e.Legs) == 0:
		return []Activity{{event: e}}
	}
	list := make([]Activity, len(e.Legs))
	for i := range e.Legs {
		list[i] = Activity{event: e, leg: &e.Legs[i]}
	}
	return list
}

func (f *ActivityFilter) selects(x Activity) bool {
	at, trade := x.event.At, x.event.Adjustment == nil
	return (f.OrderID == "" || trade && (x.event.Order.ID == f.OrderID || x.leg != nil && x.leg.OrderID == f.OrderID)) &&
		(f.Category == "" || trade == (f.Category == "trade_activity")) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, x.Type())) &&
		(f.After.IsZero() || at.After(f.After)) && (f.Until.IsZero() || at.Before(f.Until))
}

// Type is the activity's type, for example FILL.
func (x Activity) Type() string {
	if x.event.Adjustment != nil {
		kind, _ := x.event.Adjustment.Type.parts()
		return kind
	}
	return fillActivity
}

// ID is the time in New York to the millisecond and the execution's UUID, as captured from a paper account.
func (x Activity) ID() string {
	if x.event.Adjustment != nil {
		return x.event.Adjustment.activityID()
	}
	local := x.event.At.In(x.event.zone)
	execution := x.event.ExecutionID
	if x.leg != nil {
		execution = x.leg.ExecutionID
	}
	return local.Format("20060102150405") + local.Format(".000")[1:] + "::" + execution
}

// execution is an activity's fill, of an order or of a leg of one.
type execution struct {
	order                 *Order
	of                    *asset.Asset
	side                  Side
	qty, price            decimal.Decimal
	leaves, cumulativeQty decimal.Decimal
}

func (x Activity) execution() execution {
	e := x.event
	if x.leg == nil {
		fill := execution{order: &e.Order, of: e.Order.Asset, side: e.Order.Side, qty: *e.Qty, price: *e.Price}
		fill.cumulativeQty = e.Order.FilledQty
		if qty := e.Order.Quantity(); qty != nil {
			fill.leaves = qty.Sub(e.Order.FilledQty)
		}
		return fill
	}
	fill := execution{of: x.leg.Asset, side: x.leg.Side, qty: x.leg.Qty, price: x.leg.Price, order: &e.Order}
	for i := range e.Order.Legs {
		if leg := &e.Order.Legs[i]; leg.ID == x.leg.OrderID {
			fill.order, fill.cumulativeQty, fill.leaves = leg, leg.FilledQty, leg.Qty.Sub(leg.FilledQty)
		}
	}
	return fill
}

// Append appends the activity as the Trading API answers it.
func (x Activity) Append(dst []byte) []byte {
	if x.event.Adjustment != nil {
		return x.event.Adjustment.append(dst, x.event.At)
	}
	fill := x.execution()
	dst = wire.String(append(dst, `{"id":`...), x.ID())
	dst = wire.Time(append(dst, `,"activity_type":"FILL","transaction_time":`...), x.event.At)
	dst = wire.String(append(dst, `,"type":`...), x.event.Name)
	dst = wire.Decimal(append(dst, `,"price":`...), fill.price)
	dst = wire.Decimal(append(dst, `,"qty":`...), fill.qty)
	dst = wire.String(append(dst, `,"side":`...), string(fill.side))
	dst = wire.String(append(dst, `,"symbol":`...), fill.of.Symbol)
	dst = wire.Decimal(append(dst, `,"leaves_qty":`...), fill.leaves)
	dst = wire.String(append(dst, `,"order_id":`...), fill.order.ID)
	dst = wire.Decimal(append(dst, `,"cum_qty":`...), fill.cumulativeQty)
	dst = wire.String(append(dst, `,"order_status":`...), string(fill.order.Status))
	if fill.of.Class == asset.Crypto {
		dst = append(dst, `,"swap_rate":"1"`...)
	}
	return append(dst, '}')
}

// AppendEvent appends the activity as GET /v2beta1/events/activities sends it.
func (x Activity) AppendEvent(dst []byte) []byte {
	e := x.event
	dst = wire.Time(append(dst, `{"at":`...), e.At)
	dst = wire.String(append(dst, `,"event_id":`...), e.ID.String())
	dst = wire.String(append(dst, `,"activity_type":`...), x.Type())
	subType := ""
	if e.Adjustment != nil {
		_, subType = e.Adjustment.Type.parts()
	}
	dst = wire.String(append(dst, `,"activity_subtype":`...), subType)
	dst = wire.Time(append(dst, `,"executed_at":`...), e.At)
	dst = append(dst, `,"status":"executed","settle_date":`...)
	if n := e.Adjustment; n != nil {
		dst = wire.String(dst, n.Date)
		dst = wire.String(append(dst, `,"currency":"USD","ref_id":`...), n.ID)
		dst = wire.String(append(dst, `,"previous_id":null,"symbol":`...), n.Asset.Symbol)
		dst = wire.Decimal(append(dst, `,"qty":`...), n.Qty)
		dst = wire.OptionalDecimal(append(dst, `,"price":`...), n.Price)
		return append(wire.Decimal(append(dst, `,"net_amount":`...), n.NetAmount), '}')
	}
	fill := x.execution()
	net := fill.of.Worth(fill.qty, fill.price)
	if fill.side == Buy {
		net = net.Neg()
	}
	_, reference, _ := strings.Cut(x.ID(), "::")
	dst = wire.String(dst, e.SettleDate)
	dst = wire.String(append(dst, `,"currency":"USD","ref_id":`...), reference)
	dst = wire.String(append(dst, `,"previous_id":null,"symbol":`...), fill.of.Symbol)
	dst = wire.String(append(dst, `,"order_id":`...), fill.order.ID)
	dst = wire.String(append(dst, `,"side":`...), string(fill.side))
	dst = wire.Decimal(append(dst, `,"qty":`...), fill.qty)
	dst = wire.Decimal(append(dst, `,"price":`...), fill.price)
	return append(wire.Decimal(append(dst, `,"net_amount":`...), net), '}')
}

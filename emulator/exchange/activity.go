package exchange

import (
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
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

// Activity is an execution, as GET /v2/account/activities answers it.
type Activity struct{ event *Event }

// fillActivity is the only type so far: the emulator knows no transfers, dividends or fees.
const fillActivity = "FILL"

// Activities lists the account's activities, newest first unless the filter says otherwise.
func (a *Account) Activities(filter ActivityFilter) []Activity {
	if filter.Category == "non_trade_activity" || len(filter.Types) > 0 && !slices.Contains(filter.Types, fillActivity) {
		return nil
	}
	a.mu.Lock()
	fills := make([]Activity, 0, len(a.history.records)/2)
	for _, event := range a.events() {
		if filter.selects(event) {
			fills = append(fills, Activity{event})
		}
	}
	a.mu.Unlock()
	if !filter.Ascending {
		slices.Reverse(fills)
	}
	if filter.PageToken != "" {
		at := slices.IndexFunc(fills, func(x Activity) bool { return x.ID() == filter.PageToken })
		fills = fills[at+1:]
	}
	if !filter.WithoutPage && len(fills) > filter.PageSize {
		fills = fills[:filter.PageSize]
	}
	return fills
}

func (f *ActivityFilter) selects(event *Event) bool {
	return event.Price != nil && (f.OrderID == "" || event.Order.ID == f.OrderID) &&
		(f.After.IsZero() || event.At.After(f.After)) && (f.Until.IsZero() || event.At.Before(f.Until))
}

// ID is the time in New York to the millisecond and the execution's UUID, as captured from a paper account.
func (x Activity) ID() string {
	local := x.event.At.In(x.event.zone)
	return local.Format("20060102150405") + local.Format(".000")[1:] + "::" + x.event.ExecutionID
}

// Append appends the activity as the Trading API answers it.
func (x Activity) Append(dst []byte) []byte {
	e := x.event
	dst = wire.String(append(dst, `{"id":`...), x.ID())
	dst = wire.Time(append(dst, `,"activity_type":"FILL","transaction_time":`...), e.At)
	dst = wire.String(append(dst, `,"type":`...), e.Name)
	dst = wire.Decimal(append(dst, `,"price":`...), *e.Price)
	dst = wire.Decimal(append(dst, `,"qty":`...), *e.Qty)
	dst = wire.String(append(dst, `,"side":`...), string(e.Order.Side))
	dst = wire.String(append(dst, `,"symbol":`...), e.Order.Asset.Symbol)
	leaves := e.Qty.Sub(*e.Qty)
	if qty := e.Order.Quantity(); qty != nil {
		leaves = qty.Sub(e.Order.FilledQty)
	}
	dst = wire.Decimal(append(dst, `,"leaves_qty":`...), leaves)
	dst = wire.String(append(dst, `,"order_id":`...), e.Order.ID)
	dst = wire.Decimal(append(dst, `,"cum_qty":`...), e.Order.FilledQty)
	dst = wire.String(append(dst, `,"order_status":`...), string(e.Order.Status))
	return append(dst, '}')
}

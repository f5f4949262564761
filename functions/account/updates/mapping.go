package updates

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// eventSource is the source attribute of what this package publishes.
const eventSource = "/opitios/account/updates"

// errUnusable: a trade event lacks what every event must have.
var errUnusable = errors.New("unusable trade event")

// entry is one event for the outbox: its ID, by which a repeat is recognised, and the CloudEvent in JSON.
type entry struct {
	id    string
	event []byte
}

// kinds says which event an order's trade event becomes; the empty ones say nothing to subscribers.
func kinds() map[string]string {
	return map[string]string{
		alpaca.EventNew: event.TypeOrderAccepted, alpaca.EventAccepted: event.TypeOrderAccepted,
		alpaca.EventPendingNew: event.TypeOrderAccepted, alpaca.EventPartialFill: event.TypeOrderPartiallyFilled,
		alpaca.EventFill: event.TypeOrderFilled, alpaca.EventCanceled: event.TypeOrderCanceled,
		alpaca.EventExpired: event.TypeOrderExpired, alpaca.EventReplaced: event.TypeOrderReplaced,
		alpaca.EventRejected:  event.TypeOrderRejected,
		alpaca.EventTradeBust: "", alpaca.EventTradeCorrect: "",
		alpaca.EventDoneForDay: "", alpaca.EventHeld: "", alpaca.EventStopped: "", alpaca.EventPendingCancel: "",
		alpaca.EventPendingReplace: "", alpaca.EventCalculated: "", alpaca.EventSuspended: "",
		alpaca.EventOrderReplaceRejected: "", alpaca.EventOrderCancelRejected: "", alpaca.EventRestated: "",
	}
}

// known reports whether this release knows the trade event's name.
func known(name string) bool {
	_, ok := kinds()[name]
	return ok
}

// translator makes the CloudEvents of one trade event.
type translator struct {
	accountID string
	trade     *alpaca.TradeEvent
	at, now   time.Time
	entries   []entry
	err       error
}

// translate returns the events that one trade event becomes, in the order in which subscribers must see them: an
// order is accepted before anything else happens to it, also when that was never heard (except of an order submitted
// long before now). None for names that say nothing to subscribers.
func translate(accountID string, trade *alpaca.TradeEvent, now time.Time) ([]entry, error) {
	if trade.Order.ID == "" || trade.Event == "" {
		return nil, fmt.Errorf("%w: no order ID or no name", errUnusable)
	}
	t := &translator{accountID: accountID, trade: trade, at: trade.At.UTC(), now: now}
	if trade.Timestamp != nil { // when it was executed, which At is a little later than
		t.at = trade.Timestamp.UTC()
	}
	switch eventType := kinds()[trade.Event]; eventType {
	case event.TypeOrderAccepted:
		t.order(eventType, "accepted")
	case event.TypeOrderRejected: // by the venue, or because the order that it was to replace was filled first
		t.acceptedBefore()
		t.order(eventType, "rejected")
	case event.TypeOrderPartiallyFilled:
		t.acceptedBefore()
		t.order(eventType, t.execution())
		t.positions()
		t.account("fill")
	case event.TypeOrderFilled:
		t.acceptedBefore()
		t.order(eventType, "filled")
		t.positions()
		t.account("fill")
	case event.TypeOrderCanceled:
		t.acceptedBefore()
		t.order(eventType, "canceled")
	case event.TypeOrderExpired:
		t.acceptedBefore()
		t.order(eventType, "expired")
	case event.TypeOrderReplaced:
		t.acceptedBefore()
		t.order(eventType, "replaced")
	default:
		t.correction()
	}
	return t.entries, t.err
}

// correction tells of executions that were taken back or changed afterwards.
func (t *translator) correction() {
	if t.trade.Event == alpaca.EventTradeBust || t.trade.Event == alpaca.EventTradeCorrect {
		t.account(t.trade.Event)
	}
}

// execution names this execution among the order's events.
func (t *translator) execution() string {
	if t.trade.ExecutionID != "" {
		return t.trade.ExecutionID
	}
	return t.trade.EventID
}

// acceptedBefore adds what the order was before its first change. It has the ID under which placing the order reports
// it too: whoever comes first has said it. Nothing for an order so old that it can't be known any more whether that was
// said: a subscriber would hear of it a second time, behind its fills.
func (t *translator) acceptedBefore() {
	order := t.trade.Order
	if !order.SubmittedAt.IsZero() && t.now.Sub(order.SubmittedAt) >= acceptedLife {
		return
	}
	order.Status, order.FilledQty, order.FilledAvgPrice, order.ReplacedBy = alpaca.StatusAccepted, decimal.Decimal{}, nil, nil
	at := t.at
	if !order.SubmittedAt.IsZero() {
		at = order.SubmittedAt.UTC()
	}
	t.add(event.TypeOrderAccepted, order.ID+":accepted", at, event.OrderChangedOf(t.accountID, &order, at))
}

func (t *translator) order(eventType, what string) {
	changed := event.OrderChangedOf(t.accountID, &t.trade.Order, t.at)
	changed.AlpacaEventID = t.trade.EventID
	switch eventType {
	case event.TypeOrderFilled, event.TypeOrderPartiallyFilled:
		changed.ExecutionID = t.trade.ExecutionID
		changed.Price, changed.ExecutionQty = decimal.NumberOf(t.trade.Price), decimal.NumberOf(t.trade.Qty)
		changed.PositionQty = decimal.NumberOf(t.trade.PositionQty)
	case event.TypeOrderRejected:
		changed.Reason = &event.Reason{Code: problem.OrderRejected.Code(), Message: "rejected by Alpaca or the venue after it was accepted"}
	}
	t.add(eventType, t.trade.Order.ID+":"+what, t.at, changed)
}

func (t *translator) account(reason string) {
	id := t.trade.EventID
	if id == "" {
		id = t.trade.Order.ID + ":" + t.execution()
	}
	t.add(event.TypeAccountUpdated, id+":account", t.at, event.AccountUpdated{AccountID: t.accountID, Reason: reason, OccurredAt: t.at})
}

func (t *translator) add(eventType, id string, at time.Time, data any) {
	if t.err != nil {
		return
	}
	made, err := event.New(eventType, eventSource, t.accountID, data, event.WithID(id))
	if err != nil {
		t.err = fmt.Errorf("%w: %w", errUnusable, err)
		return
	}
	made.SetTime(at)
	content, err := json.Marshal(made)
	if err != nil {
		t.err = fmt.Errorf("%w: %w", errUnusable, err)
		return
	}
	t.entries = append(t.entries, entry{id: id, event: content})
}

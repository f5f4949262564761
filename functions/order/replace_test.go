package order_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// resting makes an open limit order that did not come through us.
func (s *scene) resting(clientOrderID string) *alpaca.Order {
	s.t.Helper()
	one, ten := decimal.FromInt(1), decimal.FromInt(10)
	o := s.venue.elsewhere(keyID(s.account), alpaca.OrderRequest{
		Symbol: "AAPL", Qty: &one, Side: "buy", Type: "limit", LimitPrice: &ten, TimeInForce: "day", ClientOrderID: clientOrderID,
	})
	s.venue.end(o, alpaca.StatusNew)
	return o
}

func (s *scene) replace(id, body string, headers ...string) reply {
	s.t.Helper()
	return s.send(http.MethodPatch, "/api/v1/orders/"+id, body, headers...)
}

// ok wants a 200 with an order.
func (s *scene) ok(r reply) order.Order {
	s.t.Helper()
	var o order.Order
	if err := json.Unmarshal(r.Data, &o); r.Status != http.StatusOK || err != nil || o.OrderID == "" {
		s.t.Fatalf("got %s (%v), want an order", r, err)
	}
	return o
}

// changes wants so many PATCHes and look-ups since the last time it was asked.
func (s *scene) changes(patches, lookUps int) {
	s.t.Helper()
	if a, b := s.venue.count(change), s.venue.count(lookUp); a != patches || b != lookUps {
		s.t.Fatalf("%d PATCHes and %d look-ups, want %d and %d", a, b, patches, lookUps)
	}
	s.venue.forgetCalls()
}

func TestReplace(t *testing.T) {
	scenarios := []scenario{
		{"success", nil, replaceSuccess},
		{"repeat", nil, replaceRepeat},
		{"unknown outcome", nil, replaceUnknown},
		{"refused", nil, replaceRefused},
		{"refused, but carried out", nil, replaceRefusedButDone},
		{"what can't be is settled", nil, replaceDeclined},
		{"a crash, then the sweeper", []option{func(c *orderfn.Config) { c.IntentLease = 40 * time.Millisecond }}, replaceSwept},
		{"fields", nil, replaceFields},
	}
	for name, lost := range map[string]fault{"reset": resetAfter, "502": statusAfter(502), "truncated": thenAnswer(`{"id":"6`)} {
		scenarios = append(scenarios, scenario{name + " after it was replaced", nil, func(s *scene) { replaceLost(s, lost, 1) }})
	}
	for name, lost := range map[string]fault{"reset": resetBefore, "503": status(503, "no")} {
		scenarios = append(scenarios, scenario{name + " before it was replaced", nil, func(s *scene) { replaceLost(s, lost, 2) }})
	}
	play(t, scenarios)
}

func replaceSuccess(s *scene) {
	old := s.resting("old")
	answer := s.replace(old.ID, `{"limit_price":"11.5","qty":3,"client_order_id":"mine"}`)
	o := s.ok(answer)
	if o.ClientOrderID != "mine" || o.LimitPrice.String() != "11.5" || o.Qty.String() != "3" || o.Replaces == nil || *o.Replaces != old.ID {
		s.t.Fatalf("got %s", answer)
	}
	if answer.Header.Get("X-Ratelimit-Remaining") != "999" {
		s.t.Errorf("headers %v", answer.Header)
	}
	s.changes(1, 0)
	s.mustTell("accepted " + o.OrderID + ":accepted")
	if e := s.outbox()[0]; e.changed.Replaces != old.ID || e.changed.Symbol != "AAPL" {
		s.t.Errorf("event %+v", e.changed)
	}
}

func replaceRepeat(s *scene) {
	old := s.resting("old")
	first := s.replace(old.ID, `{"limit_price":11}`, "Idempotency-Key", "key-1")
	second := s.replace(old.ID, `{"limit_price":"11.0"}`, "Idempotency-Key", `"key-1"`)
	if o := s.ok(first); string(first.Data) != string(second.Data) || !strings.HasPrefix(o.ClientOrderID, orderfn.FromKey) {
		s.t.Fatalf("%s, then %s", first, second)
	}
	s.mustFail(s.replace(old.ID, `{"limit_price":12}`, "Idempotency-Key", "key-1"), problem.IdempotencyMismatch)
	s.mustFail(s.place(`{}`, "Idempotency-Key", "key-1"), problem.IdempotencyMismatch)
	s.changes(1, 0)
	if n := len(s.outbox()); n != 1 {
		s.t.Errorf("%d events", n)
	}
}

func replaceLost(s *scene, lost fault, patches int) {
	old := s.resting("old")
	s.venue.fail(change, lost)
	o := s.ok(s.replace(old.ID, `{"limit_price":11,"client_order_id":"mine"}`))
	if o.OrderID != s.venue.accepted(keyID(s.account), "mine").ID {
		s.t.Fatalf("got %s", o.OrderID)
	}
	s.changes(patches, 1)
	if again := s.ok(s.replace(old.ID, `{"limit_price":11,"client_order_id":"mine"}`)); again.OrderID != o.OrderID {
		s.t.Fatalf("the repeat got %s", again.OrderID)
	}
	s.changes(0, 0)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func replaceUnknown(s *scene) {
	old := s.resting("old")
	s.venue.fail(change, resetAfter)
	s.venue.fail(lookUp, resetBefore, resetBefore)
	f := s.mustFail(s.replace(old.ID, `{"limit_price":11,"client_order_id":"mine"}`), problem.UpstreamTimeout)
	if f.Details["outcome"] != "unknown" {
		s.t.Errorf("details %v", f.Details)
	}
	s.mustTell()
	s.changes(1, 2)
	o := s.ok(s.replace(old.ID, `{"limit_price":11,"client_order_id":"mine"}`))
	s.changes(0, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func replaceRefused(s *scene) {
	old := s.resting("old")
	s.venue.end(old, alpaca.StatusPendingCancel)
	for range 2 {
		s.mustFail(s.replace(old.ID, `{"limit_price":11,"client_order_id":"mine"}`), problem.OrderRejected)
	}
	s.changes(1, 1)
	s.mustTell("rejected mine:rejected")
	if e := s.outbox()[0]; e.changed.Replaces != old.ID || e.changed.Symbol != "AAPL" || e.changed.LimitPrice.String() != "11" {
		s.t.Errorf("event %+v", e.changed)
	}
}

// replaceRefusedButDone: alpacahq/alpaca-trade-api-python#306.
func replaceRefusedButDone(s *scene) {
	old := s.resting("old")
	s.venue.fail(change, thenRefuse(422, `{"code":42210000,"message":"unable to replace order, order is not open"}`))
	o := s.ok(s.replace(old.ID, `{"limit_price":11,"client_order_id":"mine"}`))
	s.changes(1, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// thenRefuse does what was asked, and says that it was not done.
func thenRefuse(status int, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, carryOut func(http.ResponseWriter)) {
		carryOut(discard{})
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}
}

func replaceDeclined(s *scene) {
	for range 2 {
		s.mustFail(s.replace(nobody, `{"limit_price":11}`, "Idempotency-Key", "gone"), problem.OrderNotFound)
	}
	s.mustFail(s.replace(s.elsewhere(s.other, "theirs").ID, `{"limit_price":11}`), problem.OrderNotFound)
	old := s.resting("old")
	s.venue.end(old, alpaca.StatusFilled)
	f := s.mustFail(s.replace(old.ID, `{"limit_price":11}`, "Idempotency-Key", "filled"), problem.OrderRejected)
	if f.Details["status"] != "filled" || f.Details["order_id"] != old.ID {
		s.t.Errorf("details %v", f.Details)
	}
	s.changes(0, 2) // one for each key: a replacement that was forgotten may be in place
	s.mustTell()
}

func replaceSwept(s *scene) {
	old := s.resting("old")
	s.spy.cutAfter(2) // the intent and the hold
	o := s.ok(s.replace(old.ID, `{"limit_price":11,"client_order_id":"mine"}`))
	s.spy.heal()
	s.mustTell()
	s.elapse()
	s.sweep()
	s.changes(1, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
	if again := s.ok(s.replace(old.ID, `{"limit_price":11,"client_order_id":"mine"}`)); again.OrderID != o.OrderID {
		s.t.Fatalf("the repeat got %s", again.OrderID)
	}
}

// replaceFields: what Alpaca would refuse is refused before it is asked, and names the field.
func replaceFields(s *scene) {
	old := s.resting("old")
	fractional := s.resting("fractional")
	half := decimal.MustParse("1.5")
	fractional.Qty = &half
	partly := s.resting("partly")
	ten := decimal.FromInt(10)
	partly.Qty, partly.FilledQty = &ten, decimal.FromInt(4)
	bracket := s.resting("bracket")
	bracket.OrderClass = alpaca.ClassBracket
	trailing := s.resting("trailing")
	trailing.Type, trailing.LimitPrice, trailing.TrailPrice = "trailing_stop", nil, &ten
	for _, c := range []struct {
		name, id, body, field string
	}{
		{"nothing", old.ID, `{}`, "body"},
		{"only an ID", old.ID, `{"client_order_id":"x"}`, "body"},
		{"unknown field", old.ID, `{"side":"sell"}`, "side"},
		{"no quantity", old.ID, `{"qty":0}`, "qty"},
		{"a fraction", old.ID, `{"qty":1.5}`, "qty"},
		{"quantity of a fractional order", fractional.ID, `{"qty":2}`, "qty"},
		{"quantity of a bracket", bracket.ID, `{"qty":2}`, "qty"},
		{"no more than is filled", partly.ID, `{"qty":4}`, "qty"},
		{"sub-penny", old.ID, `{"limit_price":"11.001"}`, "limit_price"},
		{"negative price", old.ID, `{"limit_price":-11}`, "limit_price"},
		{"stop of a limit order", old.ID, `{"stop_price":9}`, "stop_price"},
		{"trail of a limit order", old.ID, `{"trail":1}`, "trail"},
		{"negative trail", trailing.ID, `{"trail":-1}`, "trail"},
		{"limit of a trailing stop", trailing.ID, `{"limit_price":9}`, "limit_price"},
		{"time in force", old.ID, `{"time_in_force":"gtd"}`, "time_in_force"},
		{"time in force of a trailing stop", trailing.ID, `{"time_in_force":"ioc"}`, "time_in_force"},
		{"client order ID", old.ID, `{"qty":2,"client_order_id":"` + strings.Repeat("x", orderfn.MaxClientOrderID+1) + `"}`, "client_order_id"},
	} {
		if f := s.mustFail(s.replace(c.id, c.body), problem.InvalidRequest); f.Details["field"] != c.field || !strings.Contains(f.Message, c.field) {
			s.t.Errorf("%s: %s %v", c.name, f.Message, f.Details)
		}
	}
	s.mustFail(s.replace("nonsense", `{"qty":2}`), problem.OrderNotFound)
	s.changes(0, 0)
	for name, change := range map[string]struct{ id, body string }{
		"trail": {trailing.ID, `{"trail":"0.5"}`}, "price of a bracket": {bracket.ID, `{"limit_price":9}`},
		"price of a fractional order": {fractional.ID, `{"limit_price":"9.25"}`}, "more than is filled": {partly.ID, `{"qty":5}`},
	} {
		if answer := s.replace(change.id, change.body); answer.Status != http.StatusOK {
			s.t.Errorf("%s: %s", name, answer)
		}
	}
	for _, e := range s.outbox() {
		if e.Type() != event.TypeOrderAccepted {
			s.t.Errorf("%s of what was never asked of Alpaca", e.Type())
		}
	}
}

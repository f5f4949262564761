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
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

func (s *scene) closeOf(symbol string, headers ...string) reply {
	s.t.Helper()
	return s.send(http.MethodDelete, "/api/v1/positions/"+symbol, "", headers...)
}

// selling makes an open limit order that sells qty of the account's AAPL.
func (s *scene) selling(clientOrderID, qty string) *alpaca.Order {
	s.t.Helper()
	n, limit := decimal.MustParse(qty), decimal.FromInt(500)
	o := s.venue.elsewhere(keyID(s.account), alpaca.OrderRequest{
		Symbol: "AAPL", Qty: &n, Side: "sell", Type: "limit", LimitPrice: &limit, TimeInForce: "day", ClientOrderID: clientOrderID,
	})
	s.venue.end(o, alpaca.StatusNew)
	return o
}

func TestClosePosition(t *testing.T) {
	short := []option{func(c *orderfn.Config) { c.IntentLease = 40 * time.Millisecond }}
	scenarios := []scenario{
		{"all of it", nil, closeAllOfIt},
		{"repeat", nil, closeRepeat},
		{"a part of it", nil, closePart},
		{"short", nil, closeShort},
		{"crypto and options", nil, closeOtherClasses},
		{"no position", nil, closeNothing},
		{"held by orders", nil, closeHeld},
		{"orders canceled first", nil, closeReleased},
		{"unknown outcome", nil, closeUnknown},
		{"unknown outcome, then the position is another", nil, closeUnknownThenChanged},
		{"a crash, then the sweeper", short, closeSwept},
		{"the order bucket is empty", []option{func(c *orderfn.Config) { c.OrdersPerMinute = 1 }}, closeBeyondTheLimit},
		{"only what is kept for cancels is left", []option{func(c *orderfn.Config) { c.TradingRequestsPerMinute, c.CancelReserve = 4, 3 }}, closeWithTheReserve},
	}
	for name, lost := range map[string]fault{"reset": resetAfter, "502": statusAfter(502)} {
		scenarios = append(scenarios, scenario{name + " after it was closed", nil, func(s *scene) { closeLost(s, lost, 1) }})
	}
	for name, lost := range map[string]fault{"reset": resetBefore, "503": status(503, "no")} {
		scenarios = append(scenarios, scenario{name + " before it was closed", nil, func(s *scene) { closeLost(s, lost, 2) }})
	}
	play(t, scenarios)
}

func closeAllOfIt(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	o := s.ok(s.closeOf("aapl"))
	if o.Side != "sell" || o.Qty.String() != "7" || o.OrderType != "market" || o.TimeInForce != "day" || o.PositionIntent != "sell_to_close" {
		s.t.Fatalf("got %+v", o)
	}
	s.calls(1, 0)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func closeRepeat(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	first := s.closeOf("AAPL", "Idempotency-Key", "out")
	s.venue.hold(keyID(s.account), "AAPL", "100") // bought since: not for this close to sell
	second := s.closeOf("AAPL", "Idempotency-Key", "out")
	if s.ok(first); string(first.Data) != string(second.Data) {
		s.t.Fatalf("%s, then %s", first, second)
	}
	s.mustFail(s.closeOf("AAPL?qty=1", "Idempotency-Key", "out"), problem.IdempotencyMismatch)
	s.mustFail(s.closeOf("MSFT", "Idempotency-Key", "out"), problem.IdempotencyMismatch)
	s.calls(1, 0)
}

func closePart(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "9")
	s.venue.hold(keyID(s.account), "MSFT", "2.5")
	for query, want := range map[string]string{
		"AAPL?qty=2": "2", "AAPL?percentage=50": "4", "AAPL?percentage=100": "9", "AAPL?qty=0.5": "0.5", "MSFT?percentage=33.3": "0.8325",
	} {
		o := s.ok(s.closeOf(query))
		if o.Qty.String() != want {
			s.t.Errorf("%s closes %s, want %s", query, o.Qty, want)
		}
		s.venue.end(s.venue.accepted(keyID(s.account), o.ClientOrderID), alpaca.StatusCanceled)
	}
	s.calls(5, 0)
	for query, field := range map[string]string{
		"AAPL?qty=10": "qty", "AAPL?percentage=1": "percentage", "AAPL?qty=0": "qty", "AAPL?qty=-1": "qty", "AAPL?qty=x": "qty", "AAPL?percentage=101": "percentage",
		"AAPL?percentage=0": "percentage", "AAPL?qty=1&percentage=1": "percentage", "AAPL?qty=0.0000000001": "qty", "AAPL?cancel_orders=maybe": "cancel_orders",
		"AA_PL": "symbol", strings.Repeat("A", 41): "symbol", "AAPL?quantity=1": "quantity",
	} {
		if f := s.mustFail(s.closeOf(query), problem.InvalidRequest); f.Details["field"] != field {
			s.t.Errorf("%s: %v", query, f.Details)
		}
	}
	s.calls(0, 0)
}

func closeShort(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "-7")
	if o := s.ok(s.closeOf("AAPL")); o.Side != "buy" || o.Qty.String() != "7" || o.PositionIntent != "buy_to_close" {
		s.t.Fatalf("got %+v", o)
	}
}

func closeOtherClasses(s *scene) {
	s.venue.hold(keyID(s.account), "BTCUSD", "0.5")
	s.venue.hold(keyID(s.account), "AAPL261218C00190000", "3")
	for _, path := range []string{"BTC%2FUSD", "BTCUSD"} {
		o := s.ok(s.closeOf(path))
		if o.Symbol != "BTC/USD" || o.Qty.String() != "0.5" || o.TimeInForce != "gtc" {
			s.t.Errorf("%s: %+v", path, o)
		}
		s.venue.end(s.venue.accepted(keyID(s.account), o.ClientOrderID), alpaca.StatusFilled)
	}
	if o := s.ok(s.closeOf("AAPL261218C00190000?percentage=50")); o.Qty.String() != "1" || o.PositionIntent != "sell_to_close" || o.TimeInForce != "day" {
		s.t.Errorf("got %+v", o)
	}
	if f := s.mustFail(s.closeOf("AAPL261218C00190000?qty=0.5"), problem.InvalidRequest); f.Details["field"] != "qty" {
		s.t.Errorf("details %v", f.Details)
	}
}

func closeNothing(s *scene) {
	s.venue.hold(keyID(s.other), "AAPL", "7")
	s.mustFail(s.closeOf("AAPL", "Idempotency-Key", "out"), problem.PositionNotFound)
	s.venue.hold(keyID(s.account), "AAPL", "7") // opened since: a repeat of the old close must not sell it
	s.mustFail(s.closeOf("AAPL", "Idempotency-Key", "out"), problem.PositionNotFound)
	s.calls(0, 1) // a close that was forgotten may have closed it
	s.mustTell()
	s.venue.fail(look, status(503, "no"), status(503, "no"))
	s.mustFail(s.closeOf("AAPL", "Idempotency-Key", "again"), problem.UpstreamFailed)
	s.ok(s.closeOf("AAPL", "Idempotency-Key", "again"))
}

func closeHeld(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.selling("open", "5")
	f := s.mustFail(s.closeOf("AAPL"), problem.OrderRejected)
	for field, want := range map[string]string{"existing_qty": "7", "available_qty": "2", "held_for_orders": "5"} {
		if n, ok := f.Details[field].(json.Number); !ok || n.String() != want {
			s.t.Errorf("%s is %v, want %s", field, f.Details[field], want)
		}
	}
	s.calls(0, 0)
	for range 2 { // final, and told again
		if f := s.mustFail(s.closeOf("AAPL", "Idempotency-Key", "held"), problem.OrderRejected); f.Details["client_order_id"] == "" {
			s.t.Errorf("details %v", f.Details)
		}
	}
	s.calls(0, 1) // a close with this key that was forgotten may hold the shares
	if n := s.redis.ZCard(s.t.Context(), store.UnsettledKey(store.Shard(s.account))).Val(); n != 0 {
		s.t.Errorf("%d intents are left", n)
	}
	s.ok(s.closeOf("AAPL?qty=2"))
}

func closeReleased(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	holding := s.selling("open", "5")
	s.venue.fail(cancel, resetAfter)
	if o := s.ok(s.closeOf("AAPL?cancel_orders=true")); o.Qty.String() != "7" {
		s.t.Fatalf("got %+v", o)
	}
	if holding.Status != alpaca.StatusCanceled || s.venue.count(cancel) != 1 {
		s.t.Errorf("the order that held it is %s after %d cancels", holding.Status, s.venue.count(cancel))
	}
}

func closeLost(s *scene, lost fault, submits int) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.venue.fail(submit, lost)
	o := s.ok(s.closeOf("AAPL"))
	if n := len(s.venue.open(keyID(s.account))); n != 1 || s.venue.accepted(keyID(s.account), o.ClientOrderID).ID != o.OrderID {
		s.t.Fatalf("%d orders", n)
	}
	s.calls(submits, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func closeUnknown(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.venue.fail(submit, resetAfter)
	s.venue.fail(lookUp, resetBefore, resetBefore)
	s.mustFail(s.closeOf("AAPL", "Idempotency-Key", "out"), problem.UpstreamTimeout)
	s.venue.hold(keyID(s.account), "AAPL", "0") // it was filled
	o := s.ok(s.closeOf("AAPL", "Idempotency-Key", "out"))
	s.calls(1, 3)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// closeUnknownThenChanged: the first submit never arrived, and the position is smaller by now.
func closeUnknownThenChanged(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.venue.fail(submit, resetBefore)
	s.venue.fail(lookUp, resetBefore, resetBefore)
	s.mustFail(s.closeOf("AAPL", "Idempotency-Key", "out"), problem.UpstreamTimeout)
	s.venue.hold(keyID(s.account), "AAPL", "3")
	if o := s.ok(s.closeOf("AAPL", "Idempotency-Key", "out")); o.Qty.String() != "3" {
		s.t.Fatalf("got %+v", o)
	}
	s.calls(2, 3)
}

func closeSwept(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.spy.cutAfter(2) // the intent and the hold
	o := s.ok(s.closeOf("AAPL", "Idempotency-Key", "out"))
	s.spy.heal()
	s.mustTell()
	s.elapse()
	s.sweep()
	s.calls(1, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func closeBeyondTheLimit(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.placed(s.place(`{}`))
	s.mustFail(s.place(`{}`), problem.RateLimitExceeded)
	s.ok(s.closeOf("AAPL"))
}

func closeWithTheReserve(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.placed(s.place(`{}`))
	s.mustFail(s.place(`{}`), problem.RateLimitExceeded)
	s.ok(s.closeOf("AAPL"))
}

func TestCloseAllPositions(t *testing.T) {
	play(t, []scenario{
		{"all", nil, closeEvery},
		{"one outcome is unknown", nil, closeEveryUnknown},
		{"a crash between two", []option{func(c *orderfn.Config) { c.IntentLease = 40 * time.Millisecond }}, closeEveryCrash},
		{"a crash, and the position is gone by the repeat", []option{func(c *orderfn.Config) { c.IntentLease = 40 * time.Millisecond }}, closeEveryGone},
		{"an order that arrives late, and fills before the repeat looks", nil, closeEveryLate},
		{"nothing to close", nil, closeNone},
	})
}

// closed wants a 200 with what became of each position.
func (s *scene) closed(r reply) map[string]orderfn.Closed {
	s.t.Helper()
	var all orderfn.ClosedAll
	if err := json.Unmarshal(r.Data, &all); err != nil || r.Status != http.StatusOK {
		s.t.Fatalf("got %s (%v)", r, err)
	}
	bySymbol := map[string]orderfn.Closed{}
	for _, c := range all.Positions {
		bySymbol[c.Symbol] = c
	}
	return bySymbol
}

func (s *scene) closeAll(query string, headers ...string) reply {
	s.t.Helper()
	return s.send(http.MethodDelete, "/api/v1/positions"+query, "", headers...)
}

func closeEvery(s *scene) {
	for symbol, qty := range map[string]string{"AAPL": "7", "MSFT": "-2", "BTCUSD": "0.5"} {
		s.venue.hold(keyID(s.account), symbol, qty)
	}
	s.selling("open", "7")
	s.mustFail(s.closeAll("?cancel_orders=perhaps"), problem.InvalidRequest)
	first := s.closeAll("", "Idempotency-Key", "flat")
	all := s.closed(first)
	if len(all) != 3 || all["AAPL"].Status != 422 || all["AAPL"].Error.Code != "ORDER_REJECTED" || all["AAPL"].Order != nil ||
		all["MSFT"].Status != 200 || all["MSFT"].Order.Side != "buy" || all["BTCUSD"].Order.Qty.String() != "0.5" {
		s.t.Fatalf("got %s", first)
	}
	s.calls(2, 1) // the refused one may have been placed, and forgotten
	if again := s.closeAll("", "Idempotency-Key", "flat"); string(again.Data) != string(first.Data) {
		s.t.Fatalf("%s, then %s", first, again)
	}
	s.mustFail(s.closeAll("?cancel_orders=true", "Idempotency-Key", "flat"), problem.IdempotencyMismatch)
	s.calls(0, 0)
	for _, symbol := range []string{"MSFT", "BTCUSD"} {
		s.venue.hold(keyID(s.account), symbol, "0")
	}
	if rest := s.closed(s.closeAll("?cancel_orders=true")); len(rest) != 1 || rest["AAPL"].Order.Qty.String() != "7" {
		s.t.Fatalf("got %+v", rest)
	}
	if n := len(s.outbox()); n != 3 {
		s.t.Errorf("%d events", n)
	}
}

func closeEveryUnknown(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.venue.fail(submit, resetAfter)
	s.venue.fail(lookUp, resetBefore, resetBefore)
	if all := s.closed(s.closeAll("", "Idempotency-Key", "flat")); all["AAPL"].Status != 504 {
		s.t.Fatalf("got %+v", all)
	}
	s.venue.heal() // whether one look-up met both faults depends on which connection it took
	second := s.closeAll("", "Idempotency-Key", "flat")
	all := s.closed(second)
	if all["AAPL"].Status != 200 || all["AAPL"].Order.Qty.String() != "7" {
		s.t.Fatalf("got %s", second)
	}
	s.venue.hold(keyID(s.account), "AAPL", "0")
	if again := s.closed(s.closeAll("", "Idempotency-Key", "flat")); again["AAPL"].Order.OrderID != all["AAPL"].Order.OrderID {
		s.t.Fatalf("got %+v", again)
	}
	if s.venue.count(submit) != 1 {
		s.t.Errorf("%d submits", s.venue.count(submit))
	}
	s.mustTell("accepted " + all["AAPL"].Order.OrderID + ":accepted")
}

// closeEveryGone: what an earlier attempt closed is not held any more; the repeat tells of it all the same.
func closeEveryGone(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.venue.hold(keyID(s.account), "BTCUSD", "0.5")
	s.spy.cutAfter(3)
	first := s.closed(s.closeAll("", "Idempotency-Key", "flat"))
	s.spy.heal()
	for symbol, closed := range first {
		if closed.Order != nil { // it filled meanwhile
			s.venue.hold(keyID(s.account), symbol, "0")
		}
	}
	s.elapse()
	second := s.closeAll("", "Idempotency-Key", "flat")
	told := s.closed(second)
	for symbol, closed := range first {
		if again := told[symbol]; closed.Order != nil && (again.Order == nil || again.Order.OrderID != closed.Order.OrderID || again.Status != 200) {
			s.t.Errorf("%s: %+v, then %+v", symbol, closed, again)
		}
	}
	if len(told) != 2 || told["AAPL"].Order == nil || told["BTCUSD"].Order == nil {
		s.t.Errorf("got %s", second)
	}
	if third := s.closeAll("", "Idempotency-Key", "flat"); string(third.Data) != string(second.Data) {
		s.t.Errorf("%s, then %s", second, third)
	}
	if s.venue.count(submit) != 2 {
		s.t.Errorf("%d submits", s.venue.count(submit))
	}
}

// closeEveryLate: the first attempt's order arrives and fills between the repeat's two readings.
func closeEveryLate(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.venue.fail(submit, status(503, "no"))
	s.venue.fail(lookUp, status(500, "no"), status(500, "no"))
	first := s.closed(s.closeAll("", "Idempotency-Key", "flat"))
	s.venue.heal()
	s.venue.memoryLost()
	id, _ := first["AAPL"].Error.Details["client_order_id"].(string)
	qty := decimal.FromInt(7)
	s.venue.fail(look, func(w http.ResponseWriter, _ *http.Request, carryOut func(http.ResponseWriter)) {
		s.venue.end(s.venue.elsewhere(keyID(s.account), alpaca.OrderRequest{
			Symbol: "AAPL", Qty: &qty, Side: "sell", Type: "market", TimeInForce: "day", PositionIntent: "sell_to_close", ClientOrderID: id,
		}), alpaca.StatusFilled)
		s.venue.hold(keyID(s.account), "AAPL", "0")
		carryOut(w)
	})
	second := s.closeAll("", "Idempotency-Key", "flat")
	if told := s.closed(second)["AAPL"]; told.Order == nil || told.Order.ClientOrderID != id {
		s.t.Errorf("got %s", second)
	}
	if third := s.closeAll("", "Idempotency-Key", "flat"); string(third.Data) != string(second.Data) {
		s.t.Errorf("%s, then %s", second, third)
	}
}

// closeEveryCrash: a process dies after it closed a position, and before it settled anything.
func closeEveryCrash(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.spy.cutAfter(3) // both intents and the hold
	first := s.closed(s.closeAll("", "Idempotency-Key", "flat"))
	s.spy.heal()
	s.elapse()
	second := s.closed(s.closeAll("", "Idempotency-Key", "flat"))
	if second["AAPL"].Order == nil || second["AAPL"].Order.OrderID != first["AAPL"].Order.OrderID {
		s.t.Fatalf("%+v, then %+v", first, second)
	}
	s.elapse()
	s.sweep()
	if s.venue.count(submit) != 1 {
		s.t.Errorf("%d submits", s.venue.count(submit))
	}
	s.mustTell("accepted " + second["AAPL"].Order.OrderID + ":accepted")
	if n := s.redis.ZCard(s.t.Context(), store.UnsettledKey(store.Shard(s.account))).Val(); n != 0 {
		s.t.Errorf("%d intents are left", n)
	}
}

func closeNone(s *scene) {
	if all := s.closed(s.closeAll("")); len(all) != 0 {
		s.t.Fatalf("got %+v", all)
	}
	s.venue.fail(look, status(500, "no"))
	s.mustFail(s.closeAll("", "Idempotency-Key", "flat"), problem.UpstreamFailed)
	s.closed(s.closeAll("", "Idempotency-Key", "flat"))
	s.mustTell()
}

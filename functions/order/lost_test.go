package order_test

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// TestLostAnswers: whatever happens to an answer, there is one order, and the caller learns the truth.
func TestLostAnswers(t *testing.T) {
	truncated := status(http.StatusOK, `{"id":"61e69015-8549-4b`)
	scenarios := []scenario{
		{"lookup fails too", nil, lookUpFailsToo},
		{"second submit is lost too", nil, secondSubmitLost},
		{"second submit is refused", nil, secondSubmitRefused},
		{"second submit is not taken now", nil, secondSubmitLimited},
		{"second submit is over the budget", []option{func(c *orderfn.Config) { c.TradingRequestsPerMinute, c.CancelReserve = 2, 0 }}, secondSubmitOverBudget},
		{"connection refused", nil, connectionRefused},
		{"a slow owner is taken over", []option{func(c *orderfn.Config) { c.IntentLease = 40 * time.Millisecond }}, slowOwner},
	}
	for name, lost := range map[string]fault{
		"reset": resetAfter, "500": statusAfter(500), "502": statusAfter(502), "504": statusAfter(504), "408": statusAfter(408),
		"answer without an ID": thenAnswer(`{}`), "truncated answer": thenAnswer(`{"id":"61e69015-8549-4b`), "redirect": statusAfter(302),
	} {
		scenarios = append(scenarios, scenario{name + " after the order was taken", nil, func(s *scene) { lostAfter(s, lost) }})
	}
	for name, lost := range map[string]fault{
		"reset": resetBefore, "500": status(500, `{"code":50010000,"message":"internal server error occurred"}`),
		"503": status(503, "Service Unavailable"), "truncated answer": truncated,
		"a proxy's 403": status(403, "<html>forbidden</html>"), "truncated 422": status(422, `{"code":4001`),
	} {
		scenarios = append(scenarios, scenario{name + " before the order was taken", nil, func(s *scene) { lostBefore(s, lost) }})
	}
	play(t, scenarios)
}

// thenAnswer does what was asked, and answers something else.
func thenAnswer(body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, carryOut func(http.ResponseWriter)) {
		carryOut(discard{})
		_, _ = w.Write([]byte(body))
	}
}

// discard takes an answer that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}

func lostAfter(s *scene, lost fault) {
	s.venue.fail(submit, lost)
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	if o.OrderID != s.venue.accepted(keyID(s.account), "mine").ID {
		s.t.Fatalf("got %s", o.OrderID)
	}
	s.calls(1, 1)
	if again := s.placed(s.place(`{"client_order_id":"mine"}`)); again.OrderID != o.OrderID {
		s.t.Fatalf("the repeat got %s", again.OrderID)
	}
	s.calls(0, 0)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func lostBefore(s *scene, lost fault) {
	s.venue.fail(submit, lost)
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	s.calls(2, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func lookUpFailsToo(s *scene) {
	for id, useless := range map[string][]fault{
		"reset":         {resetBefore, resetBefore}, // a read is repeated once
		"5xx":           {status(503, "no"), status(503, "no")},
		"a proxy's 404": {status(404, "<html>not found</html>")},
		"wrong route":   {status(404, `{"code":40410000,"message":"endpoint not found"}`)},
		"rate limited":  {status(429, `{"message":"too many requests."}`)},
	} {
		s.venue.fail(submit, resetAfter)
		s.venue.fail(lookUp, useless...)
		answer := s.place(`{"client_order_id":"` + id + `"}`)
		f := s.mustFail(answer, problem.UpstreamTimeout)
		if f.Details["outcome"] != "unknown" || f.Details["client_order_id"] != id || answer.Header.Get("Retry-After") != "1" {
			s.t.Fatalf("%s: details %v, Retry-After %q", id, f.Details, answer.Header.Get("Retry-After"))
		}
		before := len(s.outbox())
		s.forgive()
		o := s.placed(s.place(`{"client_order_id":"` + id + `"}`)) // at once: nobody holds the intent
		if o.OrderID != s.venue.accepted(keyID(s.account), id).ID || len(s.outbox()) != before+1 {
			s.t.Fatalf("%s: got %s and %d events more", id, o.OrderID, len(s.outbox())-before)
		}
		s.calls(1, len(useless)+1)
	}
	if n := s.metric("unknown"); n != 5 {
		s.t.Errorf("orders_total is %v", n)
	}
}

func secondSubmitLost(s *scene) {
	s.venue.fail(submit, resetBefore, resetAfter)
	s.mustFail(s.place(`{"client_order_id":"mine"}`), problem.UpstreamTimeout)
	s.calls(2, 1)
	s.mustTell()
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	s.calls(0, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func secondSubmitRefused(s *scene) {
	s.venue.fail(submit, resetBefore)
	s.mustFail(s.place(`{"symbol":"NOPE","client_order_id":"mine"}`), problem.InvalidSymbol)
	s.calls(2, 2)
	s.mustTell("rejected mine:rejected")
}

func secondSubmitLimited(s *scene) {
	s.venue.fail(submit, resetBefore, status(429, `{"message":"too many requests."}`))
	s.mustFail(s.place(`{"client_order_id":"mine"}`), problem.UpstreamTimeout) // the first submit may still be on its way
	if !s.intent("mine") {
		s.t.Error("the intent of an order that may exist is gone")
	}
	s.forgive()
	s.placed(s.place(`{"client_order_id":"mine"}`))
	s.calls(3, 2)
}

// secondSubmitOverBudget: the submit and the look-up took all that Alpaca allows, so that sending again would be refused.
func secondSubmitOverBudget(s *scene) {
	s.venue.fail(submit, resetBefore)
	s.mustFail(s.place(`{"client_order_id":"mine"}`), problem.UpstreamTimeout)
	s.calls(1, 1)
	if err := s.redis.Del(s.t.Context(), store.UpstreamTakenKey(s.account, alpaca.APITrading)).Err(); err != nil { // a minute later
		s.t.Fatal(err)
	}
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	s.calls(1, 1)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func connectionRefused(s *scene) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		s.t.Fatal(err)
	}
	down := start(s.t, s.redis, "http://"+address)
	answer := down.place(`{"client_order_id":"mine"}`)
	down.mustFail(answer, problem.Unavailable)
	if answer.Header.Get("Retry-After") != "1" {
		s.t.Errorf("Retry-After %q", answer.Header.Get("Retry-After"))
	}
	if (&scene{bench: down}).intent("mine") {
		s.t.Error("the intent of an order that was never sent is still there")
	}
	down.mustTell()
}

// slowOwner: an owner holds its submit for longer than its lease, a repeat takes the intent over and sends the order;
// then the first submit arrives after all.
func slowOwner(s *scene) {
	wait, arrived, release := held()
	s.venue.fail(submit, wait)
	first := make(chan reply)
	go func() { first <- s.place(`{"client_order_id":"mine"}`) }()
	<-arrived
	s.advance(s.config.IntentLease + 5*time.Millisecond)
	second := s.placed(s.place(`{"client_order_id":"mine"}`))
	close(release)
	if o := s.placed(<-first); o.OrderID != second.OrderID {
		s.t.Fatalf("two orders: %s and %s", o.OrderID, second.OrderID)
	}
	s.calls(2, 2)
	s.mustTell("accepted " + second.OrderID + ":accepted")
}

// TestRedisLosesItsMemory: Alpaca's own record of client order IDs is what is left.
func TestRedisLosesItsMemory(t *testing.T) {
	play(t, []scenario{
		{"a repeat finds the order", nil, repeatAfterLoss},
		{"a repeat is refused for what the order itself took", nil, refusedAlthoughTaken},
		{"the key with another body comes first", nil, wrongBodyAfterLoss},
		{"the key with another change comes first", nil, wrongChangeAfterLoss},
		{"the key with another close comes first", nil, wrongCloseAfterLoss},
		{"a close-all is refused for what its orders took", nil, closesRefusedAlthoughTaken},
		{"a repeat keeps the closing orders", nil, repeatKeepsItsOrders},
		{"a paused owner comes back", []option{func(c *orderfn.Config) { c.IntentLease = 40 * time.Millisecond }}, pausedOwner},
	})
}

// flush empties the shard of the scene's account.
func (s *scene) flush() {
	s.t.Helper()
	tag := store.ShardTag(store.Shard(s.account))
	nodes := func(ctx context.Context, node *redis.Client) error {
		keys, err := node.Keys(ctx, "*"+strings.NewReplacer("{", "[{]").Replace(tag)+"*").Result()
		if err != nil || len(keys) == 0 {
			return err
		}
		return node.Del(ctx, keys...).Err()
	}
	var err error
	if cluster, ok := s.redis.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(s.t.Context(), nodes)
	} else {
		err = nodes(s.t.Context(), s.redis.(*redis.Client))
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.venue.memoryLost()
}

func repeatAfterLoss(s *scene) {
	o := s.placed(s.place(`{}`, "Idempotency-Key", "k"))
	s.flush()
	if again := s.placed(s.place(`{}`, "Idempotency-Key", "k")); again.OrderID != o.OrderID {
		s.t.Fatalf("got %s, want %s", again.OrderID, o.OrderID)
	}
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// refusedAlthoughTaken: what Alpaca checks first is not documented; a repeat may be refused for want of the buying power
// that the order itself holds.
func refusedAlthoughTaken(s *scene) {
	o := s.placed(s.place(`{}`, "Idempotency-Key", "k"))
	s.flush()
	s.venue.fail(submit, status(403, `{"code":40310000,"message":"insufficient buying power","buying_power":"0","cost_basis":"187"}`))
	if again := s.placed(s.place(`{}`, "Idempotency-Key", "k")); again.OrderID != o.OrderID {
		s.t.Fatalf("got %s, want %s", again.OrderID, o.OrderID)
	}
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// wrongBodyAfterLoss: the mistaken request must not take the key away from the one whose order it is.
func wrongBodyAfterLoss(s *scene) {
	o := s.placed(s.place(`{}`, "Idempotency-Key", "k"))
	s.flush()
	s.mustFail(s.place(`{"qty":9}`, "Idempotency-Key", "k"), problem.IdempotencyMismatch)
	s.mustTell()
	s.venue.memoryLost()
	if again := s.placed(s.place(`{}`, "Idempotency-Key", "k")); again.OrderID != o.OrderID {
		s.t.Fatalf("got %s, want %s", again.OrderID, o.OrderID)
	}
	s.mustFail(s.place(`{"qty":9}`, "Idempotency-Key", "k"), problem.IdempotencyMismatch)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// wrongChangeAfterLoss: a replacement of the same order at another price is another request.
func wrongChangeAfterLoss(s *scene) {
	old := s.resting("old")
	o := s.ok(s.replace(old.ID, `{"limit_price":11}`, "Idempotency-Key", "k"))
	s.flush()
	for _, other := range []string{`{"limit_price":12}`, `{"limit_price":11,"qty":2}`, `{"limit_price":11,"time_in_force":"gtc"}`} {
		s.mustFail(s.replace(old.ID, other, "Idempotency-Key", "k"), problem.IdempotencyMismatch)
	}
	s.mustTell()
	if again := s.ok(s.replace(old.ID, `{"limit_price":11}`, "Idempotency-Key", "k")); again.OrderID != o.OrderID {
		s.t.Fatalf("got %s, want %s", again.OrderID, o.OrderID)
	}
	s.changes(1, 4)
}

// wrongCloseAfterLoss: neither a close of another quantity nor an order to buy is the close that was asked for.
func wrongCloseAfterLoss(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	bought := s.placed(s.place(`{"type":"market","position_intent":"buy_to_open"}`, "Idempotency-Key", "bought"))
	o := s.ok(s.closeOf("AAPL?qty=2", "Idempotency-Key", "k"))
	s.flush()
	s.mustFail(s.closeOf("AAPL?qty=3", "Idempotency-Key", "k"), problem.IdempotencyMismatch)
	s.venue.memoryLost()
	s.mustFail(s.closeOf("AAPL", "Idempotency-Key", "bought"), problem.IdempotencyMismatch)
	s.venue.memoryLost()
	if again := s.ok(s.closeOf("AAPL?qty=2", "Idempotency-Key", "k")); again.OrderID != o.OrderID {
		s.t.Fatalf("got %s, want %s", again.OrderID, o.OrderID)
	}
	if again := s.placed(s.place(`{"type":"market","position_intent":"buy_to_open"}`, "Idempotency-Key", "bought")); again.OrderID != bought.OrderID {
		s.t.Fatalf("got %s, want %s", again.OrderID, bought.OrderID)
	}
}

// closesRefusedAlthoughTaken: the orders of a close-all hold the shares that its repeat is refused for.
func closesRefusedAlthoughTaken(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	first := s.closed(s.closeAll("", "Idempotency-Key", "flat"))
	for _, refusal := range []fault{
		status(403, `{"code":40310000,"message":"insufficient qty available for order (requested: 7, available: 0)","available":"0","existing_qty":"7"}`),
		nil, // what the position says of itself is enough
	} {
		s.flush()
		if refusal != nil {
			s.venue.fail(submit, refusal)
		}
		again := s.closed(s.closeAll("", "Idempotency-Key", "flat"))
		if again["AAPL"].Order == nil || again["AAPL"].Order.OrderID != first["AAPL"].Order.OrderID {
			s.t.Fatalf("%+v, then %+v", first, again)
		}
		s.venue.heal()
	}
}

// repeatKeepsItsOrders: cancel_orders cancels what is in the way of a close, never the close itself.
func repeatKeepsItsOrders(s *scene) {
	s.venue.hold(keyID(s.account), "AAPL", "7")
	s.venue.hold(keyID(s.account), "BTCUSD", "0.5")
	all := s.closed(s.closeAll("?cancel_orders=true", "Idempotency-Key", "flat"))
	s.venue.hold(keyID(s.account), "MSFT", "3")
	one := s.ok(s.closeOf("MSFT?cancel_orders=true", "Idempotency-Key", "one"))
	s.flush()
	if again := s.ok(s.closeOf("MSFT?cancel_orders=true", "Idempotency-Key", "one")); again.OrderID != one.OrderID || again.Status == alpaca.StatusCanceled {
		s.t.Errorf("%+v, then %+v", one, again)
	}
	s.venue.hold(keyID(s.account), "MSFT", "0")
	s.venue.end(s.venue.accepted(keyID(s.account), one.ClientOrderID), alpaca.StatusFilled)
	again := s.closed(s.closeAll("?cancel_orders=true", "Idempotency-Key", "flat"))
	for _, symbol := range []string{"AAPL", "BTCUSD"} {
		o := again[symbol].Order
		if o == nil || o.OrderID != all[symbol].Order.OrderID || o.Status == alpaca.StatusCanceled {
			s.t.Errorf("%s: %+v, then %+v", symbol, all[symbol].Order, again[symbol])
		}
	}
}

// pausedOwner: an owner that was paused between the look-up and the second submit must not send it when it comes back.
func pausedOwner(s *scene) {
	wait, arrived, release := held()
	s.venue.fail(submit, resetBefore)
	s.venue.fail(lookUp, wait)
	first := make(chan reply)
	go func() { first <- s.place(`{"client_order_id":"mine"}`) }()
	<-arrived
	s.elapse()
	s.sweep() // Alpaca has no such order
	close(release)
	s.mustFail(<-first, problem.UpstreamTimeout)
	s.calls(1, 2)
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// TestTimeout: Alpaca takes the order and never says so.
func TestTimeout(t *testing.T) {
	t.Parallel()
	client, _ := storetest.Embedded(t)
	v := startVenue(t)
	b := start(t, client, v.server.URL, func(c *orderfn.Config) { c.UpstreamTimeout = 500 * time.Millisecond })
	v.fail(submit, hangAfter)
	o := b.placed(b.place(`{"client_order_id":"mine"}`))
	if o.OrderID != v.accepted(keyID(b.account), "mine").ID || v.count(submit) != 1 {
		t.Fatalf("%s after %d submits", o.OrderID, v.count(submit))
	}
	b.mustTell("accepted " + o.OrderID + ":accepted")
}

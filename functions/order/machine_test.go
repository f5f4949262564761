package order_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// TestAnyHistory: orders, repeats, crashes, faults of Alpaca and sweeps in any order. For each client order ID there is
// at most one order (the venue refuses a second as Alpaca does, and fails the test when one is sent without a
// look-up), no answer contradicts the venue, and when all is quiet each order was told by exactly one event.
func TestAnyHistory(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *orderfn.Config) { c.IntentLease = 10 * time.Second })
	run := 0
	rapid.Check(t, func(rt *rapid.T) {
		run++
		h := &history{scene: s, rt: rt, run: run, orders: map[string]*known{}}
		h.begin()
		rt.Repeat(map[string]func(*rapid.T){
			"place":     func(rt *rapid.T) { h.rt = rt; h.place(false) },
			"crash":     func(rt *rapid.T) { h.rt = rt; h.place(true) },
			"elsewhere": func(rt *rapid.T) { h.rt = rt; h.orderElsewhere() },
			"time":      func(*rapid.T) { h.elapse(); h.leased = false },
			"sweep":     func(rt *rapid.T) { h.rt = rt; h.sweepWithFaults() },
			"":          func(*rapid.T) {},
		})
		h.end()
	})
}

// history is one run of the machine and what it knows.
type history struct {
	*scene
	rt     *rapid.T
	run    int
	orders map[string]*known
	// leased: a crash left an intent with a lease that did not run out yet.
	leased bool
}

// known is what is known of one client order ID.
type known struct {
	asked   map[string]bool // the bodies that were sent with it
	orderID string          // of the first 201
	refused bool            // a refusal was settled
	foreign bool            // an order with this ID was made elsewhere
}

func (h *history) begin() {
	h.spy.heal()
	h.venue.heal()
	h.loseEverything() // what a failed run left must not fail the next one
}

// pick draws a client order ID of this run.
func (h *history) pick() (string, *known) {
	id := fmt.Sprintf("run%d-%s", h.run, rapid.SampledFrom([]string{"a", "b", "c"}).Draw(h.rt, "id"))
	if h.orders[id] == nil {
		h.orders[id] = &known{asked: map[string]bool{}}
	}
	return id, h.orders[id]
}

// wrongs arms up to two faults for a kind of call and reports whether there are any.
func (h *history) wrongs(kind string, faults map[string]fault) bool {
	names := append([]string{"none", "none", "none"}, slices.Sorted(maps.Keys(faults))...)
	armed := false
	for range 2 {
		name := rapid.SampledFrom(names).Draw(h.rt, kind)
		if faults[name] == nil {
			break
		}
		h.venue.fail(kind, faults[name])
		armed = true
	}
	return armed
}

func submitFaults() map[string]fault {
	return map[string]fault{
		"reset before": resetBefore, "reset after": resetAfter, "503": status(503, "no"), "502 after": statusAfter(502),
		"429": status(429, `{"message":"too many requests."}`), "cut short": thenAnswer(`{"id":`),
	}
}

func lookUpFaults() map[string]fault {
	return map[string]fault{ // no 503: the client waits before it repeats a read
		"reset": resetBefore, "429": status(429, `{"message":"too many requests."}`), "a proxy's 404": status(404, "<html>"),
	}
}

func (h *history) place(crash bool) {
	id, k := h.pick()
	body := rapid.SampledFrom([]string{`{}`, `{"qty":2}`, `{"symbol":"NOPE"}`}).Draw(h.rt, "body")
	faulty := h.wrongs(submit, submitFaults())
	faulty = h.wrongs(lookUp, lookUpFaults()) || faulty
	if crash {
		h.spy.cutAfter(rapid.IntRange(0, 3).Draw(h.rt, "commands before the crash"))
	}
	answer := h.scene.place(with(h.t, body, `{"client_order_id":"`+id+`"}`))
	h.spy.heal()
	h.venue.heal()
	h.forgive()
	h.leased = h.leased || crash
	k.asked[body] = true
	h.judge(id, k, body, answer, crash, faulty)
}

// judge compares an answer with what the venue has and with former answers.
func (h *history) judge(id string, k *known, body string, answer reply, crash, faulty bool) {
	upstream := h.venue.accepted(keyID(h.account), id)
	code := answer.failure().Code
	switch {
	case answer.Status == http.StatusCreated:
		var o order.Order
		if err := json.Unmarshal(answer.Data, &o); err != nil || upstream == nil || o.OrderID != upstream.ID {
			h.rt.Fatalf("%s: %s, but the venue has %+v", id, answer, upstream)
		}
		wantQty := map[string]string{`{}`: "1", `{"qty":2}`: "2"}[body]
		if o.Qty.String() != wantQty || o.Symbol != "AAPL" || k.refused || k.orderID != "" && k.orderID != o.OrderID {
			h.rt.Fatalf("%s %s: got %s, after %+v", id, body, answer, *k)
		}
		k.orderID = o.OrderID
	case code == "INVALID_SYMBOL":
		if !strings.Contains(body, "NOPE") || upstream != nil && !k.foreign || k.orderID != "" {
			h.rt.Fatalf("%s %s: got %s, but the venue has %+v", id, body, answer, upstream)
		}
		k.refused = k.refused || !crash
	case answer.Status == http.StatusUnprocessableEntity && code == "IDEMPOTENCY_CONFLICT":
		if len(k.asked) < 2 && !k.foreign {
			h.rt.Fatalf("%s: %s, but nothing else was asked for", id, answer)
		}
	case answer.Status == http.StatusConflict:
		if !h.leased {
			h.rt.Fatalf("%s: %s, but nobody is at work", id, answer)
		}
	case !crash && !faulty:
		h.rt.Fatalf("%s %s: %s, but nothing is wrong", id, body, answer)
	case answer.Status != http.StatusServiceUnavailable && answer.Status != http.StatusGatewayTimeout && answer.Status != http.StatusTooManyRequests:
		h.rt.Fatalf("%s %s: %s", id, body, answer)
	}
}

func (h *history) orderElsewhere() {
	id, k := h.pick()
	if h.venue.accepted(keyID(h.account), id) != nil {
		return
	}
	qty := decimal.FromInt(rapid.Int64Range(1, 3).Draw(h.rt, "qty"))
	h.venue.elsewhere(keyID(h.account), alpaca.OrderRequest{
		Symbol: "AAPL", Qty: &qty, Side: "buy", Type: "market", TimeInForce: "day", ClientOrderID: id,
	})
	k.foreign = true
}

func (h *history) sweepWithFaults() {
	faulty := h.wrongs(lookUp, lookUpFaults())
	err := h.function.Sweep(h.t.Context())
	h.venue.heal()
	if err != nil && !faulty {
		h.rt.Fatalf("sweep: %v", err)
	}
}

// end lets everything come to rest and compares the outbox with the venue.
func (h *history) end() {
	h.elapse()
	if err := h.function.Sweep(h.t.Context()); err != nil {
		h.rt.Fatalf("sweep: %v", err)
	}
	accepted, rejected := map[string]int{}, map[string]int{}
	for _, e := range h.outbox() {
		if e.Type() == event.TypeOrderAccepted {
			accepted[e.changed.ClientOrderID+" "+e.changed.OrderID]++
		} else {
			rejected[e.changed.ClientOrderID]++
		}
	}
	for id, k := range h.orders {
		upstream := h.venue.accepted(keyID(h.account), id)
		told := 0
		if upstream != nil {
			told = accepted[id+" "+upstream.ID]
			delete(accepted, id+" "+upstream.ID)
		}
		if told > 1 || upstream != nil && !k.foreign && told == 0 || rejected[id] > 1 {
			h.rt.Fatalf("%s: %d accepted and %d rejected events, the venue has %+v", id, told, rejected[id], upstream)
		}
	}
	unsettled, err := h.redis.ZCard(h.t.Context(), store.UnsettledKey(store.Shard(h.account))).Result()
	if err != nil || unsettled != 0 || len(accepted) != 0 {
		h.rt.Fatalf("%d intents are left (%v), events of orders that the venue does not have: %v", unsettled, err, accepted)
	}
}

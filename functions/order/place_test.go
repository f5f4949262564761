package order_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// scene is what a scenario has: a bench, the venue that is its Alpaca, and the server's time.
type scene struct {
	*bench
	venue   *venue
	advance func(time.Duration)
}

type scenario struct {
	name    string
	options []option
	run     func(*scene)
}

// play runs the scenarios on each kind of Redis.
func play(t *testing.T, scenarios []scenario) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, advance func(time.Duration)) {
		v := startVenue(t)
		for _, s := range scenarios {
			t.Run(s.name, func(t *testing.T) {
				v.heal()
				v.forgetCalls()
				s.run(&scene{bench: start(t, client, v.server.URL, s.options...), venue: v, advance: advance})
			})
		}
	})
}

// calls wants so many submits and look-ups since the last time it was asked.
func (s *scene) calls(submits, lookUps int) {
	s.t.Helper()
	if a, b := s.venue.count(submit), s.venue.count(lookUp); a != submits || b != lookUps {
		s.t.Fatalf("%d submits and %d look-ups, want %d and %d", a, b, submits, lookUps)
	}
	s.venue.forgetCalls()
}

// remaining is how much of the order limit an answer says is left.
func (s *scene) remaining(r reply) int {
	s.t.Helper()
	n, err := strconv.Atoi(r.Header.Get("X-Ratelimit-Remaining"))
	if err != nil {
		s.t.Fatalf("headers %v: %v", r.Header, err)
	}
	return n
}

// forgive lets the time pass for which a 429 keeps an account from Alpaca.
func (b *bench) forgive() {
	b.t.Helper()
	if err := b.redis.Del(b.t.Context(), store.UpstreamSaidKey(b.account, alpaca.APITrading)).Err(); err != nil {
		b.t.Fatal(err)
	}
}

// intent reports whether the account's intent with this client order ID is still there.
func (s *scene) intent(clientOrderID string) bool {
	s.t.Helper()
	n, err := s.redis.Exists(s.t.Context(), store.IntentKey(s.account, clientOrderID)).Result()
	if err != nil {
		s.t.Fatal(err)
	}
	return n == 1
}

func TestPlace(t *testing.T) {
	play(t, []scenario{
		{"success", nil, placeSuccess},
		{"repeat with a key", nil, repeatWithKey},
		{"repeat with a client order ID", nil, repeatWithClientOrderID},
		{"another body", nil, anotherBody},
		{"in progress", nil, inProgress},
		{"a client that hangs up", nil, clientHangsUp},
		{"refused", nil, refused},
		{"insufficient funds", nil, insufficientFunds},
		{"Alpaca's rate limit", nil, upstreamRateLimit},
		{"used elsewhere", nil, usedElsewhere},
		{"order limit", []option{func(c *orderfn.Config) { c.OrdersPerMinute = 2 }}, orderLimit},
		{"what Alpaca allows", []option{func(c *orderfn.Config) { c.TradingRequestsPerMinute, c.CancelReserve = 5, 2 }}, upstreamLimit},
		{"round trips", nil, roundTrips},
	})
}

func placeSuccess(s *scene) {
	answer := s.place(`{"symbol":"aapl","qty":"2.0","type":"limit","limit_price":187.50,"client_order_id":"mine"}`)
	o := s.placed(answer)
	if o.ClientOrderID != "mine" || o.Symbol != "AAPL" || o.Qty.String() != "2" || o.LimitPrice.String() != "187.5" || o.TimeInForce != "day" {
		s.t.Fatalf("got %+v", o)
	}
	if !strings.Contains(string(answer.Data), `"limit_price":187.5,`) {
		s.t.Fatalf("%s: a price is not a plain number", answer.Data)
	}
	if h := answer.Header; h.Get("X-Ratelimit-Limit") != "1000" || h.Get("X-Ratelimit-Remaining") != "999" || h.Get("X-Request-Id") == "" {
		s.t.Fatalf("headers %v", h)
	}
	upstream := s.venue.accepted(keyID(s.account), "mine")
	if upstream == nil || upstream.ID != o.OrderID {
		s.t.Fatalf("Alpaca has %+v", upstream)
	}
	s.calls(1, 0)
	s.mustTell("accepted " + o.OrderID + ":accepted")
	e := s.outbox()[0]
	if e.Subject() != s.account || e.changed.OrderID != o.OrderID || e.changed.ClientOrderID != "mine" ||
		event.Extension(e.Event, event.ExtensionCausationID) != answer.Header.Get("X-Request-Id") {
		s.t.Fatalf("event %+v", e)
	}
	if n := s.metric("accepted"); n != 1 {
		s.t.Errorf("orders_total is %v", n)
	}
}

func repeatWithKey(s *scene) {
	first := s.place(`{}`, "Idempotency-Key", "key-1")
	second := s.place(`{"qty":"1.0"}`, "Idempotency-Key", "key-1")
	if o := s.placed(first); string(first.Data) != string(second.Data) || second.Status != http.StatusCreated {
		s.t.Fatalf("%s, then %s", first, second)
	} else if !strings.HasPrefix(o.ClientOrderID, orderfn.FromKey) {
		s.t.Fatalf("client order ID %s", o.ClientOrderID)
	}
	if s.remaining(second) < s.remaining(first) {
		s.t.Errorf("a repeat was charged: %v", second.Header)
	}
	s.calls(1, 0)
	if n := len(s.outbox()); n != 1 {
		s.t.Fatalf("%d events", n)
	}
	if third := s.placed(s.place(`{}`, "Idempotency-Key", "key-2")); third.OrderID == s.placed(first).OrderID {
		s.t.Fatal("another key is the same order")
	}
	s.calls(1, 0)
}

func repeatWithClientOrderID(s *scene) {
	first, second := s.place(`{"client_order_id":"a b"}`), s.place(`{"client_order_id":"a b"}`)
	if s.placed(first).OrderID != s.placed(second).OrderID || string(first.Data) != string(second.Data) {
		s.t.Fatalf("%s, then %s", first, second)
	}
	s.calls(1, 0)
}

func anotherBody(s *scene) {
	s.placed(s.place(`{}`, "Idempotency-Key", "key-1"))
	f := s.mustFail(s.place(`{"qty":2}`, "Idempotency-Key", "key-1"), problem.IdempotencyMismatch)
	if f.Details["client_order_id"] == "" {
		s.t.Errorf("details %v", f.Details)
	}
	s.mustFail(s.place(`{"client_order_id":"other"}`, "Idempotency-Key", "key-1"), problem.IdempotencyMismatch)
	s.placed(s.place(`{"client_order_id":"mine"}`))
	s.mustFail(s.place(`{"client_order_id":"mine","side":"sell"}`), problem.IdempotencyMismatch)
	s.calls(2, 0)
	if n := len(s.outbox()); n != 2 {
		s.t.Fatalf("%d events", n)
	}
}

func inProgress(s *scene) {
	wait, arrived, release := held()
	s.venue.fail(submit, wait)
	first := make(chan reply)
	go func() { first <- s.place(`{}`, "Idempotency-Key", "key-1") }()
	<-arrived
	second := s.place(`{}`, "Idempotency-Key", "key-1")
	s.mustFail(second, problem.IdempotencyInProgress)
	if second.Header.Get("Retry-After") != "1" {
		s.t.Errorf("Retry-After %q", second.Header.Get("Retry-After"))
	}
	close(release)
	o := s.placed(<-first)
	if again := s.placed(s.place(`{}`, "Idempotency-Key", "key-1")); again.OrderID != o.OrderID {
		s.t.Fatalf("%s, then %s", o.OrderID, again.OrderID)
	}
	s.calls(1, 0)
}

func clientHangsUp(s *scene) {
	wait, arrived, release := held()
	s.venue.fail(submit, wait)
	hangUp := s.background(`{"client_order_id":"mine"}`)
	<-arrived
	hungUp := hangUp()
	close(release)
	<-hungUp
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	s.calls(1, 0)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

func refused(s *scene) {
	first := s.place(`{"symbol":"NOPE","client_order_id":"bad"}`)
	f := s.mustFail(first, problem.InvalidSymbol)
	if f.Details["field"] != "symbol" || f.Details["client_order_id"] != "bad" {
		s.t.Errorf("details %v", f.Details)
	}
	second := s.place(`{"symbol":"NOPE","client_order_id":"bad"}`)
	if second.Status != first.Status || string(second.Error) != string(first.Error) {
		s.t.Fatalf("%s, then %s", first, second)
	}
	s.calls(1, 1)
	s.mustTell("rejected bad:rejected")
	if e := s.outbox()[0]; e.changed.Reason == nil || e.changed.Reason.Code != "INVALID_SYMBOL" || e.changed.Status != alpaca.StatusRejected {
		s.t.Fatalf("event %+v", e)
	}
	if n := s.metric("rejected"); n != 1 {
		s.t.Errorf("orders_total is %v", n)
	}
}

func insufficientFunds(s *scene) {
	first := s.place(`{"qty":1000001,"client_order_id":"big"}`)
	f := s.mustFail(first, problem.InsufficientFunds)
	for name, want := range map[string]string{
		"required_buying_power": "187000000", "available_buying_power": "200000.12345678901234", "alpaca_code": "40310000",
	} {
		if got, ok := f.Details[name].(interface{ String() string }); !ok || got.String() != want {
			s.t.Errorf("%s is %v, want %s", name, f.Details[name], want)
		}
	}
	// Also the remembered answer holds the amounts to the last digit.
	if second := s.place(`{"qty":1000001,"client_order_id":"big"}`); string(second.Error) != string(first.Error) {
		s.t.Fatalf("%s, then %s", first, second)
	}
	s.calls(1, 1)
	s.mustTell("rejected big:rejected")
}

func upstreamRateLimit(s *scene) {
	s.venue.fail(submit, status(http.StatusTooManyRequests, `{"message":"too many requests."}`))
	answer := s.place(`{"client_order_id":"mine"}`)
	s.mustFail(answer, problem.RateLimitExceeded)
	if answer.Header.Get("Retry-After") == "" || s.intent("mine") {
		s.t.Fatalf("Retry-After %q, intent kept: %v", answer.Header.Get("Retry-After"), s.intent("mine"))
	}
	s.mustTell()
	s.forgive()
	o := s.placed(s.place(`{"client_order_id":"mine"}`))
	s.calls(2, 0)
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// usedElsewhere: the account's owner used the same client order ID in Alpaca's own dashboard.
func usedElsewhere(s *scene) {
	one, price := decimal.FromInt(1), decimal.MustParse("187.5")
	base := alpaca.OrderRequest{Symbol: "AAPL", Qty: &one, Side: "buy", Type: "limit", TimeInForce: "day", LimitPrice: &price}
	const ours = `{"type":"limit","limit_price":187.5,"client_order_id":`
	made := func(id string, change func(*alpaca.OrderRequest)) *alpaca.Order {
		request := base
		request.ClientOrderID = id
		change(&request)
		return s.venue.elsewhere(keyID(s.account), request)
	}
	same := made("same", func(*alpaca.OrderRequest) {})
	if o := s.placed(s.place(ours + `"same"}`)); o.OrderID != same.ID {
		s.t.Fatalf("got %s, want %s", o.OrderID, same.ID)
	}
	two, cheaper := decimal.FromInt(2), decimal.MustParse("187.49")
	for id, change := range map[string]func(*alpaca.OrderRequest){
		"symbol":   func(r *alpaca.OrderRequest) { r.Symbol = "MSFT" },
		"side":     func(r *alpaca.OrderRequest) { r.Side = "sell" },
		"type":     func(r *alpaca.OrderRequest) { r.Type, r.LimitPrice = "market", nil },
		"qty":      func(r *alpaca.OrderRequest) { r.Qty = &two },
		"notional": func(r *alpaca.OrderRequest) { r.Qty, r.Notional = nil, &two },
		"limit":    func(r *alpaca.OrderRequest) { r.LimitPrice = &cheaper },
		"time":     func(r *alpaca.OrderRequest) { r.TimeInForce = "gtc" },
	} {
		other := made(id, change)
		for range 2 { // the refusal leaves nothing behind: it is found out again
			f := s.mustFail(s.place(ours+`"`+id+`"}`), problem.IdempotencyMismatch)
			if f.Details["order_id"] != other.ID {
				s.t.Errorf("%s: details %v", id, f.Details)
			}
		}
	}
}

func orderLimit(s *scene) {
	s.placed(s.place(`{}`))
	s.placed(s.place(`{}`))
	upstream := s.redis.LLen(s.t.Context(), store.UpstreamTakenKey(s.account, alpaca.APITrading)).Val()
	answer := s.place(`{"client_order_id":"third"}`)
	f := s.mustFail(answer, problem.RateLimitExceeded)
	if f.Details["limit"] != "orders" || answer.Header.Get("Retry-After") == "" {
		s.t.Errorf("details %v, headers %v", f.Details, answer.Header)
	}
	if h := answer.Header; h.Get("X-Ratelimit-Limit") != "2" || h.Get("X-Ratelimit-Remaining") != "0" || h.Get("X-Ratelimit-Reset") == "" {
		s.t.Errorf("headers %v", h)
	}
	if after := s.redis.LLen(s.t.Context(), store.UpstreamTakenKey(s.account, alpaca.APITrading)).Val(); after != upstream || upstream == 0 {
		s.t.Errorf("the upstream requests went from %d to %d", upstream, after)
	}
	if s.intent("third") {
		s.t.Error("a refused order left its intent")
	}
	s.calls(2, 0)
	if n := s.metric("limited"); n != 1 {
		s.t.Errorf("orders_total is %v", n)
	}
}

func upstreamLimit(s *scene) {
	var last reply
	for range 3 {
		last = s.place(`{}`)
		s.placed(last)
	}
	answer := s.place(`{"client_order_id":"fourth"}`)
	if f := s.mustFail(answer, problem.RateLimitExceeded); f.Details["limit"] != "alpaca" {
		s.t.Errorf("details %v", f.Details)
	}
	if a, b := s.remaining(last), s.remaining(answer); b < a {
		s.t.Errorf("the order bucket went from %d to %d", a, b)
	}
	if s.intent("fourth") {
		s.t.Error("a refused order left its intent")
	}
	s.calls(3, 0)
	// What is reserved for cancels is still there.
	if canceled := s.send(http.MethodDelete, "/api/v1/orders/"+s.placed(last).OrderID, ""); canceled.Status != http.StatusOK {
		s.t.Fatalf("cancel: %s", canceled)
	}
}

func roundTrips(s *scene) {
	s.placed(s.place(`{}`)) // scripts are loaded and the token is known now
	s.spy.reset()
	s.spy.on(s.function.Redis)
	s.venue.forgetCalls()
	s.placed(s.place(`{}`))
	if seen := s.spy.seen(); strings.Join(seen, " ") != "evalsha evalsha" {
		s.t.Fatalf("%q, want two scripts", seen)
	}
	s.calls(1, 0)
	s.spy.reset()
	s.placed(s.place(`{}`, "Idempotency-Key", "key"))
	s.placed(s.place(`{}`, "Idempotency-Key", "key"))
	if seen := s.spy.seen(); len(seen) != 3 {
		s.t.Fatalf("%q, want three: a repeat costs one", seen)
	}
}

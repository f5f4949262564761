package order_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/golang-jwt/jwt/v5"
	"github.com/redis/go-redis/v9"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

const producer = "/bots/one"

// proofBy signs with the account's own Alpaca secret, as producers outside do.
func (b *bench) proofBy(account, secret string, permissions ...auth.Permission) event.Prover {
	return func(id, eventType string, data []byte) (string, error) {
		return auth.SignProofWithSecret(account, secret, permissions, id, eventType, data, time.Minute, b.clock)
	}
}

// ourProof signs with a token key, as our own producers do.
func (b *bench) ourProof(account string, permissions ...auth.Permission) event.Prover {
	return func(id, eventType string, data []byte) (string, error) {
		return b.issuer().SignProof(account, permissions, id, eventType, data, time.Minute)
	}
}

func (b *bench) genuine() event.Prover {
	return b.proofBy(b.account, secretKey(b.account), auth.PermissionTrade)
}

// command makes an event with the data given as JSON.
func (b *bench) command(eventType, id, data string, prove event.Prover, options ...event.Option) event.Event {
	b.t.Helper()
	options = append(options, event.WithID(id))
	if prove != nil {
		options = append(options, event.WithProof(prove))
	}
	e, err := event.Builder{Clock: b.clock}.New(eventType, producer, b.account, json.RawMessage(data), options...)
	if err != nil {
		b.t.Fatal(err)
	}
	return e
}

// requested is the command to place market with changes.
func (b *bench) requested(id, changes string, prove event.Prover, options ...event.Option) event.Event {
	b.t.Helper()
	return b.command(event.TypeOrderRequested, id, `{"account_id":"`+b.account+`","order":`+with(b.t, market, changes)+`}`, prove, options...)
}

func (b *bench) cancelRequested(id, which string) event.Event {
	b.t.Helper()
	return b.command(event.TypeOrderCancelRequested, id, `{"account_id":"`+b.account+`",`+which+`}`, b.genuine())
}

// deliver posts the event as a broker does and returns the answer's status.
func (b *bench) deliver(e event.Event) *httptest.ResponseRecorder {
	b.t.Helper()
	request := httptest.NewRequestWithContext(b.t.Context(), http.MethodPost, "/events", http.NoBody)
	if err := cehttp.WriteRequest(binding.WithForceBinary(b.t.Context()), binding.ToMessage(&e), request); err != nil {
		b.t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	b.function.ServeHTTP(recorder, request)
	return recorder
}

// mustAnswer delivers the event and wants this status, and text in the body.
func (b *bench) mustAnswer(e event.Event, status int, text string) {
	b.t.Helper()
	if got := b.deliver(e); got.Code != status || !strings.Contains(got.Body.String(), text) {
		b.t.Fatalf("%s: %d %s, want %d %s", e.ID(), got.Code, got.Body, status, text)
	}
}

func TestProofs(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	trade := auth.PermissionTrade
	other := secretKey(s.other)
	for _, c := range []struct {
		name   string
		prove  event.Prover
		status int
	}{
		{"missing", nil, 400},
		{"garbage", func(string, string, []byte) (string, error) { return "a.b.c", nil }, 400},
		{"wrong secret", s.proofBy(s.account, "wrong", trade), 400},
		{"another account's secret for this account", s.proofBy(s.account, other, trade), 400},
		{"another account's own proof", s.proofBy(s.other, other, trade), 400},
		{"our proof for another account", s.ourProof(s.other, trade), 400},
		{"unknown account", s.proofBy("nobody", "x", trade), 400},
		{"without the permission to trade", s.proofBy(s.account, secretKey(s.account), auth.PermissionAccountRead), 400},
		{"our proof without it", s.ourProof(s.account, auth.PermissionMarketData, auth.PermissionAccountRead), 400},
		{"for another event", func(_, eventType string, data []byte) (string, error) { return s.genuine()("other", eventType, data) }, 400},
		{"for another type", func(id, _ string, data []byte) (string, error) {
			return s.genuine()(id, event.TypeOrderCancelRequested, data)
		}, 400},
		{"for other data", func(id, eventType string, _ []byte) (string, error) { return s.genuine()(id, eventType, []byte(`{}`)) }, 400},
		{"admin by the account's secret", s.adminBySecret, 400},
		{"an API token", func(string, string, []byte) (string, error) { return s.token, nil }, 400},
		{"the account's secret", s.genuine(), 202},
		{"our own", s.ourProof(s.account, trade), 202},
		{"our own with admin", s.ourProof(s.other, auth.PermissionAdmin), 202},
	} {
		before := len(s.venue.open(keyID(s.account)))
		s.mustAnswer(s.requested(c.name, `{}`, c.prove), c.status, "")
		if made := len(s.venue.open(keyID(s.account))) - before; made != c.status/200%2 {
			t.Fatalf("%s: %d orders", c.name, made)
		}
	}
	if n := len(s.venue.open(keyID(s.other))); n != 0 {
		t.Errorf("the other account has %d orders", n)
	}
}

// adminBySecret makes what auth refuses to sign: a proof of the account's own that claims to be an administrator's.
func (s *scene) adminBySecret(id, eventType string, data []byte) (string, error) {
	digest := sha256.Sum256(data)
	token := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"account_id": s.account, "permissions": []string{"trade", "admin"}, "ce_id": id, "ce_type": eventType,
		"data_sha256": hex.EncodeToString(digest[:]), "exp": s.clock.Now().Add(time.Minute).Unix(),
	})
	return token.SignedString([]byte(secretKey(s.account)))
}

func TestProofExpires(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	e := s.requested("late", `{}`, s.genuine())
	s.clock.Advance(time.Minute)
	s.mustAnswer(e, http.StatusBadRequest, "INVALID_TOKEN")
	if n := len(s.venue.open(keyID(s.account))); n != 0 {
		t.Errorf("%d orders", n)
	}
}

func TestTamperedCommand(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	e := s.requested("tampered", `{}`, s.genuine())
	if err := e.SetData(cloudevents.ApplicationJSON, []byte(strings.Replace(string(e.Data()), `"qty":1`, `"qty":9`, 1))); err != nil {
		t.Fatal(err)
	}
	s.mustAnswer(e, http.StatusBadRequest, "INVALID_TOKEN")
	s.calls(0, 0)
}

// TestOrderCommand: a command is one order, however often it is delivered and whatever the broker forgets.
func TestOrderCommand(t *testing.T) {
	play(t, []scenario{{"delivered twice", nil, func(s *scene) {
		e := s.requested("command-1", `{}`, s.genuine())
		s.mustAnswer(e, http.StatusAccepted, "")
		s.mustAnswer(e, http.StatusAccepted, "")
		ids := s.venue.open(keyID(s.account))
		if len(ids) != 1 || !strings.HasPrefix(ids[0], orderfn.FromEvent) {
			s.t.Fatalf("orders %v", ids)
		}
		s.calls(1, 0)
		s.mustTell("accepted " + s.venue.accepted(keyID(s.account), ids[0]).ID + ":accepted")
		if got := event.Extension(s.outbox()[0].Event, event.ExtensionCausationID); got != "command-1" {
			s.t.Errorf("causationid %q", got)
		}
	}}, {"delivered again when all of Redis is lost", nil, func(s *scene) {
		e := s.requested("command-2", `{}`, s.genuine())
		s.mustAnswer(e, http.StatusAccepted, "")
		s.loseEverything()
		s.mustAnswer(e, http.StatusAccepted, "")
		if ids := s.venue.open(keyID(s.account)); len(ids) != 1 {
			s.t.Fatalf("orders %v", ids)
		}
	}}, {"the same ID with other data", nil, func(s *scene) {
		s.mustAnswer(s.requested("command-3", `{}`, s.genuine()), http.StatusAccepted, "")
		s.mustAnswer(s.requested("command-3", `{"qty":2}`, s.genuine()), http.StatusBadRequest, "IDEMPOTENCY_CONFLICT")
		s.calls(1, 0)
	}}, {"with a client order ID", nil, func(s *scene) {
		s.mustAnswer(s.requested("command-4", `{"client_order_id":"mine"}`, s.genuine()), http.StatusAccepted, "")
		s.mustAnswer(s.requested("command-5", `{"client_order_id":"mine"}`, s.genuine()), http.StatusAccepted, "") // another event, the same order
		s.calls(1, 0)
	}}, {"lost answers", nil, func(s *scene) {
		s.venue.fail(submit, resetAfter)
		s.venue.fail(lookUp, resetBefore, resetBefore)
		e := s.requested("command-6", `{}`, s.genuine())
		s.mustAnswer(e, http.StatusServiceUnavailable, "UPSTREAM_UNAVAILABLE")
		s.mustAnswer(e, http.StatusAccepted, "")
		s.calls(1, 3)
		if n := len(s.outbox()); n != 1 {
			s.t.Fatalf("%d events", n)
		}
	}}})
}

// loseEverything empties what the account has in Redis, as a Redis that was replaced.
func (s *scene) loseEverything() {
	s.t.Helper()
	s.venue.memoryLost()
	flush := func(ctx context.Context, node *redis.Client) error { return node.FlushAll(ctx).Err() }
	var err error
	if cluster, ok := s.redis.(*redis.ClusterClient); ok {
		err = cluster.ForEachMaster(s.t.Context(), flush)
	} else {
		err = flush(s.t.Context(), s.redis.(*redis.Client))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// TestRefusedCommandIsDone: Alpaca's refusal is told by an event, and is no dead letter.
func TestRefusedCommandIsDone(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for id, c := range map[string]struct {
		changes string
		answer  fault
		code    string
	}{
		"symbol":    {`{"symbol":"NOPE"}`, nil, "INVALID_SYMBOL"},
		"funds":     {`{"qty":1000001}`, nil, "INSUFFICIENT_FUNDS"},
		"closed":    {`{}`, status(422, `{"code":42210000,"message":"market is closed"}`), "MARKET_CLOSED"},
		"wash":      {`{}`, status(403, `{"code":40310000,"message":"potential wash trade detected. use complex orders"}`), "ORDER_REJECTED"},
		"forbidden": {`{}`, status(403, `{"message":"forbidden."}`), "FORBIDDEN"},
		"malformed": {`{}`, status(400, `{"code":40010000,"message":"request body format is invalid"}`), "INVALID_REQUEST"},
	} {
		if c.answer != nil {
			s.venue.fail(submit, c.answer)
		}
		before := len(s.outbox())
		changes := with(t, c.changes, `{"client_order_id":"`+id+`"}`)
		s.mustAnswer(s.requested(id, changes, s.genuine()), http.StatusAccepted, "")
		s.mustAnswer(s.requested("again "+id, changes, s.genuine()), http.StatusAccepted, "") // gets the remembered refusal
		s.calls(1, 1)
		events := s.outbox()[before:]
		if len(events) != 1 || events[0].Type() != event.TypeOrderRejected || events[0].changed.Reason.Code != c.code {
			t.Fatalf("%s: events %v", id, events)
		}
	}
}

// TestPoisonCommands: what will never be an order goes to the dead letters at once.
func TestPoisonCommands(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	place := func(id, data string) event.Event {
		return s.command(event.TypeOrderRequested, id, data, s.ourProof(s.account, "trade"))
	}
	admin := func(id, data string) event.Event {
		return s.command(event.TypeOrderRequested, id, data, s.ourProof("admin", auth.PermissionAdmin))
	}
	for _, c := range []struct {
		e    event.Event
		text string
	}{
		{admin("unknown account", `{"account_id":"nobody","order":`+market+`}`), "ACCOUNT_NOT_FOUND"},
		{place("no account", `{"order":`+market+`}`), "FORBIDDEN"},
		{place("unknown field", `{"account_id":"`+s.account+`","order":`+market+`,"note":"x"}`), `"note"`},
		{place("unknown field of the order", `{"account_id":"`+s.account+`","order":{"symbl":"AAPL"}}`), `"symbl"`},
		{place("wrong type", `{"account_id":"`+s.account+`","order":{"qty":true}}`), "order.qty"},
		{place("option", `{"account_id":"`+s.account+`","asset_class":"us_option","order":`+market+`}`), "symbol"},
		{place("unknown asset class", `{"account_id":"`+s.account+`","asset_class":"bond","order":`+market+`}`), "asset_class"},
		{s.requested("negative", `{"qty":-1}`, s.genuine()), "qty"},
		{s.cancelRequested("no order", `"order_id":"nonsense"`), "order_id"},
		{s.cancelRequested("nothing named", `"order_id":""`), "client_order_id"},
		{s.cancelRequested("unknown order", `"order_id":"`+nobody+`"`), "ORDER_NOT_FOUND"},
		{s.cancelRequested("unknown client order ID", `"client_order_id":"nope"`), "ORDER_NOT_FOUND"},
		{s.cancelRequested("another's order", `"order_id":"`+s.elsewhere(s.other, "theirs").ID+`"`), "ORDER_NOT_FOUND"},
	} {
		s.mustAnswer(c.e, http.StatusBadRequest, c.text)
	}
	if got := s.venue.accepted(keyID(s.other), "theirs").Status; got != alpaca.StatusPendingNew {
		t.Errorf("the other account's order is %s", got)
	}
	s.mustTell()
	if n := s.venue.count(submit); n != 0 {
		t.Errorf("%d submits", n)
	}
}

func TestCancelCommand(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	byID, byClientID, filled := s.elsewhere(s.account, "one"), s.elsewhere(s.account, "two"), s.elsewhere(s.account, "three")
	filled.Status = alpaca.StatusFilled
	s.mustAnswer(s.cancelRequested("1", `"order_id":"`+byID.ID+`"`), http.StatusAccepted, "")
	s.mustAnswer(s.cancelRequested("2", `"client_order_id":"two"`), http.StatusAccepted, "")
	s.mustAnswer(s.cancelRequested("3", `"order_id":"`+filled.ID+`"`), http.StatusAccepted, "")
	if byID.Status != alpaca.StatusCanceled || byClientID.Status != alpaca.StatusCanceled || filled.Status != alpaca.StatusFilled {
		t.Fatalf("%s, %s, %s", byID.Status, byClientID.Status, filled.Status)
	}
	late := s.elsewhere(s.account, "four")
	s.venue.fail(cancel, status(503, "no"))
	e := s.cancelRequested("4", `"order_id":"`+late.ID+`"`)
	s.mustAnswer(e, http.StatusServiceUnavailable, "")
	s.mustAnswer(e, http.StatusAccepted, "")
	if late.Status != alpaca.StatusCanceled {
		t.Fatalf("the order is %s", late.Status)
	}
	s.venue.fail(lookUp, status(429, `{"message":"too many requests."}`))
	s.mustAnswer(s.cancelRequested("5", `"client_order_id":"four"`), http.StatusServiceUnavailable, "RATE_LIMIT_EXCEEDED")
}

func TestExpiredCommandHasNoEffect(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.mustAnswer(s.requested("late", `{}`, s.genuine(), event.WithExpiry(s.clock.Now().Add(-time.Second))), http.StatusAccepted, "")
	s.calls(0, 0)
	s.mustAnswer(s.requested("in time", `{}`, s.genuine(), event.WithExpiry(s.clock.Now().Add(time.Second))), http.StatusAccepted, "")
	s.calls(1, 0)
}

func TestLimitedCommandComesLater(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *orderfn.Config) { c.OrdersPerMinute = 1 })
	s.mustAnswer(s.requested("1", `{}`, s.genuine()), http.StatusAccepted, "")
	second := s.requested("2", `{}`, s.genuine(), event.WithExpiry(s.clock.Now().Add(time.Hour)))
	s.mustAnswer(second, http.StatusServiceUnavailable, "RATE_LIMIT_EXCEEDED")
	s.advance(time.Minute)
	s.mustAnswer(second, http.StatusAccepted, "")
	s.calls(2, 0)
}

func TestCommandsWithoutRedisComeLater(t *testing.T) {
	t.Parallel()
	v := startVenue(t)
	b := start(t, storetest.Away(t), v.server.URL)
	for _, e := range []event.Event{b.requested("1", `{}`, b.genuine()), b.cancelRequested("2", `"order_id":"`+nobody+`"`)} {
		answer := b.deliver(e)
		if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", e.Type(), answer.Code, answer.Body)
		}
	}
	if v.count(submit)+v.count(cancel) != 0 {
		t.Error("Alpaca was called")
	}
}

// TestSweepTick: the sweeper also runs when an event asks for it.
func TestSweepTick(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	o := s.placed(s.die(1, `{"client_order_id":"mine"}`))
	s.elapse()
	s.mustAnswer(s.command(event.TypeSweepTick, "tick", `{}`, nil), http.StatusAccepted, "")
	s.mustTell("accepted " + o.OrderID + ":accepted")
}

// TestAProofIsForOneSource: the source is not signed, and the order's ID follows from it: read from the Broker and published
// again from elsewhere, a command must not become another order. Its own repeats are the same order.
func TestAProofIsForOneSource(t *testing.T) {
	play(t, []scenario{{"another source", nil, func(s *scene) {
		e := s.requested("one", `{}`, s.genuine())
		s.mustAnswer(e, http.StatusAccepted, "")
		elsewhere := e.Clone()
		elsewhere.SetSource("/bots/two")
		s.mustAnswer(elsewhere, http.StatusBadRequest, "another source")
		s.mustAnswer(e, http.StatusAccepted, "")
		theirs := func(id, eventType string, data []byte) (string, error) { // another bot that counts its events from one, too
			return auth.SignProofWithSecret(s.account, secretKey(s.account), []auth.Permission{auth.PermissionTrade}, id, eventType, data, 2*time.Minute, s.clock)
		}
		other := s.requested("one", `{}`, theirs)
		other.SetSource("/bots/two")
		s.mustAnswer(other, http.StatusAccepted, "")
		own := s.requested("one", `{"client_order_id":"mine"}`, s.genuine()) // its ID does not follow from the source
		s.mustAnswer(own, http.StatusAccepted, "")
		own.SetSource("/bots/two")
		s.mustAnswer(own, http.StatusAccepted, "")
		if n := s.venue.count(submit); n != 3 {
			s.t.Errorf("%d submits", n)
		}
	}}})
}

package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/opitios-ai/alpaca-knative/local"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// tokenSecret signs the bad tokens of this file, so that nothing but the fault in question is wrong with them.
const tokenSecret = "a-secret-of-the-tests-that-is-long-enough"

// badInput is one request that must be refused, and how.
type badInput struct {
	name, token, method, path, body string
	headers                         []string
	status                          int
	code, field                     string
}

// TestBadInput: every refusal has its status, its stable code, and names the field at fault; none leaves an order.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := startObserved(t, func(c *local.Config) { c.JWTSecret = config.Secret(tokenSecret) })
	theirs := s.restingOrder(s.ready.Accounts[2].Token)
	for _, c := range append(badInputs(t, s), badOwners(s, theirs)...) {
		t.Run(c.name, func(t *testing.T) {
			got := s.call(c.token, c.method, c.path, c.body, c.headers...)
			if got.Success || got.status != c.status || got.Error.Code != c.code {
				t.Fatalf("status %d, %+v; want %d %s", got.status, got.Error, c.status, c.code)
			}
			if c.field != "" && (got.Error.Details["field"] != c.field || !strings.Contains(got.Error.Message, c.field)) {
				t.Errorf("message %q, details %v; want both to name %q", got.Error.Message, got.Error.Details, c.field)
			}
			if got.header.Get("X-Request-ID") == "" {
				t.Error("no X-Request-ID")
			}
		})
	}
	s.wantNoOrders(s.ready.Accounts[:2])
	var o order.Order
	s.call(s.ready.Accounts[2].Token, http.MethodGet, "/api/v1/orders/"+theirs, "").into(t, &o)
	if o.Status == "canceled" || len(s.audit(s.ready.Accounts[2].KeyID)) != 1 {
		t.Errorf("the owner's order is now %+v", o)
	}
}

// startObserved is start with a look at the logs: whatever a test sends, nothing may panic or be an error of ours.
func startObserved(t *testing.T, change ...func(*local.Config)) *system {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	t.Cleanup(func() { // after the system has stopped
		for _, entry := range logs.All() {
			if entry.Level >= zap.ErrorLevel || strings.Contains(entry.Message, "panic") {
				t.Errorf("logged: %s %s %v", entry.Level, entry.Message, entry.ContextMap())
			}
		}
	})
	return startLogged(t, zap.New(core), change...)
}

// restingOrder places an order that waits for a price that does not come, and returns its ID.
func (s *system) restingOrder(token string) string {
	s.t.Helper()
	var o order.Order
	s.call(token, http.MethodPost, "/api/v1/stocks/order",
		`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":1,"time_in_force":"gtc","client_order_id":"theirs"}`).into(s.t, &o)
	return o.OrderID
}

// badOwners ask for what belongs to another account.
func badOwners(s *system, theirs string) []badInput {
	own, other := s.ready.Accounts[0], s.ready.Accounts[1]
	reach := func(name, method, path string, status int, code string) badInput {
		return badInput{name: name, token: own.Token, method: method, path: path, status: status, code: code}
	}
	return []badInput{
		reach("another account", http.MethodGet, "/api/v1/accounts/"+other.ID, 403, "FORBIDDEN"),
		reach("another account's positions", http.MethodGet, "/api/v1/accounts/"+other.ID+"/positions", 403, "FORBIDDEN"),
		reach("an account that nobody has", http.MethodGet, "/api/v1/accounts/nobody", 403, "FORBIDDEN"),
		reach("admin only", http.MethodGet, "/api/v1/admin/dead-letters", 403, "FORBIDDEN"),
		reach("all accounts", http.MethodGet, "/api/v1/accounts", 403, "FORBIDDEN"),
		reach("another account's order", http.MethodGet, "/api/v1/orders/"+theirs, 404, "ORDER_NOT_FOUND"),
		reach("another account's order by its client's ID", http.MethodGet, "/api/v1/orders/by-client-order-id/theirs", 404, "ORDER_NOT_FOUND"),
		reach("cancel of another account's order", http.MethodDelete, "/api/v1/orders/"+theirs, 404, "ORDER_NOT_FOUND"),
		reach("events through the gateway", http.MethodPost, "/events", 404, "ENDPOINT_NOT_FOUND"),
		reach("events of a function through the gateway", http.MethodPost, "/api/v1/orders/../../events", 404, "ENDPOINT_NOT_FOUND"),
		reach("metrics through the gateway", http.MethodGet, "/metrics", 404, "ENDPOINT_NOT_FOUND"),
	}
}

func badInputs(t *testing.T, s *system) []badInput {
	t.Helper()
	own := s.ready.Accounts[0]
	const get, post, orders, quote = http.MethodGet, http.MethodPost, "/api/v1/stocks/order", "/api/v1/stocks/AAPL/quote"
	place := func(name, body string, status int, code, field string) badInput {
		return badInput{name: name, token: own.Token, method: post, path: orders, body: body, status: status, code: code, field: field}
	}
	return []badInput{
		{name: "no token", method: get, path: quote, status: 401, code: "INVALID_TOKEN"},
		{name: "garbage token", token: "a.b.c", method: get, path: quote, status: 401, code: "INVALID_TOKEN"},
		{name: "expired token", token: token(t, "exp", time.Now().Add(-time.Minute).Unix()), method: get, path: quote, status: 401, code: "INVALID_TOKEN"},
		{name: "wrong audience", token: token(t, "aud", "somebody-else"), method: get, path: quote, status: 401, code: "INVALID_TOKEN"},
		{name: "wrong issuer", token: token(t, "iss", "somebody-else"), method: get, path: quote, status: 401, code: "INVALID_TOKEN"},
		{name: "alg none", token: unsigned(t), method: get, path: quote, status: 401, code: "INVALID_TOKEN"},
		{name: "foreign signature", token: foreign(own.Token), method: get, path: quote, status: 401, code: "INVALID_TOKEN"},
		{name: "permission missing", token: token(t, "permissions", []string{"account_read"}), method: get, path: quote, status: 403, code: "FORBIDDEN"},
		{name: "wrong key pair", method: post, path: "/api/v1/auth/token", body: `{"account_id":"demo-0001","api_key":"x","secret_key":"y"}`, status: 401, code: "INVALID_TOKEN"},
		{name: "unknown order", token: own.Token, method: get, path: "/api/v1/orders/61e69015-8549-4bfd-b9c3-01e75843f47d", status: 404, code: "ORDER_NOT_FOUND"},
		{name: "order ID that is none", token: own.Token, method: get, path: "/api/v1/orders/x", status: 404, code: "ORDER_NOT_FOUND"},
		{name: "unknown symbol, quote", token: own.Token, method: get, path: "/api/v1/stocks/ZZZZZ/quote", status: 404, code: "SYMBOL_NOT_FOUND"},
		{name: "malformed symbol, quote", token: own.Token, method: get, path: "/api/v1/stocks/$$$/quote", status: 400, code: "INVALID_REQUEST", field: "symbol"},
		{name: "unknown path", token: own.Token, method: get, path: "/api/v1/nothing", status: 404, code: "ENDPOINT_NOT_FOUND"},
		{name: "wrong method", token: own.Token, method: http.MethodPut, path: quote, status: 405, code: "METHOD_NOT_ALLOWED"},
		{name: "unknown query parameter", token: own.Token, method: get, path: "/api/v1/orders?statsu=open", status: 400, code: "INVALID_REQUEST", field: "statsu"},
		{name: "limit below 1", token: own.Token, method: get, path: "/api/v1/orders?limit=0", status: 400, code: "INVALID_REQUEST", field: "limit"},
		{name: "page token of nobody", token: own.Token, method: get, path: "/api/v1/orders?page_token=x", status: 400, code: "INVALID_REQUEST", field: "page_token"},
		place("unknown field", `{"symbol":"AAPL","qty":1,"side":"buy","type":"market","quantity":2}`, 400, "INVALID_REQUEST", "quantity"),
		place("wrong type", `{"symbol":"AAPL","qty":true,"side":"buy","type":"market"}`, 400, "INVALID_REQUEST", "qty"),
		place("wrong type of a string", `{"symbol":5,"qty":1,"side":"buy","type":"market"}`, 400, "INVALID_REQUEST", "symbol"),
		place("nested wrong type", `{"symbol":"AAPL","qty":1,"side":"buy","type":"market","order_class":"bracket","take_profit":{"limit_price":"x"}}`, 400, "INVALID_REQUEST", "take_profit.limit_price"),
		place("negative quantity", `{"symbol":"AAPL","qty":-1,"side":"buy","type":"market"}`, 400, "INVALID_REQUEST", "qty"),
		place("zero quantity", `{"symbol":"AAPL","qty":0,"side":"buy","type":"market"}`, 400, "INVALID_REQUEST", "qty"),
		place("field twice", `{"symbol":"AAPL","qty":1,"qty":2,"side":"buy","type":"market"}`, 400, "INVALID_REQUEST", "qty"),
		place("malformed symbol, order", `{"symbol":"AA PL","qty":1,"side":"buy","type":"market"}`, 400, "INVALID_REQUEST", "symbol"),
		place("null body", "null", 400, "INVALID_REQUEST", ""),
		place("array body", "[]", 400, "INVALID_REQUEST", "body"),
		place("quantity and notional", `{"symbol":"AAPL","qty":1,"notional":5,"side":"buy","type":"market"}`, 400, "INVALID_REQUEST", "notional"),
		place("no side", `{"symbol":"AAPL","qty":1,"type":"market"}`, 400, "INVALID_REQUEST", "side"),
		place("limit order without its price", `{"symbol":"AAPL","qty":1,"side":"buy","type":"limit"}`, 400, "INVALID_REQUEST", "limit_price"),
		place("sub-penny price", `{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":1.001}`, 400, "INVALID_REQUEST", "limit_price"),
		place("unknown symbol, order", `{"symbol":"ZZZZZ","qty":1,"side":"buy","type":"market"}`, 422, "INVALID_SYMBOL", ""),
		place("empty object", `{}`, 400, "INVALID_REQUEST", "symbol"),
		place("trailing data", `{"symbol":"AAPL","qty":1,"side":"buy","type":"market"} {}`, 400, "INVALID_REQUEST", "body"),
		place("no JSON", `qty=1`, 400, "INVALID_REQUEST", "body"),
		place("2 MiB body", `{"symbol":"`+strings.Repeat("A", 2<<20)+`"}`, 413, "INVALID_REQUEST", ""),
		{name: "empty body", token: own.Token, method: post, path: orders, headers: []string{"Content-Type", "application/json"}, status: 400, code: "INVALID_REQUEST", field: "body"},
		{name: "form body", token: own.Token, method: post, path: orders, body: "qty=1", headers: []string{"Content-Type", "text/plain"}, status: 415, code: "INVALID_REQUEST", field: "Content-Type"},
		{name: "long idempotency key", token: own.Token, method: post, path: orders, body: `{"symbol":"AAPL","qty":1,"side":"buy","type":"market"}`, headers: []string{"Idempotency-Key", strings.Repeat("k", 256)}, status: 400, code: "INVALID_REQUEST", field: "Idempotency-Key"},
	}
}

// token is a good token of the first account but for one claim.
func token(t *testing.T, claim string, value any) string {
	t.Helper()
	claims := jwt.MapClaims{
		"account_id": "demo-0001", "permissions": []string{"trade", "market_data", "account_read"}, "sub": "demo-0001", "jti": "bad-" + claim,
		"iat": time.Now().Add(-time.Hour).Unix(), "exp": time.Now().Add(time.Hour).Unix(), "iss": "opitios-alpaca", "aud": "trading-api",
	}
	claims[claim] = value
	made := jwt.NewWithClaims(jwt.SigningMethodHS256, claims)
	made.Header["kid"] = "default"
	signed, err := made.SignedString([]byte(tokenSecret))
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// unsigned is a token with alg none.
func unsigned(t *testing.T) string {
	t.Helper()
	_, rest, _ := strings.Cut(token(t, "sub", "x"), ".")
	claims, _, _ := strings.Cut(rest, ".")
	return base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + claims + "."
}

// foreign is a token whose signature was made with another secret.
func foreign(good string) string {
	signed := good[:strings.LastIndex(good, ".")]
	mac := hmac.New(sha256.New, []byte("another secret that is long enough, too"))
	mac.Write([]byte(signed))
	return signed + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func (s *system) wantNoOrders(accounts []local.ReadyAccount) {
	s.t.Helper()
	for _, account := range accounts {
		if accepted := s.audit(account.KeyID); len(accepted) != 0 {
			s.t.Errorf("%s has orders: %v", account.ID, accepted)
		}
	}
}

// TestBadEvents: what is no CloudEvent is refused by the broker and by the function; a type that nobody knows reaches
// nobody through the broker, and is poison to the function.
func TestBadEvents(t *testing.T) {
	t.Parallel()
	s := startObserved(t)
	unknown := map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/x", "ce-type": "ai.opitios.order.imagined", "Content-Type": "application/json"}
	noID := map[string]string{"ce-specversion": "1.0", "ce-source": "/x", "ce-type": "ai.opitios.order.requested", "Content-Type": "application/json"}
	elsewhere := map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/x", "ce-type": "ai.opitios.order.filled", "Content-Type": "application/json"}
	past := map[string]string{"ce-specversion": "0.3", "ce-id": "1", "ce-source": "/x", "ce-type": "ai.opitios.order.requested", "Content-Type": "application/json"}
	function := s.ready.Functions["order"] + "/events"
	cases := []struct {
		name, url string
		headers   map[string]string
		body      string
		status    int
	}{
		{"broker, no event", s.ready.Broker, map[string]string{"Content-Type": "application/json"}, `{}`, 400},
		{"broker, no ID", s.ready.Broker, noID, `{}`, 400},
		{"broker, unknown type", s.ready.Broker, unknown, `{}`, 202},
		{"function, no event", function, map[string]string{"Content-Type": "application/json"}, `{}`, 400},
		{"function, no ID", function, noID, `{}`, 400},
		{"function, unknown type", function, unknown, `{}`, 400},
		{"function, a type that it does not handle", function, elsewhere, `{}`, 400},
		{"function, specversion of the past", function, past, `{}`, 400},
		{"function, 2 MiB", function, unknown, strings.Repeat("x", 2<<20), 413},
		{"function, structured garbage", function, map[string]string{"Content-Type": "application/cloudevents+json"}, `{"specversion":`, 400},
	}
	for _, c := range cases {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, c.url, strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range c.headers {
			request.Header.Set(name, value)
		}
		response, err := s.client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s: status %d, want %d", c.name, response.StatusCode, c.status)
		}
	}
	// A command without a proof comes last: when it has arrived where such commands end, so has what came before it.
	last := orderCommand(t, s.ready.Accounts[0], s.ready.Accounts[0].ID, "the-last")
	last.SetExtension(event.ExtensionProof, nil)
	s.publish(last)
	eventually(t, "the last dead letter", func() bool { return strings.Contains(s.deadLetters(), `"the-last"`) })
	if letters := s.deadLetters(); strings.Contains(letters, "imagined") {
		t.Errorf("an event that nobody asked for is a dead letter: %s", letters)
	}
	s.wantNoOrders(s.ready.Accounts)
}

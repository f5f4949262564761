package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/opitios-ai/alpaca-knative/local"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

type quote struct {
	Symbol   string         `json:"symbol"`
	BidPrice decimal.Number `json:"bid_price"`
	AskPrice decimal.Number `json:"ask_price"`
}

type position struct {
	Symbol string         `json:"symbol"`
	Qty    decimal.Number `json:"qty"`
	Side   string         `json:"side"`
}

type balance struct {
	AccountID string         `json:"account_id"`
	Cash      decimal.Number `json:"cash"`
}

// TestMainJob: key pair → token → quote → order → fill event → position.
func TestMainJob(t *testing.T) {
	t.Parallel()
	s := start(t)
	demo := s.ready.Accounts[0]

	var token struct {
		AccessToken string `json:"access_token"`
		TokenType   string `json:"token_type"`
		ExpiresIn   int    `json:"expires_in"`
	}
	s.call("", http.MethodPost, "/api/v1/auth/token",
		fmt.Sprintf(`{"account_id":%q,"api_key":%q,"secret_key":%q}`, demo.ID, demo.KeyID, demo.SecretKey)).into(t, &token)
	if token.TokenType != "bearer" || token.ExpiresIn != 24*60*60 {
		t.Fatalf("got %+v", token)
	}

	var q quote
	s.call(token.AccessToken, http.MethodGet, "/api/v1/stocks/AAPL/quote", "").into(t, &q)
	if q.Symbol != "AAPL" || !q.BidPrice.IsPos() || q.AskPrice.LessThan(q.BidPrice.Decimal) {
		t.Fatalf("got %+v", q)
	}

	placed := s.call(token.AccessToken, http.MethodPost, "/api/v1/stocks/order",
		`{"symbol":"AAPL","qty":2,"side":"buy","type":"market","time_in_force":"day","client_order_id":"main-job-1"}`)
	var o order.Order
	placed.into(t, &o)
	if placed.status != http.StatusCreated || o.ClientOrderID != "main-job-1" || o.OrderID == "" || o.Qty.String() != "2" {
		t.Fatalf("status %d, %+v", placed.status, o)
	}
	if placed.header.Get("X-RateLimit-Limit") != "60" || placed.header.Get("X-Request-ID") == "" {
		t.Fatalf("headers %v", placed.header)
	}

	eventually(t, "the fill", func() bool {
		s.call(token.AccessToken, http.MethodGet, "/api/v1/orders/"+o.OrderID, "").into(t, &o)
		return o.Status == "filled"
	})
	eventually(t, "the position", func() bool {
		var positions []position
		s.call(token.AccessToken, http.MethodGet, "/api/v1/positions", "").into(t, &positions)
		return len(positions) == 1 && positions[0].Symbol == "AAPL" && positions[0].Qty.String() == "2"
	})
	var b balance
	s.call(token.AccessToken, http.MethodGet, "/api/v1/account", "").into(t, &b)
	if b.AccountID != demo.ID || !b.Cash.LessThan(decimal.FromInt(100_000)) {
		t.Fatalf("got %+v", b)
	}
	eventually(t, "the events", func() bool {
		return s.metric(`events_processed_total`, `function="account"`, `type="ai.opitios.order.accepted"`) == 1 &&
			s.metric(`events_processed_total`, `function="account"`, `type="ai.opitios.order.filled"`) == 1
	})
}

// TestCancel: a resting order is listed, canceled and gone.
func TestCancel(t *testing.T) {
	t.Parallel()
	s := start(t)
	token := s.ready.Accounts[0].Token
	var o order.Order
	s.call(token, http.MethodPost, "/api/v1/stocks/order",
		`{"symbol":"MSFT","qty":"1","side":"buy","type":"limit","limit_price":"1.00","time_in_force":"gtc"}`).into(t, &o)
	var page struct {
		Orders []order.Order `json:"orders"`
	}
	s.call(token, http.MethodGet, "/api/v1/orders?status=open", "").into(t, &page)
	if len(page.Orders) != 1 || page.Orders[0].OrderID != o.OrderID {
		t.Fatalf("got %+v", page)
	}
	s.call(token, http.MethodDelete, "/api/v1/orders/"+o.OrderID, "").into(t, &o)
	eventually(t, "the cancel", func() bool {
		s.call(token, http.MethodGet, "/api/v1/orders/"+o.OrderID, "").into(t, &o)
		return o.Status == "canceled"
	})
	if again := s.call(token, http.MethodDelete, "/api/v1/orders/"+o.OrderID, ""); again.status != http.StatusUnprocessableEntity {
		t.Fatalf("second cancel: %+v", again)
	}
}

// TestRepeatedRequestIsOneOrder: same key and body replay; another body is refused.
func TestRepeatedRequestIsOneOrder(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *local.Config) { c.Accounts = 1 })
	token := s.ready.Accounts[0].Token
	const path, body = "/api/v1/stocks/order", `{"symbol":"AAPL","qty":1,"side":"buy","type":"market"}`
	var first, second order.Order
	s.call(token, http.MethodPost, path, body, "Idempotency-Key", "key-1").into(t, &first)
	s.call(token, http.MethodPost, path, body, "Idempotency-Key", "key-1").into(t, &second)
	if first.OrderID == "" || first.OrderID != second.OrderID {
		t.Fatalf("%s and %s", first.OrderID, second.OrderID)
	}
	other := s.call(token, http.MethodPost, path, `{"symbol":"AAPL","qty":3,"side":"buy","type":"market"}`, "Idempotency-Key", "key-1")
	if other.status != http.StatusUnprocessableEntity || other.Error.Code != "IDEMPOTENCY_CONFLICT" {
		t.Fatalf("got %+v", other)
	}
	if n := len(s.audit(s.ready.Accounts[0].KeyID)); n != 1 {
		t.Fatalf("the emulator accepted %d orders", n)
	}
}

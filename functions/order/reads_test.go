package order_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

const nobody = "61e69015-8549-4bfd-b9c3-01e75843f47d" // an order ID that no account has

func (s *scene) elsewhere(account, id string) *alpaca.Order {
	one := decimal.FromInt(1)
	return s.venue.elsewhere(keyID(account), alpaca.OrderRequest{Symbol: "AAPL", Qty: &one, Side: "buy", Type: "market", ClientOrderID: id})
}

func (s *scene) get(path string) reply { return s.send(http.MethodGet, path, "") }

func newScene(t *testing.T, options ...option) *scene {
	t.Helper()
	client, advance := storetest.Embedded(t)
	v := startVenue(t)
	return &scene{bench: start(t, client, v.server.URL, options...), venue: v, advance: advance}
}

func TestReadOrders(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	mine, theirs := s.elsewhere(s.account, "a b/c"), s.elsewhere(s.other, "theirs")
	for _, path := range []string{
		"/api/v1/orders/" + mine.ID, "/v1/orders/" + mine.ID, "/api/v1/orders/by-client-order-id/" + url.PathEscape("a b/c"),
	} {
		var o order.Order
		if answer := s.get(path); json.Unmarshal(answer.Data, &o) != nil || o.OrderID != mine.ID {
			t.Errorf("%s: %s", path, answer)
		}
	}
	for _, path := range []string{
		theirs.ID, nobody, "nonsense", "by-client-order-id/theirs", "by-client-order-id/%00", "by-client-order-id/" + strings.Repeat("x", 129),
	} {
		s.mustFail(s.get("/api/v1/orders/"+path), problem.OrderNotFound)
	}
	s.mustFail(s.get("/api/v1/orders/..%2faccount"), problem.EndpointNotFound)
	s.venue.fail(read, status(503, "no"), status(503, "no"))
	s.mustFail(s.get("/api/v1/orders/"+mine.ID), problem.UpstreamFailed)
}

func TestListOrders(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for i := range 3 {
		s.elsewhere(s.account, fmt.Sprint("order-", i))
	}
	s.elsewhere(s.account, "done").Status = alpaca.StatusFilled
	s.elsewhere(s.other, "theirs")
	list := func(query string) orderfn.Page {
		t.Helper()
		var page orderfn.Page
		answer := s.get("/api/v1/orders" + query)
		if answer.Status != http.StatusOK || json.Unmarshal(answer.Data, &page) != nil {
			t.Fatalf("%s: %s", query, answer)
		}
		return page
	}
	if page := list(""); len(page.Orders) != 4 || page.NextPageToken != nil || page.Orders[0].ClientOrderID != "done" {
		t.Errorf("got %+v", page)
	}
	// A page that is full may have another behind it, also when our own filter thinned it out.
	if page := list("?limit=4&status=filled"); len(page.Orders) != 1 || page.NextPageToken == nil {
		t.Errorf("got %+v", page)
	}
	if page := list("?status=closed&side=buy&symbols=aapl,msft&limit=500&page_token=" + nobody); len(page.Orders) != 4 {
		t.Errorf("got %+v", page)
	}
	for query, field := range map[string]string{
		"?limit=0": "limit", "?limit=501": "limit", "?limit=ten": "limit", "?limit=-1": "limit", "?status=lost": "status", "?side=up": "side",
		"?page_token=abc": "page_token", "?order=desc": "order",
	} {
		if f := s.mustFail(s.get("/api/v1/orders"+query), problem.InvalidRequest); f.Details["field"] != field {
			t.Errorf("%s: details %v", query, f.Details)
		}
	}
}

// asked is the query of the last call to Alpaca.
func (v *venue) asked() url.Values {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.query
}

// TestListFilters: each filter reaches Alpaca, in Alpaca's words.
func TestListFilters(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for query, want := range map[string]string{
		"":                                       "limit=50&nested=true",
		"status=all&limit=500":                   "limit=500&nested=true&status=all",
		"status=filled":                          "limit=50&nested=true&status=closed",
		"status=new&nested=false":                "limit=50&status=open",
		"symbols=aapl,btc/usd,brk.b":             "limit=50&nested=true&symbols=AAPL%2CBTC%2FUSD%2CBRK.B",
		"symbols=" + strings.ToLower(put):        "limit=50&nested=true&symbols=" + put,
		"side=sell&asset_class=us_option,crypto": "asset_class=us_option%2Ccrypto&limit=50&nested=true&side=sell",
		"after=2026-11-23&until=2026-11-23T15:00:00.5-05:00&direction=asc": "after=2026-11-23T00%3A00%3A00Z&direction=asc&limit=50&nested=true&until=2026-11-23T20%3A00%3A00.5Z",
		"page_token=" + nobody:                       "before_order_id=" + nobody + "&limit=50&nested=true",
		"page_token=" + nobody + "&direction=asc":    "after_order_id=" + nobody + "&direction=asc&limit=50&nested=true",
		"page_token=" + nobody + "&after=2026-11-23": "before_order_id=" + nobody + "&limit=50&nested=true",
	} {
		if answer := s.get("/api/v1/orders?" + strings.ReplaceAll(query, "+", "%2B")); answer.Status != http.StatusOK {
			t.Fatalf("%s: %s", query, answer)
		}
		if got := s.venue.asked().Encode(); got != want {
			t.Errorf("%s\n got %s\nwant %s", query, got, want)
		}
	}
	for query, field := range map[string]string{
		"symbols=AA PL": "symbols", "symbols=" + strings.Repeat("A,", 100) + "A": "symbols", "asset_class=bond": "asset_class", "after=yesterday": "after",
		"until=2026-13-01": "until", "after=2026-11-24&until=2026-11-23": "until", "direction=up": "direction", "nested=maybe": "nested",
	} {
		if f := s.mustFail(s.get("/api/v1/orders?"+strings.ReplaceAll(query, " ", "%20")), problem.InvalidRequest); f.Details["field"] != field {
			t.Errorf("%s: details %v", query, f.Details)
		}
	}
}

// TestPagesWithinASpan: Alpaca takes no mark together with a time; the time bounds the pages all the same.
func TestPagesWithinASpan(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	for i := range 4 {
		s.elsewhere(s.account, fmt.Sprintf("order-%d", i)) // a millisecond apart
	}
	second := opening().Add(time.Millisecond).Format(time.RFC3339Nano)
	var page orderfn.Page
	answer := s.get("/api/v1/orders?limit=4&page_token=" + nobody + "&after=" + second)
	if err := json.Unmarshal(answer.Data, &page); err != nil || len(page.Orders) != 2 || page.NextPageToken != nil || page.Orders[1].ClientOrderID != "order-2" {
		t.Fatalf("got %s", answer)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	o, theirs := s.elsewhere(s.account, "mine"), s.elsewhere(s.other, "theirs")
	remove := func(path string) reply { return s.send(http.MethodDelete, "/api/v1/orders"+path, "") }
	var native order.Order
	if answer := remove("/" + o.ID); json.Unmarshal(answer.Data, &native) != nil || native.Status != alpaca.StatusCanceled {
		t.Fatalf("got %s", answer)
	}
	if f := s.mustFail(remove("/"+o.ID), problem.OrderRejected); f.Details["order_id"] != o.ID {
		t.Errorf("details %v", f.Details)
	}
	for _, id := range []string{theirs.ID, nobody, "nonsense"} {
		s.mustFail(remove("/"+id), problem.OrderNotFound)
	}
	another := s.elsewhere(s.account, "another")
	s.venue.fail(read, status(503, "no"), status(503, "no"))
	if answer := remove("/" + another.ID); json.Unmarshal(answer.Data, &native) != nil || native.Status != alpaca.StatusPendingCancel {
		t.Fatalf("a failed read hides that the cancel was accepted: %s", answer)
	}
	third := s.elsewhere(s.account, "third")
	var all orderfn.CanceledAll
	if answer := remove(""); json.Unmarshal(answer.Data, &all) != nil || len(all.Orders) != 1 || all.Orders[0] != (orderfn.Canceled{OrderID: third.ID, Status: 200}) {
		t.Fatalf("got %s", answer)
	}
	if theirs.Status != alpaca.StatusPendingNew {
		t.Fatalf("another account's order is %s", theirs.Status)
	}
}

// TestCancelReserve: reads stop before the part of Alpaca's budget that cancels need.
func TestCancelReserve(t *testing.T) {
	t.Parallel()
	s := newScene(t, func(c *orderfn.Config) { c.TradingRequestsPerMinute, c.CancelReserve = 8, 2 })
	o := s.elsewhere(s.account, "mine")
	for range 4 { // reads leave twice the reserve
		if answer := s.get("/api/v1/orders"); answer.Status != http.StatusOK {
			t.Fatalf("got %s", answer)
		}
	}
	s.mustFail(s.get("/api/v1/orders"), problem.RateLimitExceeded)
	s.placed(s.place(`{}`))
	s.placed(s.place(`{}`))
	s.mustFail(s.place(`{}`), problem.RateLimitExceeded)
	if answer := s.send(http.MethodDelete, "/api/v1/orders/"+o.ID, ""); answer.Status != http.StatusOK {
		t.Fatalf("got %s", answer)
	}
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	o := s.elsewhere(s.account, "mine")
	trader, reader := s.issue(s.account, auth.PermissionTrade), s.issue(s.account, auth.PermissionAccountRead)
	for _, c := range []struct {
		name, token, method, path string
		allowed                   bool
	}{
		{"reader places", reader, http.MethodPost, "/api/v1/stocks/order", false},
		{"reader cancels", reader, http.MethodDelete, "/api/v1/orders/" + o.ID, false},
		{"reader cancels all", reader, http.MethodDelete, "/api/v1/orders", false},
		{"trader lists", trader, http.MethodGet, "/api/v1/orders", false},
		{"reader lists", reader, http.MethodGet, "/api/v1/orders", true},
		{"trader places", trader, http.MethodPost, "/api/v1/stocks/order", true},
	} {
		s.token = c.token
		body := ""
		if c.method == http.MethodPost {
			body = market
		}
		answer := s.send(c.method, c.path, body)
		if c.allowed != (answer.Status/100 == 2) || !c.allowed && answer.failure().Code != "FORBIDDEN" {
			t.Errorf("%s: %s", c.name, answer)
		}
	}
	s.token = s.issue("nobody", auth.PermissionTrade, auth.PermissionAccountRead)
	s.mustFail(s.place(`{}`), problem.AccountNotFound)
	s.mustFail(s.get("/api/v1/orders"), problem.AccountNotFound)
	if o.Status != alpaca.StatusPendingNew {
		t.Errorf("the order is %s", o.Status)
	}
}

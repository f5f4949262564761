package emulator_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
)

// openMonday runs the emulator at ten in the morning of a trading day, until somebody moves the clock.
func openMonday(c *emulator.Config) {
	c.MarketClock, c.ClockStart = string(session.Fixed), mondayMorning()
}

// TestRefusalsOfEndpoints are the rows of section 2.9 of the facts that endpoints bring and not accounts (those are in
// exchange/refusal_test.go), byte for byte.
func TestRefusalsOfEndpoints(t *testing.T) {
	t.Parallel()
	running, from := start(t, openMonday), client(t)
	const list = `{"name":"mine"}`
	expect(t, "watchlist", call(t, from, http.MethodPost, running.URL()+"/v2/watchlists", list, keys()...).status, http.StatusOK)
	cases := []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"two watchlists of one name", "POST", "/v2/watchlists", list, 422, `{"code":40010001,"message":"watchlist name must be unique"}`},
		{"announcements without dates", "GET", "/v2/corporate_actions/announcements?ca_types=dividend&since=2026-11-01", "", 422, `{"code":40010001,"message":"invalid param: both since \u0026 until required"}`},
		{"no such endpoint", "GET", "/v2/nothing", "", 404, `{"code":40410000,"message":"endpoint not found"}`},
		{"no such order", "GET", "/v2/orders/11111111-2222-3333-4444-555555555555", "", 404, `{"code":40410000,"message":"order not found for 11111111-2222-3333-4444-555555555555"}`},
		{"no order ID", "GET", "/v2/orders/one", "", 422, `{"code":40010001,"message":"order_id is missing"}`},
		{"no position", "GET", "/v2/positions/AAPL", "", 404, `{"code":40410000,"message":"position does not exist"}`},
		{"no symbol", "GET", "/v2/positions/NOSUCH", "", 404, `{"code":40410000,"message":"symbol not found: NOSUCH"}`},
		{"nothing to exercise", "POST", "/v2/positions/AAPL261218C00270000/exercise", "", 404, `{"code":40410000,"message":"long position not found: AAPL261218C00270000"}`},
		{"exercise without a symbol", "POST", "/v2/positions/%20/exercise", "", 422, `{"code":42210000,"message":"symbol missing"}`},
		{"exercise without a segment", "POST", "/v2/positions/exercise", "", 422, `{"code":42210000,"message":"symbol missing"}`},
		{"no exercise without a symbol", "POST", "/v2/positions/do-not-exercise", "", 422, `{"code":42210000,"message":"symbol missing"}`},
		{"no exercise of nothing", "POST", "/v2/positions/AAPL261218C00270000/do-not-exercise", "", 404, `{"code":40410000,"message":"long position not found: AAPL261218C00270000"}`},
		{"broken body", "POST", "/v2/orders", `{`, 400, `{"code":40010000,"message":"request body format is invalid"}`},
		{"an index is not traded", "POST", "/v2/orders", `{"symbol":"SPX","side":"buy","qty":1,"type":"market","time_in_force":"day"}`, 403, `{"code":40310000,"message":"asset \"SPX\" is not tradable"}`},
		{"an early exercise", "POST", "/v2/positions/XSP261218C00660000/exercise", "", 403, `{"code":40310000,"message":"early exercise is not allowed for European-style options"}`},
	}
	const buy = `{"symbol":"XSP261218C00660000","side":"buy","qty":1,"type":"market","time_in_force":"day"}`
	expect(t, "index option", call(t, from, http.MethodPost, running.URL()+"/v2/orders", buy, keys()...).status, http.StatusOK)
	for _, c := range cases {
		got := call(t, from, c.method, running.URL()+c.path, c.body, keys()...)
		expect(t, c.name+": status", got.status, c.status)
		expect(t, c.name+": body", got.body, c.want)
	}
}

// TestOutages are the bodies that come instead of an answer (section 2.9.4), injected.
func TestOutages(t *testing.T) {
	t.Parallel()
	running, from := start(t, nil), client(t)
	cases := []struct {
		fault  string
		status int
		kind   string
		body   string
	}{
		{`{"kind":"status","status":500}`, 500, "application/json", `{"code":50010000,"message":"internal server error occurred"}`},
		{`{"kind":"status","status":503}`, 503, "text/plain", "Service Unavailable"},
		{`{"kind":"status","status":504}`, 504, "text/html", "<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n<center><h1>504 Gateway Time-out</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"},
		{`{"kind":"status","status":502}`, 502, "text/html", "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n<center><h1>502 Bad Gateway</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"},
		{`{"kind":"status","status":418}`, 418, "application/json", `{"message": "I'm a teapot"}`},
		{`{"kind":"status","status":403,"code":40310000,"message":"no"}`, 403, "application/json", `{"code":40310000,"message":"no"}`},
	}
	for _, c := range cases {
		call(t, from, http.MethodDelete, running.AdminURL()+"/emulator/faults", "")
		expect(t, "fault", call(t, from, http.MethodPost, running.AdminURL()+"/emulator/faults", c.fault).status, http.StatusCreated)
		got := call(t, from, http.MethodGet, running.URL()+"/v2/account", "", keys()...)
		expect(t, "status", got.status, c.status)
		expect(t, "body", got.body, c.body)
		if kind := got.header.Get("Content-Type"); !strings.HasPrefix(kind, c.kind) {
			t.Errorf("%d: content type = %s", c.status, kind)
		}
	}
}

// TestIndexOptionsAreListed: contracts on an index come with their underlying, by style, and settle in cash.
func TestIndexOptionsAreListed(t *testing.T) {
	t.Parallel()
	running, from := start(t, openMonday), client(t)
	get := func(path string) string {
		got := call(t, from, http.MethodGet, running.URL()+path, "", keys()...)
		expect(t, path, got.status, http.StatusOK)
		return got.body
	}
	has := func(text string, parts ...string) {
		t.Helper()
		for _, part := range parts {
			if !strings.Contains(text, part) {
				t.Errorf("no %s in %.400s", part, text)
			}
		}
	}
	const december = "/v2/options/contracts?expiration_date=2026-12-18&limit=10000"
	spx := get(december + "&underlying_symbols=SPX&show_deliverables=true")
	has(spx, `"root_symbol":"SPX"`, `"root_symbol":"SPXW"`, `"style":"european"`, `"underlying_symbol":"SPX"`, `"settlement_method":"CADF"`)
	european, american := get(december+"&style=european"), get(december+"&style=american&root_symbol=T1&show_deliverables=true")
	has(european, `"symbol":"XSP261218C00660000"`, `"symbol":"DJX261218C00465000"`)
	if strings.Contains(european, "american") || strings.Contains(american, "european") {
		t.Error("a style was not left out")
	}
	has(american, `"deliverables":[{"type":"equity","symbol":"T"`, `"amount":"100","allocation_percentage":"82"`, `"symbol":"WBD"`,
		`{"type":"cash","symbol":"USD","asset_id":null,"amount":"12.5","allocation_percentage":"0","settlement_type":"T+1","settlement_method":"CAFX"`)
	has(get("/v2/options/contracts?expiration_date=2026-12-18&root_symbol=GE1"), `"tradable":false`)
	has(get("/v2/assets?asset_class=us_index"), `"symbol":"SPX"`, `"symbol":"XSP"`, `"symbol":"DJX"`, `"class":"us_index"`)
	has(get("/v1beta1/options/snapshots/SPX?expiration_date=2026-12-18&limit=1000"), `"SPX261218C0`)
	has(get("/v1beta1/options/snapshots/SPX?root_symbol=SPXW&limit=5"), `"SPXW`)
	got := call(t, from, http.MethodGet, running.URL()+"/v2/stocks/SPX/quotes/latest", "", keys()...)
	if got.status == http.StatusOK && strings.Contains(got.body, `"ap"`) {
		t.Errorf("an index has quotes: %s", got.body)
	}
}

// TestMarkedStocks: what the admin API says of a stock shows in the list of assets.
func TestMarkedStocks(t *testing.T) {
	t.Parallel()
	running, from := start(t, openMonday), client(t)
	admin := func(method, path, body string, status int) {
		t.Helper()
		expect(t, path, call(t, from, method, running.AdminURL()+path, body).status, status)
	}
	asset := func() string { return call(t, from, http.MethodGet, running.URL()+"/v2/assets/F", "", keys()...).body }
	admin(http.MethodPost, "/emulator/offering", `{"symbol":"F"}`, http.StatusNoContent)
	admin(http.MethodPost, "/emulator/hard-to-borrow", `{"symbol":"F"}`, http.StatusNoContent)
	admin(http.MethodPost, "/emulator/offering", `{"symbol":"BTC/USD"}`, http.StatusBadRequest)
	if text := asset(); !strings.Contains(text, `"ipo"`) || !strings.Contains(text, `"borrow_status":"hard_to_borrow"`) {
		t.Errorf("asset = %s", text)
	}
	if offered := call(t, from, http.MethodGet, running.URL()+"/v2/assets?attributes=ipo", "", keys()...).body; strings.Count(offered, `"symbol"`) != 1 {
		t.Errorf("offered = %s", offered)
	}
	admin(http.MethodDelete, "/emulator/offering/F", "", http.StatusNoContent)
	admin(http.MethodDelete, "/emulator/hard-to-borrow/F", "", http.StatusNoContent)
	if text := asset(); strings.Contains(text, `"ipo"`) || !strings.Contains(text, `"borrow_status":"easy_to_borrow"`) {
		t.Errorf("asset = %s", text)
	}
	admin(http.MethodPost, "/emulator/account", `{"key_id":"`+keyID+`","mleg_disabled":["submit"],"commission":true}`, http.StatusNoContent)
	admin(http.MethodPost, "/emulator/account", `{"key_id":"`+keyID+`","mleg_disabled":["other"]}`, http.StatusBadRequest)
}

func mondayMorning() time.Time { return time.Date(2026, time.November, 23, 15, 0, 0, 0, time.UTC) }

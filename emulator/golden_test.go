package emulator_test

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

var updateGolden = flag.Bool("golden", false, "write the golden files anew")

// Keys of real objects, in the order in which a paper account sent them on 2026-07-24 (crypto: 2026-07-18).
const (
	accountKeys = "id admin_configurations user_configurations account_number status crypto_status options_approved_level " +
		"options_trading_level currency buying_power regt_buying_power effective_buying_power non_marginable_buying_power " + //nolint:misspell // Alpaca's word
		"options_buying_power cash accrued_fees portfolio_value trading_blocked transfers_blocked account_blocked created_at " +
		"trade_suspended_by_user multiplier shorting_enabled equity last_equity long_market_value short_market_value " +
		"position_market_value initial_margin maintenance_margin last_maintenance_margin sma balance_asof crypto_tier " +
		"intraday_adjustments pending_reg_taf_fees"
	orderKeys = "id client_order_id created_at updated_at submitted_at filled_at expired_at canceled_at failed_at replaced_at " +
		"replaced_by replaces asset_id symbol asset_class notional qty filled_qty filled_avg_price order_class order_type type " +
		"side position_intent time_in_force limit_price stop_price status extended_hours legs trail_percent trail_price hwm " +
		"subtag source expires_at"
	positionKeys = "asset_id symbol exchange asset_class asset_marginable qty avg_entry_price side market_value cost_basis " + //nolint:misspell // Alpaca's word
		"unrealized_pl unrealized_plpc unrealized_intraday_pl unrealized_intraday_plpc current_price lastday_price change_today " +
		"qty_available"
	clockKeys  = "timestamp is_open next_open next_close"
	fillKeys   = "id activity_type transaction_time type price qty side symbol leaves_qty order_id cum_qty order_status"
	updateKeys = "at event_id event timestamp order price qty position_qty execution_id settle_date"
)

// streamOrderKeys: trade updates leave out subtag and source, and have cancel_requested_at.
func streamOrderKeys() string {
	keys := strings.Replace(orderKeys, " subtag source", "", 1)
	return strings.Replace(keys, " canceled_at", " cancel_requested_at canceled_at", 1)
}

// golden is an emulator whose clock stands on the Friday of the captures, 10:42 in New York.
type golden struct {
	t      *testing.T
	alpaca *emulator.Emulator
	client *http.Client
}

func newGolden(t *testing.T) *golden {
	t.Helper()
	alpaca := start(t, func(c *emulator.Config) {
		c.MarketClock, c.ClockStart = "fixed", time.Date(2026, time.July, 24, 14, 42, 7, 123456789, time.UTC)
	})
	for symbol, price := range map[string]string{"SPY": "737.90", "BTC/USD": "63930", "AAPL": "270"} {
		if err := alpaca.SetPrice(symbol, decimal.MustParse(price)); err != nil {
			t.Fatal(err)
		}
	}
	return &golden{t: t, alpaca: alpaca, client: client(t)}
}

func (g *golden) call(method, path, body string) answer {
	g.t.Helper()
	return call(g.t, g.client, method, g.alpaca.URL()+path, body, keys()...)
}

// object asks for a JSON object and compares keys and, but for what is random, the whole of it.
func (g *golden) object(name, wantedKeys, method, path, body string) string {
	g.t.Helper()
	got := g.call(method, path, body)
	g.compare(name, got.body)
	if wantedKeys != "" {
		g.keys(name, got.body, wantedKeys)
	}
	return got.body
}

func (g *golden) keys(name, object, wanted string) {
	g.t.Helper()
	if got := keysOf(g.t, object); !slices.Equal(got, strings.Fields(wanted)) {
		g.t.Errorf("%s has the keys %v, want %s", name, got, wanted)
	}
}

// keysOf returns an object's keys in their order.
func keysOf(t *testing.T, object string) []string {
	t.Helper()
	decoder := json.NewDecoder(strings.NewReader(object))
	if _, err := decoder.Token(); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	var names []string
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			t.Fatal(err)
		}
		text, _ := name.(string)
		names = append(names, text)
	}
	return names
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)
	anyULID = regexp.MustCompile(`"[0-7][0-9A-HJKMNP-TV-Z]{25}"`)
)

func (g *golden) compare(name, got string) {
	g.t.Helper()
	got = anyULID.ReplaceAllString(anyUUID.ReplaceAllString(got, "UUID"), `"ULID"`) + "\n"
	path := filepath.Join("testdata", "golden", name+".json")
	if *updateGolden {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			g.t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		g.t.Fatal(err)
	}
	if got != string(want) {
		g.t.Errorf("%s:\n got %s\nwant %s", name, got, want)
	}
}

// TestGoldenObjects compares what the emulator sends with what a paper account sent.
func TestGoldenObjects(t *testing.T) {
	t.Parallel()
	g := newGolden(t)
	update := g.nextUpdates()
	account := g.object("account", accountKeys, http.MethodGet, "/v2/account", "")
	for _, part := range []string{
		`"admin_configurations":{},"user_configurations":null,"account_number":"PA`, `"status":"ACTIVE","crypto_status":"ACTIVE"`,
		`"options_approved_level":3,"options_trading_level":3,"currency":"USD","buying_power":"400000","regt_buying_power":"200000"`,
		`"effective_buying_power":"400000"`, `"options_buying_power":"100000","cash":"100000","accrued_fees":"0","portfolio_value":"100000"`,
		`"multiplier":"4","shorting_enabled":true,"equity":"100000","last_equity":"100000","long_market_value":"0"`,
		`"sma":"100000","balance_asof":"2026-07-23","crypto_tier":1,"intraday_adjustments":"0","pending_reg_taf_fees":"0"}`,
	} {
		if !strings.Contains(account, part) {
			t.Errorf("the account has no %s", part)
		}
	}
	clock := g.object("clock", clockKeys, http.MethodGet, "/v2/clock", "")
	expect(t, "clock", clock, `{"timestamp":"2026-07-24T10:42:07.123456789-04:00","is_open":true,`+
		`"next_open":"2026-07-27T09:30:00-04:00","next_close":"2026-07-24T16:00:00-04:00"}`)

	g.object("order-answer", orderKeys, http.MethodPost, "/v2/orders",
		`{"symbol":"SPY","qty":"1","side":"buy","type":"market","time_in_force":"day","client_order_id":"golden-equity"}`)
	equity := g.object("order-equity", orderKeys, http.MethodGet, "/v2/orders:by_client_order_id?client_order_id=golden-equity", "")
	for _, part := range []string{
		`"asset_class":"us_equity","notional":null,"qty":"1","filled_qty":"1","filled_avg_price":"737.91","order_class":"",`,
		`"order_type":"market","type":"market","side":"buy","position_intent":"buy_to_open","time_in_force":"day"`,
		`"expires_at":"2026-07-24T20:00:00Z"}`,
	} {
		if !strings.Contains(equity, part) {
			t.Errorf("the order has no %s", part)
		}
	}
	g.tradeUpdate(update)

	if err := g.alpaca.SetPrice("SPY", decimal.MustParse("737.99")); err != nil {
		t.Fatal(err)
	}
	position := g.object("position", positionKeys, http.MethodGet, "/v2/positions/SPY", "")
	for _, part := range []string{
		`"qty":"1","avg_entry_price":"737.91","side":"long","market_value":"737.99","cost_basis":"737.91","unrealized_pl":"0.08",` +
			`"unrealized_plpc":"0.00011"`, `"current_price":"737.99"`, `"qty_available":"1"`,
	} {
		if !strings.Contains(position, part) {
			t.Errorf("the position has no %s", part)
		}
	}

	g.call(http.MethodPost, "/v2/orders",
		`{"symbol":"BTC/USD","notional":"10","side":"buy","type":"market","time_in_force":"gtc","client_order_id":"golden-crypto"}`)
	crypto := g.object("order-crypto", orderKeys, http.MethodGet, "/v2/orders:by_client_order_id?client_order_id=golden-crypto", "")
	if !strings.Contains(crypto, `"notional":"10","qty":null,`) {
		t.Errorf("a filled order in dollars is %s", crypto)
	}
	coins := g.object("position-crypto", positionKeys, http.MethodGet, "/v2/positions/BTCUSD", "")
	if !strings.Contains(coins, `"symbol":"BTCUSD","exchange":"CRYPTO"`) {
		t.Errorf("position = %s", coins)
	}
	g.fills()
	g.object("asset-equity", "", http.MethodGet, "/v2/assets/AAPL", "")
	g.object("asset-crypto", "", http.MethodGet, "/v2/assets/BTC%2FUSD", "")
}

// fills compares the activities of both trades, newest first.
func (g *golden) fills() {
	g.t.Helper()
	var list []json.RawMessage
	if err := json.Unmarshal([]byte(g.call(http.MethodGet, "/v2/account/activities/FILL", "").body), &list); err != nil || len(list) != 2 {
		g.t.Fatalf("%d activities, %v", len(list), err)
	}
	g.compare("fill-crypto", string(list[0]))
	g.keys("fill-crypto", string(list[0]), fillKeys+" swap_rate")
	g.compare("fill-equity", string(list[1]))
	g.keys("fill-equity", string(list[1]), fillKeys)
	if !strings.Contains(string(list[1]), `{"id":"20260724104207123::`) {
		g.t.Errorf("activity = %s", list[1])
	}
}

// nextUpdates listens on the trading WebSocket, as captured: both answers to the protocol, then binary frames.
func (g *golden) nextUpdates() *websocket.Conn {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 10*time.Second)
	g.t.Cleanup(cancel)
	connection, response, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(g.alpaca.URL(), "http")+"/stream", nil)
	if err != nil {
		g.t.Fatal(err)
	}
	if response.Body != nil {
		_ = response.Body.Close()
	}
	g.t.Cleanup(func() { _ = connection.CloseNow() })
	for _, exchange := range [][2]string{
		{
			`{"action":"auth","key":"` + keyID + `","secret":"` + secretKey + `"}`,
			`{"stream":"authorization","data":{"status":"authorized","action":"authenticate"}}`,
		},
		{`{"action":"listen","data":{"streams":["trade_updates"]}}`, `{"stream":"listening","data":{"streams":["trade_updates"]}}`},
	} {
		if err := connection.Write(ctx, websocket.MessageText, []byte(exchange[0])); err != nil {
			g.t.Fatal(err)
		}
		kind, message, err := connection.Read(ctx)
		if err != nil || kind != websocket.MessageBinary || string(message) != exchange[1] {
			g.t.Fatalf("answer = %v %s, %v", kind, message, err)
		}
	}
	return connection
}

// tradeUpdate compares the fill as the WebSocket and as server-sent events have it.
func (g *golden) tradeUpdate(connection *websocket.Conn) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 10*time.Second)
	defer cancel()
	var names []string
	for {
		_, message, err := connection.Read(ctx)
		if err != nil {
			g.t.Fatal(err)
		}
		var envelope struct {
			Stream string
			Data   json.RawMessage
		}
		if err := json.Unmarshal(message, &envelope); err != nil || envelope.Stream != "trade_updates" {
			g.t.Fatalf("message = %s, %v", message, err)
		}
		var update struct {
			Event string
			Order json.RawMessage
		}
		if err := json.Unmarshal(envelope.Data, &update); err != nil {
			g.t.Fatal(err)
		}
		names = append(names, update.Event)
		if update.Event != "fill" {
			continue
		}
		g.compare("trade-update", string(envelope.Data))
		g.keys("trade-update", string(envelope.Data), updateKeys)
		g.keys("order in a trade update", string(update.Order), streamOrderKeys())
		break
	}
	expect(g.t, "events", strings.Join(names, " "), "pending_new new fill")
	sse := g.call(http.MethodGet, "/v2/events/trades?since=2026-07-24&until=2026-07-24T14:42:07.123456Z", "")
	var last string
	for line := range strings.SplitSeq(sse.body, "\n") {
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			last = data
		}
	}
	g.compare("trade-event", last)
	g.keys("trade-event", last, "account_id "+updateKeys)
}

// TestListParameters: every parameter of the lists refuses what it does not have, and names itself.
func TestListParameters(t *testing.T) {
	t.Parallel()
	g := newGolden(t)
	const id = "11111111-2222-3333-4444-555555555555"
	for target, message := range map[string]string{
		"/v2/orders?status=done":                                                               "invalid status",
		"/v2/orders?direction=up":                                                              "invalid direction",
		"/v2/orders?side=hold":                                                                 "invalid side",
		"/v2/orders?nested=maybe":                                                              "invalid nested",
		"/v2/orders?limit=501":                                                                 "invalid limit: must be from 1 to 500",
		"/v2/orders?limit=x":                                                                   "invalid limit: must be from 1 to 500",
		"/v2/orders?after=yesterday":                                                           "invalid after: want a date or an RFC 3339 time",
		"/v2/orders?until=2026-13-01":                                                          "invalid until: want a date or an RFC 3339 time",
		"/v2/orders?asset_class=gold":                                                          "invalid asset_class: gold",
		"/v2/orders?before_order_id=" + id + "&after_order_id=" + id:                           "before_order_id and after_order_id are mutually exclusive",
		"/v2/orders?before_order_id=" + id + "&until=2026-01-01":                               "before_order_id and after_order_id cannot be used with after or until",
		"/v2/orders?after_order_id=x":                                                          "order_id is missing",
		"/v2/assets?asset_class=gold":                                                          "invalid asset_class: gold",
		"/v2/options/contracts?limit=10001":                                                    "invalid limit: must be from 1 to 10000",
		"/v2/options/contracts?type=straddle":                                                  "invalid type: straddle",
		"/v2/options/contracts?style=asian":                                                    "invalid style: asian",
		"/v2/options/contracts?status=gone":                                                    "invalid status: gone",
		"/v2/options/contracts?expiration_date=soon":                                           "invalid expiration_date: want YYYY-MM-DD",
		"/v2/options/contracts?strike_price_gte=high":                                          "invalid strike_price_gte",
		"/v2/options/contracts?page_token=x":                                                   "invalid page_token",
		"/v2/options/contracts?ppind=penny":                                                    "invalid ppind",
		"/v2/options/contracts?show_deliverables=all":                                          "invalid show_deliverables",
		"/v2/account/activities?category=all":                                                  "invalid category",
		"/v2/account/activities?category=trade_activity&activity_types=FILL":                   "only one of category or activity_types is accepted",
		"/v2/account/activities?page_size=101":                                                 "invalid page_size: must be from 1 to 100",
		"/v2/account/activities?direction=up":                                                  "invalid direction",
		"/v2/account/portfolio/history?period=1Y":                                              "invalid period: want a number and D, W, M or A",
		"/v2/account/portfolio/history?timeframe=2Min":                                         "invalid timeframe: want 1Min, 5Min, 15Min, 1H or 1D",
		"/v2/account/portfolio/history?period=2A&timeframe=1Min":                               "timeframe 1Min is only available for up to 30 days",
		"/v2/account/portfolio/history?pnl_reset=never":                                        "invalid pnl_reset",
		"/v2/account/portfolio/history?intraday_reporting=night":                               "invalid intraday_reporting",
		"/v2/account/portfolio/history?start=2026-01-01&end=2026-02-01&period=1M":              "only two of start, end and period can be specified",
		"/v2/corporate_actions/announcements?since=2026-01-01&until=2026-01-02":                "invalid param: ca_types is required",
		"/v2/corporate_actions/announcements?ca_types=split&since=2026-01-01":                  "invalid param: both since \\u0026 until required",
		"/v2/corporate_actions/announcements?ca_types=split&since=2026-01-01&until=2026-06-01": "invalid param: date range is limited to 90 days",
	} {
		got := g.call(http.MethodGet, target, "")
		expect(t, target+" status", got.status, http.StatusUnprocessableEntity)
		expect(t, target, got.body, `{"code":40010001,"message":"`+message+`"}`)
	}
	qty := g.call(http.MethodDelete, "/v2/positions/SPY?qty=1&percentage=50", "")
	expect(t, "no position", qty.status, http.StatusNotFound)
}

// TestGoldenErrors compares error bodies with captured and documented ones.
func TestGoldenErrors(t *testing.T) {
	t.Parallel()
	g := newGolden(t)
	const limit = `{"symbol":"SPY","qty":"1","side":"%s","type":"limit","limit_price":"700","time_in_force":"day","client_order_id":"twice"}`
	order := func(side string) string { return strings.Replace(limit, "%s", side, 1) }
	g.call(http.MethodPost, "/v2/orders", order("buy"))
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string // with * for what differs
	}{
		{"error-duplicate", "POST", "/v2/orders", order("buy"), 422, `{"code":40010001,"message":"client_order_id must be unique"}`},
		{"error-wash-trade", "POST", "/v2/orders", `{"symbol":"SPY","qty":"1","side":"sell","type":"market","time_in_force":"day"}`, 403, `{"code":40310000,"existing_order_id":"UUID","message":"potential wash trade detected. use complex orders","reject_reason":"opposite side limit order exists. use complex/limit/stop_limit orders"}`},
		{"error-no-position", "GET", "/v2/positions/SPY", "", 404, `{"code":40410000,"message":"position does not exist"}`},
		{"error-no-symbol", "GET", "/v2/positions/NOPE", "", 404, `{"code":40410000,"message":"symbol not found: NOPE"}`},
		{"error-no-order", "GET", "/v2/orders/00000000-0000-4000-8000-000000000000", "", 404, `{"code":40410000,"message":"order not found for UUID"}`},
		{"error-no-order-id", "GET", "/v2/orders/x", "", 422, `{"code":40010001,"message":"order_id is missing"}`},
		{"error-no-endpoint", "GET", "/v2/nope", "", 404, `{"code":40410000,"message":"endpoint not found"}`},
		{"error-buying-power", "POST", "/v2/orders", `{"symbol":"SPY","qty":"1000","side":"buy","type":"market","time_in_force":"day"}`, 403, `{"buying_power":"399300","code":40310000,"cost_basis":"737910","message":"insufficient buying power"}`},
		{"error-stop-price", "POST", "/v2/orders", `{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day","order_class":"bracket","take_profit":{"limit_price":"9999"},"stop_loss":{"stop_price":"9000"}}`, 422, `{"code":42210000,"market_price":"270","message":"stop price must be less than current price","stop_price":"9000"}`},
		{"error-since", "GET", "/v2/events/trades?until=2026-07-24", "", 422, `{"code":40010001,"message":"invalid param: both since \u0026 until required"}`},
		{"error-watchlist", "GET", "/v2/watchlists/00000000-0000-4000-8000-000000000000", "", 404, ""},
		{"error-exercise", "POST", "/v2/positions/AAPL260731C00270000/exercise", "", 404, `{"code":40410000,"message":"long position not found: AAPL260731C00270000"}`},
	} {
		got := g.call(c.method, c.path, c.body)
		expect(t, c.name+" status", got.status, c.status)
		expect(t, c.name+" type", got.header.Get("Content-Type"), "application/json; charset=UTF-8")
		g.compare(c.name, got.body)
		if text := anyUUID.ReplaceAllString(got.body, "UUID"); c.want != "" && text != c.want {
			t.Errorf("%s = %s, want %s", c.name, text, c.want)
		}
	}
	stranger := call(t, g.client, http.MethodGet, g.alpaca.URL()+"/v2/account", "", "APCA-API-KEY-ID", keyID, "APCA-API-SECRET-KEY", "no")
	expect(t, "status", stranger.status, http.StatusUnauthorized)
	g.compare("error-unauthorized", stranger.body)
}

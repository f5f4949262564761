package trading_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/data"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/trading"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// desk is the Trading API over an account with a stock, an option, a multi-leg order and a watchlist.
type desk struct {
	handler http.Handler
	orders  []string // IDs
}

const contract = "AAPL261204C00270000"

// shop is what desks share: they are many, and a catalogue takes longer than all the rest.
type shop struct{ catalogue *asset.Catalogue }

func newShop(t testing.TB) shop {
	t.Helper()
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return shop{catalogue}
}

func (s shop) newDesk(t testing.TB) *desk {
	t.Helper()
	catalogue := s.catalogue
	fake := clock.NewFake(time.Date(2026, time.November, 23, 15, 0, 0, 0, time.UTC))
	hours, err := session.NewClock(session.Settings{Mode: session.Real}, fake)
	if err != nil {
		t.Fatal(err)
	}
	prices := market.New(7, hours)
	prices.Pin("AAPL", decimal.FromInt(275))
	venue := exchange.New(exchange.Settings{FillLatency: -1, PartialFillProbability: -1}, hours, prices, catalogue)
	account, err := venue.Open(exchange.Opening{ID: "11111111-2222-3333-4444-555555555555", KeyID: "K", SecretKey: "S"})
	if err != nil {
		t.Fatal(err)
	}
	actions := &data.API{Catalogue: catalogue, Clock: hours, Market: prices, Seed: 7}
	mux := http.NewServeMux()
	api := &trading.API{Catalogue: catalogue, Clock: hours, Market: prices, Announcements: actions.Announcements, Listing: venue.Listing}
	api.Register(mux, &access.Gate{Accounts: venue, Trading: access.NewLimiter(-1, fake.Now)})
	d := &desk{handler: mux}
	for _, body := range []string{
		`{"symbol":"AAPL","qty":150,"side":"buy","type":"market","time_in_force":"day"}`,
		`{"symbol":"` + contract + `","qty":1,"side":"buy","type":"market","time_in_force":"day"}`,
		`{"symbol":"AAPL","qty":5,"side":"buy","type":"limit","limit_price":"50","time_in_force":"gtc"}`,
		`{"order_class":"mleg","qty":1,"type":"limit","limit_price":"0.01","time_in_force":"day","legs":[` +
			`{"symbol":"AAPL261204C00275000","ratio_qty":1,"position_intent":"buy_to_open"},` +
			`{"symbol":"AAPL261204C00280000","ratio_qty":1,"position_intent":"sell_to_open"}]}`,
	} {
		request, err := exchange.DecodeOrder([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		order, err := account.Submit(request)
		if err != nil {
			t.Fatal(err)
		}
		d.orders = append(d.orders, order.ID)
	}
	if answer := d.call(http.MethodPost, "/v2/watchlists", `{"name":"fuzz","symbols":["AAPL"]}`); answer.Code != http.StatusOK {
		t.Fatalf("watchlist: %s", answer.Body)
	}
	return d
}

func (d *desk) call(method, target, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(method, target, strings.NewReader(body))
	request.Header.Set("Apca-Api-Key-Id", "K")
	request.Header.Set("Apca-Api-Secret-Key", "S")
	recorder := httptest.NewRecorder()
	d.handler.ServeHTTP(recorder, request)
	return recorder
}

// check: whatever was asked, the answer is a JSON document or empty, and no failure of the server.
func check(t *testing.T, what string, answer *httptest.ResponseRecorder) {
	t.Helper()
	if answer.Code >= http.StatusInternalServerError {
		t.Fatalf("%s: status %d: %s", what, answer.Code, answer.Body)
	}
	if body := answer.Body.Bytes(); len(body) > 0 && strings.HasPrefix(answer.Header().Get("Content-Type"), "application/json") && !json.Valid(body) {
		t.Fatalf("%s: no JSON: %s", what, body)
	}
}

// listings are the routes whose query has parameters.
func listings() []string {
	return []string{
		"/v2/orders", "/v2/orders:by_client_order_id", "/v2/account/activities", "/v2/account/activities/FILL",
		"/v2/account/portfolio/history", "/v2/options/contracts", "/v2/corporate_actions/announcements", "/v2/assets",
		"/v2/calendar", "/v3/clock", "/v3/calendar/NYSE", "/v2/watchlists:by_name", "/v2/positions/AAPL",
		"/v1/locates", "/v1/locates/quotes",
	}
}

// FuzzQueries: no query string fails the server, and reading changes nothing.
func FuzzQueries(f *testing.F) {
	for i, query := range []string{
		"status=all&limit=500&nested=true&direction=asc&symbols=AAPL,BTCUSD&side=buy&asset_class=us_option,all&after=2026-01-01&until=2027-01-01",
		"client_order_id=x", "activity_types=FILL,OPEXP&page_size=1&direction=asc&date=2026-11-23", "category=trade_activity&page_token=x&order_id=y",
		"period=1M&timeframe=1D&intraday_reporting=continuous&pnl_reset=no_reset&start=2026-01-01T00:00:00Z",
		"underlying_symbols=AAPL&expiration_date_gte=2026-01-01&strike_price_gte=1e2&type=call&style=american&limit=3&page_token=QUFQTDI2&ppind=true",
		"ca_types=Dividend&since=2026-01-01&until=2026-02-01&date_type=ex_date", "status=active&asset_class=crypto&attributes=ipo",
		"start=0001-01-01&end=9999-12-31&date_type=SETTLEMENT", "markets=NYSE,XNAS&time=2026-11-23T15:00:00Z", "start=2026-01-01&timezone=UTC",
		"name=fuzz", "before_order_id=11111111-2222-3333-4444-555555555555",
		"status=active&symbol=GME&limit=2&start=2026-01-01&end=2027-01-01&page_token=eyJpZCI6IngifQ", "symbols=GME,AAPL,,X",
	} {
		f.Add(i, query)
	}
	d := newShop(f).newDesk(f)
	f.Fuzz(func(t *testing.T, route int, query string) {
		routes := listings()
		target := url.URL{Path: routes[uint(route)%uint(len(routes))], RawQuery: query}
		if _, err := url.ParseRequestURI(target.String()); err != nil || strings.ContainsAny(target.String(), " \x7f") {
			t.Skip("no request line")
		}
		check(t, target.String(), d.call(http.MethodGet, target.String(), ""))
	})
}

// FuzzBodies: no body fails the server, whatever it is sent to.
func FuzzBodies(f *testing.F) {
	for i, body := range []string{
		`{"symbol":"AAPL","qty":"1","side":"buy","type":"market","time_in_force":"day"}`,
		`{"order_class":"mleg","qty":"1","type":"market","time_in_force":"day","legs":[{"symbol":"AAPL261204C00275000","ratio_qty":"1","position_intent":"buy_to_open"},{"symbol":"AAPL261204C00280000","ratio_qty":"1","side":"sell","position_intent":"sell_to_open"}]}`,
		`{"qty":"2","limit_price":"0.02"}`, `{"limit_price":-1}`, `{"qty":1}`, ``, `{"no_shorting":true,"max_options_trading_level":null}`,
		`{"name":"list","symbols":["BTC/USD"]}`, `{"symbol":"MSFT"}`,
		`{"symbol":"GME","qty":100,"limit_price":"0.05","all_or_none":true}`,
	} {
		f.Add(i, body)
	}
	desks := newShop(f)
	f.Fuzz(func(t *testing.T, route int, body string) {
		d := desks.newDesk(t)
		routes := [][2]string{
			{"POST", "/v2/orders"}, {"POST", "/v2/orders"}, {"PATCH", "/v2/orders/" + d.orders[2]}, {"PATCH", "/v2/orders/" + d.orders[3]},
			{"POST", "/v2/positions/" + contract + "/exercise"}, {"POST", "/v2/positions/" + contract + "/do-not-exercise"},
			{"PATCH", "/v2/account/configurations"}, {"POST", "/v2/watchlists"}, {"POST", "/v2/watchlists:by_name?name=fuzz"},
			{"PUT", "/v2/watchlists:by_name?name=fuzz"}, {"POST", "/v1/locates"},
		}
		to := routes[uint(route)%uint(len(routes))]
		check(t, to[0]+" "+to[1]+" "+body, d.call(to[0], to[1], body))
		check(t, "account", d.call(http.MethodGet, "/v2/account", ""))
		check(t, "orders", d.call(http.MethodGet, "/v2/orders?status=all&nested=true", ""))
		check(t, "positions", d.call(http.MethodGet, "/v2/positions", ""))
	})
}

// FuzzClosing: no quantity or percentage fails the server or closes more than there is.
func FuzzClosing(f *testing.F) {
	f.Add("AAPL", "1.5", "")
	f.Add("AAPL", "", "33.3")
	f.Add(contract, "1e-9", "")
	f.Add("BTCUSD", "", "100")
	desks := newShop(f)
	f.Fuzz(func(t *testing.T, symbol, qty, percentage string) {
		query := url.Values{}
		if qty != "" {
			query.Set("qty", qty)
		}
		if percentage != "" {
			query.Set("percentage", percentage)
		}
		target := "/v2/positions/" + url.PathEscape(symbol) + "?" + query.Encode()
		if strings.Contains(symbol, "/") || symbol == "" || symbol == "." || symbol == ".." {
			t.Skip("another path")
		}
		d := desks.newDesk(t)
		check(t, target, d.call(http.MethodDelete, target, ""))
		for _, held := range []string{"AAPL", contract} {
			var position struct {
				Qty decimal.Decimal `json:"qty"`
			}
			answer := d.call(http.MethodGet, "/v2/positions/"+held, "")
			if err := json.Unmarshal(answer.Body.Bytes(), &position); answer.Code == http.StatusOK && (err != nil || position.Qty.IsNeg()) {
				t.Fatalf("%s left %s of %s, %v", target, position.Qty, held, err)
			}
		}
	})
}

package quote_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/functions/quote"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// emulated is a function on an emulated Alpaca with real credentials and limits, by the clock on the wall.
type emulated struct {
	*bench
	emulator *emulator.Emulator
}

func startEmulated(t *testing.T, options ...option) *emulated {
	t.Helper()
	return startWithPlan(t, "", options...)
}

// startWithPlan is startEmulated with both accounts on a data plan, empty for the emulator's own choice.
func startWithPlan(t *testing.T, plan access.Plan, options ...option) *emulated {
	t.Helper()
	e, err := emulator.New(emulator.Config{
		Accounts: []emulator.Account{{KeyID: "PK1", SecretKey: "s1", DataPlan: plan}, {KeyID: "PK2", SecretKey: "s2", DataPlan: plan}},
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	b := &bench{t: t, redis: miniredis.RunT(t), clock: clock.NewFake(time.Now()), alpaca: startAlpaca(t)}
	b.redis.SetTime(b.clock.Now())
	options = append([]option{func(c *quote.Config) {
		c.DataURL, c.TradingURL = e.URL(), e.URL()
		c.AccountsFile = twoAccounts(t)
		c.UpstreamTimeout = 30 * time.Second // the emulator works out a chain's greeks, and the machine may be busy
	}}, options...)
	started := &emulated{bench: b.startFunction(options...), emulator: e}
	// Until the emulator's clock is read the exchange's calendar decides, and how long things are kept depends on it.
	storetest.Eventually(t, "the emulator's market counts as open", func() bool {
		return started.object("/api/v1/market/status")["stocks"] == "open"
	})
	return started
}

func twoAccounts(t testing.TB) string {
	t.Helper()
	content, err := vault.Marshal([]vault.Account{
		{ID: "ACC001", Type: vault.TypePaper, MarketData: true, Credentials: alpaca.Credentials{KeyID: "PK1", SecretKey: "s1"}},
		{ID: "ACC002", Type: vault.TypePaper, MarketData: true, Credentials: alpaca.Credentials{KeyID: "PK2", SecretKey: "s2"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// contract is a call on AAPL with greeks.
func (e *emulated) contract() string {
	e.t.Helper()
	later := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	got := e.get("/api/v1/options/AAPL/chain?option_type=call&expiration_date_gte=" + later)
	var chain quote.OptionChain
	if err := json.Unmarshal(got.Data, &chain); got.Status != http.StatusOK || err != nil {
		e.t.Fatalf("chain: %d %+v %v", got.Status, got.Error, err)
	}
	for _, option := range chain.Options {
		if option.Delta != nil && option.LastPrice != nil && option.Delta.LessThan(decimal.MustParse("0.8")) {
			return option.Symbol
		}
	}
	e.t.Fatalf("no contract with greeks among %d", len(chain.Options))
	return ""
}

// object is decoded data.
type object = map[string]any

func (e *emulated) object(path string) object {
	e.t.Helper()
	got := e.get(path)
	var data object
	if err := json.Unmarshal(got.Data, &data); got.Status != http.StatusOK || err != nil {
		e.t.Fatalf("GET %s: %d %+v %v", path, got.Status, got.Error, err)
	}
	return data
}

func TestEveryRead(t *testing.T) {
	t.Parallel()
	e := startEmulated(t)
	option := e.contract()
	lastWeek := time.Now().AddDate(0, 0, -7).Format(time.DateOnly)
	prices, trade, bar := "bid_price ask_price last_price timestamp as_of feed stale", "price size timestamp as_of feed stale", "open high low close volume vwap trade_count timestamp as_of feed stale"
	cases := []struct{ path, fields string }{
		{"/stocks/AAPL/quote", "symbol volume " + prices},
		{"/stocks/aapl/trade", "symbol exchange conditions tape trade_id " + trade},
		{"/stocks/AAPL/bar", "symbol " + bar},
		{"/stocks/BRK.B/snapshot", "symbol quote trade minute_bar daily_bar previous_daily_bar as_of feed stale"},
		{"/stocks/AAPL/bars?timeframe=1Day&start=" + lastWeek, "symbol timeframe bars next_page_token as_of feed stale"},
		{"/stocks/AAPL/trades?limit=5", "symbol trades next_page_token as_of"},
		{"/stocks/quotes?symbols=AAPL,MSFT", "quotes errors"},
		{"/stocks/trades/latest?symbols=AAPL,MSFT", "trades errors"},
		{"/stocks/bars/latest?symbols=AAPL,MSFT", "bars errors"},
		{"/stocks/snapshots?symbols=AAPL,MSFT", "snapshots errors"},
		{"/stocks/bars?symbols=AAPL,MSFT&timeframe=1Hour&adjustment=split,dividend", "bars errors timeframe next_page_token"},
		{"/stocks/trades?symbols=AAPL,MSFT&limit=3", "trades errors next_page_token"},
		{"/options/" + option + "/quote", "option_symbol underlying_symbol strike_price expiration_date option_type implied_volatility delta gamma theta vega rho bid_price ask_price"},
		{"/options/quote/" + option, "option_symbol"},
		{"/options/" + option + "/trade", "symbol " + trade},
		{"/options/" + option + "/snapshot", "symbol quote greeks implied_volatility"},
		{"/options/" + option + "/bars?timeframe=1Day&start=" + lastWeek, "symbol bars"},
		{"/options/" + option + "/trades?limit=3", "symbol trades"},
		{"/options/quotes?symbols=" + option, "quotes errors"},
		{"/options/snapshots?symbols=" + option, "snapshots errors"},
		{"/options/bars?timeframe=1Day&symbols=" + option, "bars errors"},
		{"/options/AAPL/chain", "underlying_symbol expiration_dates options next_page_token as_of feed stale"},
		{"/options/chain/AAPL?limit=2", "underlying_symbol options"},
		{"/crypto/BTC%2FUSD/quote", "symbol " + prices},
		{"/crypto/BTCUSD/quote", "symbol " + prices},
		{"/crypto/BTCUSD/trade", "symbol taker_side " + trade},
		{"/crypto/BTCUSD/bar", "symbol " + bar},
		{"/crypto/BTCUSD/snapshot", "symbol quote trade minute_bar daily_bar"},
		{"/crypto/BTCUSD/orderbook", "symbol bids asks timestamp as_of feed stale"},
		{"/crypto/BTCUSD/bars?timeframe=15Min", "symbol bars"},
		{"/crypto/BTCUSD/trades?limit=3&sort=desc", "symbol trades"},
		{"/crypto/quotes?symbols=BTC%2FUSD,ETHUSD", "quotes errors"},
		{"/crypto/bars?symbols=BTC%2FUSD,ETHUSD&timeframe=1T", "bars errors"},
		{"/market/clock", "timestamp is_open next_open next_close as_of stale"},
		{"/market/calendar?start=2026-11-23&end=2026-11-30", "days as_of stale"},
		{"/market/status", "phase is_open until stocks options crypto timestamp"},
	}
	for _, c := range cases {
		t.Run(c.path, func(t *testing.T) {
			data := e.object("/api/v1" + c.path)
			for field := range strings.FieldsSeq(c.fields) {
				if _, ok := data[field]; !ok {
					t.Errorf("no %s in %v", field, data)
				}
			}
			if errors, ok := data["errors"].([]any); ok && len(errors) > 0 {
				t.Errorf("errors: %v", errors)
			}
		})
	}
}

func TestPages(t *testing.T) {
	t.Parallel()
	e := startEmulated(t)
	for path, items := range map[string]string{
		"/api/v1/stocks/AAPL/trades?limit=4&end=" + time.Now().Format(time.RFC3339): "trades",
		"/api/v1/options/AAPL/chain?limit=40&strike_price_gte=1":                    "options",
		"/api/v1/crypto/BTCUSD/bars?timeframe=1Min&limit=7":                         "bars",
	} {
		seen := map[string]bool{}
		token := ""
		for range 3 {
			page := path
			if token != "" {
				page += "&page_token=" + strings.NewReplacer("+", "%2B", "/", "%2F", "=", "%3D").Replace(token)
			}
			data := e.object(page)
			list, _ := data[items].([]any)
			if len(list) == 0 {
				t.Fatalf("%s: an empty page", page)
			}
			for _, item := range list {
				text := fmt.Sprint(item)
				if seen[text] {
					t.Errorf("%s: twice: %s", page, text)
				}
				seen[text] = true
			}
			token, _ = data["next_page_token"].(string)
			if token == "" {
				break
			}
		}
	}
}

func TestChainFilters(t *testing.T) {
	t.Parallel()
	e := startEmulated(t)
	whole := e.object("/api/v1/options/AAPL/chain?limit=150")
	dates, _ := whole["expiration_dates"].([]any)
	date, _ := dates[0].(string)
	for _, c := range []struct {
		query string
		holds func(option object) bool
	}{
		{"option_type=put", func(o object) bool { return o["option_type"] == "put" }},
		{"expiration_date=" + date, func(o object) bool { return o["expiration_date"] == date }},
		{"expiration_date_lte=" + date, func(o object) bool { return o["expiration_date"].(string) <= date }},
		{"strike_price_gte=200&strike_price_lte=210", func(o object) bool { s := o["strike_price"].(float64); return s >= 200 && s <= 210 }},
		{"root_symbol=aapl", func(o object) bool { return o["underlying_symbol"] == "AAPL" }},
	} {
		data := e.object("/api/v1/options/AAPL/chain?limit=50&" + c.query)
		list, _ := data["options"].([]any)
		if len(list) == 0 {
			t.Errorf("%s: nothing", c.query)
		}
		for _, item := range list {
			if option, _ := item.(object); !c.holds(option) {
				t.Fatalf("%s: %v", c.query, option)
			}
		}
	}
}

func TestBadInput(t *testing.T) {
	t.Parallel()
	e := startEmulated(t)
	tooMany := strings.TrimSuffix(strings.Repeat("A,", 201), ",")
	cases := []struct{ name, path, code, field string }{
		{"option symbol", "/options/AAPL/quote", "INVALID_REQUEST", "symbol"},
		{"option date", "/options/AAPL271345C00150000/quote", "INVALID_REQUEST", "symbol"},
		{"option strike", "/options/AAPL270115C00000000/quote", "INVALID_REQUEST", "symbol"},
		{"unknown option", "/options/AAPL270116C00150000/quote", "SYMBOL_NOT_FOUND", ""},
		{"pair", "/crypto/BTC/quote", "INVALID_REQUEST", "symbol"},
		{"pair of one", "/crypto/USD%2FUSD/quote", "INVALID_REQUEST", "symbol"},
		{"unknown pair", "/crypto/XYZ%2FUSD/quote", "SYMBOL_NOT_FOUND", ""},
		{"unknown pair's book", "/crypto/XYZ%2FUSD/orderbook", "SYMBOL_NOT_FOUND", ""},
		{"unknown stock", "/stocks/ZZZZZ/snapshot", "SYMBOL_NOT_FOUND", ""},
		{"201 options", "/options/quotes?symbols=" + tooMany, "INVALID_REQUEST", "symbols"},
		{"201 stocks' bars", "/stocks/bars?timeframe=1Day&symbols=" + tooMany, "INVALID_REQUEST", "symbols"},
		{"only malformed", "/stocks/bars?timeframe=1Day&symbols=$", "INVALID_REQUEST", "symbols"},
		{"no timeframe", "/stocks/AAPL/bars", "INVALID_REQUEST", "timeframe"},
		{"timeframe of 60 minutes", "/stocks/AAPL/bars?timeframe=60Min", "INVALID_REQUEST", "timeframe"},
		{"timeframe of 5 months", "/stocks/AAPL/bars?timeframe=5Month", "INVALID_REQUEST", "timeframe"},
		{"timeframe twice", "/stocks/AAPL/bars?timeframe=1Day&timeframe=1Min", "INVALID_REQUEST", "timeframe"},
		{"start", "/stocks/AAPL/bars?timeframe=1Day&start=yesterday", "INVALID_REQUEST", "start"},
		{"start in the future", "/stocks/AAPL/bars?timeframe=1Day&start=2150-01-01", "INVALID_REQUEST", "start"},
		{"year", "/stocks/AAPL/bars?timeframe=1Day&start=0001-01-01", "INVALID_REQUEST", "start"},
		{"end before start", "/stocks/AAPL/trades?start=2026-01-02&end=2026-01-01", "INVALID_REQUEST", "end"},
		{"limit of 0", "/stocks/AAPL/trades?limit=0", "INVALID_REQUEST", "limit"},
		{"limit of 10,001", "/stocks/AAPL/trades?limit=10001", "INVALID_REQUEST", "limit"},
		{"sort", "/stocks/AAPL/trades?sort=up", "INVALID_REQUEST", "sort"},
		{"adjustment", "/stocks/AAPL/bars?timeframe=1Day&adjustment=split,some", "INVALID_REQUEST", "adjustment"},
		{"adjustment of crypto", "/crypto/BTCUSD/bars?timeframe=1Day&adjustment=raw", "INVALID_REQUEST", "adjustment"},
		{"page token", "/stocks/AAPL/trades?page_token=%00", "INVALID_REQUEST", "page_token"},
		{"foreign page token", "/stocks/AAPL/trades?page_token=eHh4", "INVALID_REQUEST", ""},
		{"long page token", "/stocks/AAPL/trades?page_token=" + strings.Repeat("x", 600), "INVALID_REQUEST", "page_token"},
		{"option type", "/options/AAPL/chain?option_type=straddle", "INVALID_REQUEST", "option_type"},
		{"expiration", "/options/AAPL/chain?expiration_date=01/15/2027", "INVALID_REQUEST", "expiration_date"},
		{"two expirations", "/options/AAPL/chain?expiration_date=2027-01-15&expiration_date_gte=2027-01-01", "INVALID_REQUEST", "expiration_date"},
		{"strike", "/options/AAPL/chain?strike_price_gte=-1", "INVALID_REQUEST", "strike_price_gte"},
		{"strikes in the wrong order", "/options/AAPL/chain?strike_price_gte=2&strike_price_lte=1", "INVALID_REQUEST", "strike_price_lte"},
		{"chain page of 1,001", "/options/AAPL/chain?limit=1001", "INVALID_REQUEST", "limit"},
		{"calendar", "/market/calendar?start=2026-12-01&end=2026-11-01", "INVALID_REQUEST", "end"},
		{"calendar of ten years", "/market/calendar?start=2016-12-01&end=2026-11-01", "INVALID_REQUEST", "end"},
		{"unknown filter", "/options/AAPL/chain?colour=red", "INVALID_REQUEST", "colour"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := e.get("/api/v1" + c.path)
			if got.Error.Code != c.code || got.Error.Message == "" || (c.field != "" && got.Error.Details["field"] != c.field) {
				t.Errorf("status %d, %+v, want %s about %s", got.Status, got.Error, c.code, c.field)
			}
		})
	}
	both := `{"symbols":["AAPL270115C00150000"],"option_symbols":["AAPL270115C00150000"]}`
	e.mustFail(e.send(http.MethodPost, "/api/v1/options/quotes", e.token, both), http.StatusBadRequest, "INVALID_REQUEST")
}

// TestFaults reads through every way in which Alpaca can fail: what was read before is answered as stale, what was not is
// a clear error, and other symbols go on.
func TestFaults(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		fault  fault.Fault
		status int
	}{
		{"401", fault.Fault{Kind: fault.Status, Status: 401, Message: "unauthorized."}, 502},
		{"403", fault.Fault{Kind: fault.Status, Status: 403, Message: "subscription does not permit querying recent SIP data"}, 502},
		{"429", fault.Fault{Kind: fault.RateLimit}, 503},
		{"500", fault.Fault{Kind: fault.Status, Status: 500, Message: "internal server error occurred"}, 502},
		{"503", fault.Fault{Kind: fault.Status, Status: 503, Message: "service unavailable"}, 502},
		{"connection breaks", fault.Fault{Kind: fault.DropBefore}, 503},
		{"half an answer", fault.Fault{Kind: fault.Truncated, KeepBytes: 20}, 502},
		{"timeout", fault.Fault{Kind: fault.Latency, LatencyMS: 10_000}, 504},
	}
	paths := map[string]string{
		"/api/v1/stocks/%s/quote": "/v2/stocks*", "/api/v1/stocks/%s/bars?timeframe=1Min": "/v2/stocks*",
		"/api/v1/options/%s/chain?limit=2": "/v1beta1/options*",
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			for path, route := range paths {
				e := startEmulated(t, func(cfg *quote.Config) {
					cfg.CacheWait = 500 * time.Millisecond
					if c.name == "timeout" {
						cfg.UpstreamTimeout = time.Second
					}
				})
				e.object(fmt.Sprintf(path, "AAPL"))
				e.advance(2 * time.Second)
				broken := c.fault
				broken.Route = route
				if _, err := e.emulator.Faults().Add(broken); err != nil {
					t.Fatal(err)
				}
				e.advance(10 * time.Second)
				data := e.object(fmt.Sprintf(path, "AAPL"))
				if data["stale"] != true || data["as_of"] == nil {
					t.Errorf("%s: not stale: %v", path, data)
				}
				got := e.get(fmt.Sprintf(path, "MSFT"))
				if got.Status != c.status || got.Error.Code != "UPSTREAM_UNAVAILABLE" {
					t.Errorf("%s of what was never read: %d %+v, want %d", path, got.Status, got.Error, c.status)
				}
				e.object("/api/v1/market/status")
				e.emulator.Faults().Clear()
				e.settled()
				e.advance(90 * time.Second) // refused keys rest for a minute
				if data := e.object(fmt.Sprintf(path, "AAPL")); data["stale"] != false {
					t.Errorf("%s: still stale afterwards: %v", path, data["as_of"])
				}
			}
		})
	}
}

func TestOneRefusedKeyOfTwo(t *testing.T) {
	t.Parallel()
	e := startEmulated(t)
	if _, err := e.emulator.Faults().Add(fault.Fault{Kind: fault.Status, Status: 401, KeyID: "PK1", Message: "unauthorized."}); err != nil {
		t.Fatal(err)
	}
	for i := range 6 {
		e.object(fmt.Sprintf("/api/v1/stocks/%s/quote", []string{"AAPL", "MSFT", "TSLA", "SPY", "QQQ", "NVDA"}[i]))
	}
	answers := e.emulator.Faults().Answers()
	if answers["PK1"]["401"] > 2 { // its reads are one, the exchange's clock another
		t.Errorf("the refused key was asked again and again: %v", answers)
	}
}

// TestBudgets asks for more than Alpaca allows and counts what reaches it: no key gets a 429.
func TestBudgets(t *testing.T) {
	t.Parallel()
	for _, redisAway := range []bool{false, true} {
		t.Run(fmt.Sprintf("redis away %t", redisAway), func(t *testing.T) {
			t.Parallel()
			e := startEmulated(t, func(c *quote.Config) { c.DataRequestsPerMinute, c.BatchWindow = 20, 0 })
			if err := e.emulator.SetDataPlan("PK1", "basic"); err != nil {
				t.Fatal(err)
			}
			if redisAway {
				e.redis.Close()
			}
			refused := 0
			for i := range 120 {
				got := e.get(fmt.Sprintf("/api/v1/stocks/S%c%c/bars?timeframe=1Day&limit=%d", 'A'+i%26, 'A'+i/26%26, i+1))
				if got.Status == http.StatusServiceUnavailable {
					refused++
					if got.Header.Get("Retry-After") == "" {
						t.Fatal("no Retry-After")
					}
				} else if got.Status != http.StatusOK {
					t.Fatalf("%d %+v", got.Status, got.Error)
				}
			}
			for key, byStatus := range e.emulator.Faults().Answers() {
				if byStatus["429"] > 0 {
					t.Errorf("%s got %v", key, byStatus)
				}
			}
			if redisAway && refused == 0 {
				t.Error("without Redis this instance takes the whole budget for itself")
			}
		})
	}
}

func TestExchangeHoursWithoutAlpaca(t *testing.T) {
	t.Parallel()
	e := startEmulated(t)
	if _, err := e.emulator.Faults().Add(fault.Fault{Kind: fault.Status, Status: 500, Route: "/v2/c*"}); err != nil {
		t.Fatal(err)
	}
	clockData := e.object("/api/v1/market/clock")
	mustEqual[any](t, "source of the clock", clockData["feed"], "rules")
	days := e.object("/api/v1/market/calendar?start=2026-11-23&end=2026-11-30")
	mustEqual[any](t, "source of the calendar", days["feed"], "rules")
	list, _ := days["days"].([]any)
	mustEqual(t, "days with a holiday and a weekend among them", len(list), 5)
	half, _ := list[3].(object)
	mustEqual(t, "half day", fmt.Sprintf("%v %v %v", half["date"], half["close"], half["session_close"]), "2026-11-27 13:00 17:00")
}

func TestCachingHeaders(t *testing.T) {
	t.Parallel()
	e := startEmulated(t)
	for path, visibility := range map[string]string{
		"/api/v1/stocks/AAPL/quote": "private", "/api/v1/stocks/quotes?symbols=AAPL,MSFT": "private", "/api/v1/stocks/AAPL/bars?timeframe=1Day": "private",
		"/api/v1/crypto/BTCUSD/quote": "public", "/api/v1/market/clock": "public",
	} {
		got := e.get(path)
		tag := got.Header.Get("Etag")
		if control := got.Header.Get("Cache-Control"); !strings.HasPrefix(control, visibility+", max-age=") || tag == "" {
			t.Errorf("%s: %s, %q", path, control, tag)
		}
		for sent, status := range map[string]int{tag: 304, `"other", ` + tag: 304, "*": 304, `W/"other"`: 200} {
			again := e.conditional(path, sent)
			if again != status {
				t.Errorf("%s with %s: %d, want %d", path, sent, again, status)
			}
		}
	}
}

// TestAPageThatThePlanForbidsStopsNoQuotes: the last 15 minutes of options are not in the free plan, for any key pair; what
// else is asked for is.
func TestAPageThatThePlanForbidsStopsNoQuotes(t *testing.T) {
	t.Parallel()
	e := startWithPlan(t, access.Basic)
	contract := e.contract()
	at := func(ago time.Duration) string {
		return url.QueryEscape(e.clock.Now().Add(-ago).UTC().Format(time.RFC3339))
	}
	page := "/api/v1/options/" + contract + "/bars?timeframe=1Min&start=" + at(time.Hour) + "&end=" + at(time.Minute)
	e.mustFail(e.get(page), 502, "UPSTREAM_UNAVAILABLE")
	mustEqual(t, "a quote after it", e.get("/api/v1/options/"+contract+"/quote").Status, 200)
}

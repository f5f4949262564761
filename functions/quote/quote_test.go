package quote_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/functions/quote"
)

const apple = "/api/v1/stocks/AAPL/quote"

func TestQuote(t *testing.T) {
	t.Parallel()
	b := start(t)
	got := b.get(apple)
	want := `{"symbol":"AAPL","bid_price":187.4,"ask_price":187.42,"last_price":187.41,"bid_size":2,"ask_size":3,"volume":1234567,` +
		`"timestamp":"2026-11-23T14:29:59.75Z","as_of":"2026-11-23T14:30:00Z","feed":"iex","stale":false}`
	mustEqual(t, "data", string(got.Data), want)
	mustEqual(t, "status", got.Status, http.StatusOK)
	mustEqual(t, "Cache-Control", got.Header.Get("Cache-Control"), "private, max-age=1")
	mustEqual(t, "limit", got.Header.Get("X-RateLimit-Limit"), "1000000000")
	mustEqual(t, "feed asked for", b.alpaca.feeds[0], "iex")
	mustEqual(t, "request ID in body and header", got.RequestID, got.Header.Get("X-Request-ID"))
}

func TestMissingPartsAreNull(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, snapshot, want string }{
		{"no bid", `{"latestQuote":{"t":"2026-11-23T14:30:00Z","ap":1.5,"as":3,"bp":0,"bs":0}}`,
			`{"bid_price":null,"bid_size":null,"ask_price":1.5,"ask_size":3,"last_price":null,"volume":null,"timestamp":"2026-11-23T14:30:00Z"}`},
		{"trade only", `{"latestTrade":{"t":"2026-11-23T14:29:00Z","p":2,"s":1,"i":1},"latestQuote":null}`,
			`{"bid_price":null,"ask_price":null,"last_price":2,"timestamp":"2026-11-23T14:29:00Z"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.alpaca.answers(func(w http.ResponseWriter, _ string, _ []string) {
				_, _ = w.Write([]byte(`{"AAPL":` + c.snapshot + `}`))
			})
			var got, want map[string]json.RawMessage
			if err := json.Unmarshal(b.get(apple).Data, &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte(c.want), &want); err != nil {
				t.Fatal(err)
			}
			for field, value := range want {
				mustEqual(t, field, string(got[field]), string(value))
			}
		})
	}
}

func TestEveryFormOfThePathIsOneSymbol(t *testing.T) {
	t.Parallel()
	b := start(t)
	for _, path := range []string{
		apple, "/v1/stocks/AAPL/quote", "/api/v1/stocks/quote/AAPL", "/v1/stocks/quote/AAPL", "/api/v1/stocks/aapl/quote",
		apple + "?include_extended_hours=true",
	} {
		mustEqual(t, path, b.quote(path).Symbol, "AAPL")
	}
	mustEqual(t, "upstream calls", len(b.alpaca.calls()), 1)
	mustEqual(t, "hits", b.metric("cache_hits_total", "quote_l1"), 5)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	b := start(t)
	trader := b.issue("trade")
	tooMany := strings.TrimSuffix(strings.Repeat("A,", 201), ",")
	cases := []struct {
		name, method, path, token, body string
		status                          int
		code, field                     string
	}{
		{"no token", "GET", apple, "", "", 401, "INVALID_TOKEN", ""},
		{"broken token", "GET", apple, b.token + "x", "", 401, "INVALID_TOKEN", ""},
		{"wrong permission", "GET", apple, trader, "", 403, "FORBIDDEN", ""},
		{"malformed symbol", "GET", "/api/v1/stocks/A$PL/quote", b.token, "", 400, "INVALID_REQUEST", "symbol"},
		{"escaped slash", "GET", "/api/v1/stocks/BTC%2FUSD/quote", b.token, "", 400, "INVALID_REQUEST", "symbol"},
		{"long symbol", "GET", "/api/v1/stocks/ABCDEFGHIJKLMNOP/quote", b.token, "", 400, "INVALID_REQUEST", "symbol"},
		{"unknown symbol", "GET", "/api/v1/stocks/NOSUCH/quote", b.token, "", 404, "SYMBOL_NOT_FOUND", ""},
		{"unknown parameter", "GET", apple + "?feed=sip", b.token, "", 400, "INVALID_REQUEST", "feed"},
		{"bad parameter", "GET", apple + "?include_extended_hours=maybe", b.token, "", 400, "INVALID_REQUEST", "include_extended_hours"},
		{"body on a GET", "GET", apple, b.token, "{}", 400, "INVALID_REQUEST", "body"},
		{"unknown path", "GET", "/api/v1/stocks/AAPL/quota", b.token, "", 404, "ENDPOINT_NOT_FOUND", ""},
		{"wrong method", "DELETE", apple, b.token, "", 405, "METHOD_NOT_ALLOWED", ""},
		{"list without symbols", "GET", "/api/v1/stocks/quotes", b.token, "", 400, "INVALID_REQUEST", "symbols"},
		{"list of nothing", "GET", "/api/v1/stocks/quotes?symbols=", b.token, "", 400, "INVALID_REQUEST", "symbols"},
		{"two lists", "GET", "/api/v1/stocks/quotes?symbols=A&symbols=B", b.token, "", 400, "INVALID_REQUEST", "symbols"},
		{"201 symbols", "GET", "/api/v1/stocks/quotes?symbols=" + tooMany, b.token, "", 400, "INVALID_REQUEST", "symbols"},
		{"list without token", "GET", "/api/v1/stocks/quotes?symbols=A", "", "", 401, "INVALID_TOKEN", ""},
		{"posted nothing", "POST", "/api/v1/stocks/quotes", b.token, `{"symbols":[]}`, 400, "INVALID_REQUEST", "symbols"},
		{"posted a string", "POST", "/api/v1/stocks/quotes", b.token, `{"symbols":"AAPL"}`, 400, "INVALID_REQUEST", "symbols"},
		{"posted an unknown field", "POST", "/api/v1/stocks/quotes", b.token, `{"symbol":"AAPL"}`, 400, "INVALID_REQUEST", "symbol"},
		{"posted no JSON", "POST", "/api/v1/stocks/quotes", b.token, `AAPL`, 400, "INVALID_REQUEST", "body"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := b.send(c.method, c.path, c.token, c.body)
			b.mustFail(got, c.status, c.code)
			if c.field != "" && got.Error.Details["field"] != c.field {
				t.Errorf("details %v don't name the field %s", got.Error.Details, c.field)
			}
			if cached := got.Header.Get("Cache-Control"); cached != "no-store" {
				t.Errorf("Cache-Control of a failure is %q", cached)
			}
		})
	}
	mustEqual(t, "upstream calls", len(b.alpaca.calls()), 1)
}

func TestConfigRefusals(t *testing.T) {
	t.Parallel()
	b := start(t)
	for name, change := range map[string]option{
		"ALPACA_FEED":        func(c *quote.Config) { c.Feed = "nyse" },
		"CACHE_TTL":          func(c *quote.Config) { c.CacheTTL = -time.Second },
		"CACHE_NEGATIVE_TTL": func(c *quote.Config) { c.NegativeTTL = -1 },
		"CACHE_STALE_FOR":    func(c *quote.Config) { c.StaleFor = time.Millisecond },
		"CACHE_SIZE":         func(c *quote.Config) { c.CacheSize = -1 },
	} {
		cfg := b.config
		change(&cfg)
		if err := cfg.Validate(); err == nil || err.Error()[:len(name)] != name {
			t.Errorf("%s: Validate says %v", name, err)
		}
		if _, err := quote.New(cfg, (&bench{registry: prometheus.NewRegistry(), clock: b.clock}).dependencies()); err == nil {
			t.Errorf("%s: New accepts it", name)
		}
	}
}

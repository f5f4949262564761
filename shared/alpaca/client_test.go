package alpaca

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func TestConfigIsChecked(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, field string
		cfg         Config
	}{
		{"relative", "TradingURL", Config{TradingURL: "/v2"}},
		{"no scheme", "TradingURL", Config{TradingURL: "api.alpaca.markets"}},
		{"other scheme", "DataURL", Config{DataURL: "ftp://data.alpaca.markets"}},
		{"plain http abroad", "TradingURL", Config{TradingURL: "http://api.alpaca.markets"}},
		{"http to a look-alike", "TradingURL", Config{TradingURL: "http://localhost.example.com"}},
		{"with path", "TradingURL", Config{TradingURL: "https://api.alpaca.markets/v2"}},
		{"with query", "DataURL", Config{DataURL: "https://data.alpaca.markets?x=1"}},
		{"with password", "DataURL", Config{DataURL: "https://user:" + testSecret + "@data.alpaca.markets"}},
		{"control character", "DataURL", Config{DataURL: "https://user:" + testSecret + "\x00@data.alpaca.markets"}},
		{"negative timeout", "Timeout", Config{Timeout: -1}},
		{"negative connections", "MaxConnsPerHost", Config{MaxConnsPerHost: -1}},
		{"negative idle timeout", "StreamIdleTimeout", Config{StreamIdleTimeout: -time.Second}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, err := New(test.cfg, Dependencies{})
			if err == nil || !strings.Contains(err.Error(), test.field) || strings.Contains(err.Error(), testSecret) {
				t.Fatalf("New = %v, want an error that names %s and no secret", err, test.field)
			}
		})
	}
	for _, address := range []string{"http://localhost:1", "http://127.0.0.1", "http://[::1]:8080/", "https://x.example"} {
		newTestClient(t, Config{TradingURL: address, DataURL: address}, Dependencies{})
	}
	newTestClient(t, Config{}, Dependencies{})
}

func TestCredentialsHideTheSecret(t *testing.T) {
	t.Parallel()
	cred := testCredentials
	encoded, err := json.Marshal(map[string]any{"a": cred, "b": &cred})
	if err != nil {
		t.Fatal(err)
	}
	fields := zapcore.NewMapObjectEncoder()
	if err := cred.MarshalLogObject(fields); err != nil {
		t.Fatal(err)
	}
	shown := []string{string(encoded), fmt.Sprint(fields.Fields), cred.String(), cred.GoString()}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		shown = append(shown, fmt.Sprintf(verb, cred), fmt.Sprintf(verb, &cred), fmt.Sprintf(verb, struct{ C Credentials }{cred}))
	}
	for _, text := range shown {
		if strings.Contains(text, testSecret) || strings.Contains(text, fmt.Sprintf("%x", testSecret)) {
			t.Errorf("secret shows in %s", text)
		}
	}
	if !strings.Contains(cred.String(), "PKTEST") {
		t.Errorf("key ID is missing in %s", cred)
	}
}

func TestBadArgumentsAreNotSent(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, answering(200, `[]`))
	client := up.client(t)
	ctx := t.Context()
	one := decimal.FromInt(1)
	for name, test := range map[string]struct {
		err  error
		want error
	}{
		"no client order ID": {second(client.PlaceOrder(ctx, testCredentials, OrderRequest{Symbol: "AAPL"})), ErrNoClientOrderID},
		"no key":             {second(client.Account(ctx, Credentials{SecretKey: "x"})), ErrNoCredentials},
		"no secret":          {second(client.Account(ctx, Credentials{KeyID: "x"})), ErrNoCredentials},
		"line break":         {second(client.Account(ctx, Credentials{KeyID: "x", SecretKey: "a\nb"})), ErrNoCredentials},
		"cancel nothing":     {client.CancelOrder(ctx, testCredentials, ""), ErrBadArgument},
		"cancel upwards":     {client.CancelOrder(ctx, testCredentials, ".."), ErrBadArgument},
		"close nothing":      {second(client.ClosePosition(ctx, testCredentials, "", CloseQuery{})), ErrBadArgument},
		"close twice":        {second(client.ClosePosition(ctx, testCredentials, "A", CloseQuery{Qty: &one, Percentage: &one})), ErrBadArgument},
		"no symbols":         {second(client.LatestQuotes(ctx, testCredentials, nil, "")), ErrBadArgument},
		"empty symbol":       {second(client.Snapshots(ctx, testCredentials, []string{"A", ""}, "")), ErrBadArgument},
		"two starts":         {client.TradeEvents(ctx, testCredentials, TradeEventsQuery{Since: testNow, SinceID: "x"}, nil), ErrBadArgument},
	} {
		if !errors.Is(test.err, test.want) {
			t.Errorf("%s = %v, want %v", name, test.err, test.want)
		}
	}
	if n := up.requests.Load(); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
}

func second[T any](_ T, err error) error { return err }

func TestRequests(t *testing.T) {
	t.Parallel()
	qty := decimal.MustParse("0.5")
	for _, test := range []struct {
		name, want, body, answer string
		call                     func(context.Context, *Client) error
	}{
		{"place", "POST /v2/orders",
			`{"symbol":"AAPL","qty":"1.5","side":"buy","type":"market","time_in_force":"day","client_order_id":"c-1"}`,
			`{"id":"o"}`, place},
		{"by client order ID", "GET /v2/orders:by_client_order_id?client_order_id=a%2Bb%26c", "", `{"id":"o"}`,
			func(ctx context.Context, c *Client) error {
				return second(c.OrderByClientOrderID(ctx, testCredentials, "a+b&c"))
			}},
		{"by ID", "GET /v2/orders/o-1?nested=true", "", `{"id":"o"}`, func(ctx context.Context, c *Client) error {
			return second(c.OrderByID(ctx, testCredentials, "o-1", true))
		}},
		{"orders", "GET /v2/orders?after=2026-09-28T14%3A30%3A00Z&limit=500&nested=true&status=all&symbols=AAPL%2CTSLA", "", `[]`,
			func(ctx context.Context, c *Client) error {
				return second(c.Orders(ctx, testCredentials, OrdersQuery{
					Status: "all", Limit: 500, After: testNow, Nested: true, Symbols: []string{"AAPL", "TSLA"},
				}))
			}},
		{"replace", "PATCH /v2/orders/o-1", `{"qty":"0.5"}`, `{"id":"o"}`, func(ctx context.Context, c *Client) error {
			return second(c.ReplaceOrder(ctx, testCredentials, "o-1", ReplaceRequest{Qty: &qty}))
		}},
		{"cancel", "DELETE /v2/orders/o-1", "", ``, writes["cancel"]},
		{"cancel all", "DELETE /v2/orders", "", `[]`, writes["cancel all"]},
		{"position of a pair", "GET /v2/positions/BTC%2FUSD", "", `{"symbol":"BTCUSD"}`, func(ctx context.Context, c *Client) error {
			return second(c.Position(ctx, testCredentials, "BTC/USD"))
		}},
		{"close part", "DELETE /v2/positions/AAPL?qty=0.5", "", `{"id":"o"}`, func(ctx context.Context, c *Client) error {
			return second(c.ClosePosition(ctx, testCredentials, "AAPL", CloseQuery{Qty: &qty}))
		}},
		{"close all", "DELETE /v2/positions?cancel_orders=true", "", `[]`, func(ctx context.Context, c *Client) error {
			return second(c.CloseAllPositions(ctx, testCredentials, true))
		}},
		{"calendar", "GET /v2/calendar?end=2026-09-29&start=2026-09-28", "", `[]`, func(ctx context.Context, c *Client) error {
			return second(c.Calendar(ctx, testCredentials, testNow, testNow.AddDate(0, 0, 1)))
		}},
		{"quotes", "GET /v2/stocks/quotes/latest?feed=iex&symbols=AAPL%2CTSLA", "", `{"quotes":{}}`, func(ctx context.Context, c *Client) error {
			return second(c.LatestQuotes(ctx, testCredentials, []string{"AAPL", "TSLA"}, "iex"))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			up := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				if got := r.Method + " " + r.RequestURI; got != test.want || string(body) != test.body {
					t.Errorf("sent %s %s\nwant %s %s", got, body, test.want, test.body)
				}
				if r.Header.Get("APCA-API-KEY-ID") != "PKTEST" || r.Header.Get("APCA-API-SECRET-KEY") != testSecret {
					t.Error("credentials are missing")
				}
				_, _ = io.WriteString(w, test.answer)
			})
			if err := test.call(t.Context(), up.client(t)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestManySymbolsAreSplit(t *testing.T) {
	t.Parallel()
	symbols := make([]string, 1201)
	for i := range symbols {
		symbols[i] = fmt.Sprintf("S%d", i)
	}
	up := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		quotes := map[string]Quote{}
		for symbol := range strings.SplitSeq(r.URL.Query().Get("symbols"), ",") {
			quotes[symbol] = Quote{Timestamp: testNow}
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"quotes": quotes})
	})
	quotes, err := up.client(t).LatestQuotes(t.Context(), testCredentials, symbols, "")
	if err != nil || len(quotes) != len(symbols) || up.requests.Load() != 3 {
		t.Fatalf("%d quotes in %d calls, %v; want %d in 3", len(quotes), up.requests.Load(), err, len(symbols))
	}
}

func TestReadIsRepeatedOnce(t *testing.T) {
	t.Parallel()
	var up *upstream
	up = startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if up.requests.Load() == 1 {
			reset(t)(w, r)
			return
		}
		answering(200, `{"id":"x"}`)(w, r)
	})
	if err := account(t.Context(), up.client(t)); err != nil {
		t.Fatal(err)
	}
}

func TestRateLimitIsReported(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Ratelimit-Limit", "200")
		w.Header().Set("X-Ratelimit-Remaining", "0")
		w.Header().Set("X-Ratelimit-Reset", fmt.Sprint(testNow.Unix()+7))
		answering(429, `{"message": "too many requests."}`)(w, r)
	})
	err := place(t.Context(), up.client(t))
	want := RateLimit{API: APITrading, Limit: 200, Reset: time.Unix(testNow.Unix()+7, 0)}
	var failed *Error
	if !errors.As(err, &failed) || failed.RateLimit != want || failed.RetryAfter != 7*time.Second {
		t.Fatalf("error = %+v, want limit %+v and 7 s to wait", failed, want)
	}
	if len(up.limits) != 1 || up.limits[0] != want {
		t.Fatalf("reported %+v, want %+v once", up.limits, want)
	}
}

func TestConnectionsAreSharedAndCounted(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, answering(200, `{"id":"x"}`))
	registry := prometheus.NewRegistry()
	cfg := Config{TradingURL: up.server.URL, DataURL: up.server.URL}
	client := newTestClient(t, cfg, Dependencies{Registerer: registry})
	newTestClient(t, cfg, Dependencies{Registerer: registry}) // a second client of the process shares the metric
	if n := up.requests.Load(); n != 0 {
		t.Fatalf("New sent %d requests", n)
	}
	if err := client.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := account(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	want := `# HELP connection_pool_size Open connections to an upstream host.
# TYPE connection_pool_size gauge
connection_pool_size{host="` + strings.TrimPrefix(up.server.URL, "http://") + `"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
}

func TestWarm(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("APCA-API-KEY-ID") != "" {
			t.Error("warming is authenticated")
		}
		answering(401, "<html>")(w, r)
	})
	if err := up.client(t).Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	client := up.client(t, func(cfg *Config) { cfg.DataURL = closed.URL })
	if err := client.Warm(t.Context()); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(closed.URL, "http://")) {
		t.Fatalf("Warm = %v, want an error that names the closed host", err)
	}
}

func TestLogHoldsNoSecret(t *testing.T) {
	t.Parallel()
	up := startUpstream(t, answering(403, `{"code":40310000,"message":"denied for `+testSecret+`"}`))
	core, logs := observer.New(zap.DebugLevel)
	client := newTestClient(t, Config{TradingURL: up.server.URL, DataURL: up.server.URL}, Dependencies{Logger: zap.New(core)})
	_, err := client.OrderByClientOrderID(t.Context(), testCredentials, "private-id")
	entries := fmt.Sprint(logs.All(), err, Problem(err))
	if logs.Len() != 1 || strings.Contains(entries, testSecret) || strings.Contains(entries, "private-id") {
		t.Fatalf("logged %s", entries)
	}
	if fields := logs.All()[0].ContextMap(); fields["status"] != int64(403) || fields["path"] != "/v2/orders:by_client_order_id" {
		t.Fatalf("fields = %v", fields)
	}
}

func TestHTTP2IsUsedAndShared(t *testing.T) {
	t.Parallel()
	var connections sync.Map
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != 2 {
			t.Errorf("%s came by %s", r.URL.Path, r.Proto)
		}
		connections.Store(r.RemoteAddr, true)
		answering(200, `{"id":"x"}`)(w, r)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	roots := server.Client().Transport.(*http.Transport).TLSClientConfig
	client := newTestClient(t, Config{TradingURL: server.URL, DataURL: server.URL, TLS: roots}, Dependencies{})
	if err := client.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for i := range 50 {
		group.Go(func() {
			cred := Credentials{KeyID: fmt.Sprintf("PK%d", i), SecretKey: testSecret}
			if _, err := client.PlaceOrder(t.Context(), cred, testOrder()); err != nil {
				t.Error(err)
			}
			if err := client.CancelOrder(t.Context(), cred, "o-1"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	count := 0
	connections.Range(func(any, any) bool { count++; return true })
	if count != 1 {
		t.Errorf("50 accounts used %d connections, want 1", count)
	}
}

func BenchmarkPlaceOrder(b *testing.B) {
	server := httptest.NewServer(answering(200, `{"id":"x"}`))
	defer server.Close()
	client, err := New(Config{TradingURL: server.URL, DataURL: server.URL}, Dependencies{})
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := place(b.Context(), client); err != nil {
			b.Fatal(err)
		}
	}
}

package emulator_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// answer is what came back from a plain HTTP request.
type answer struct {
	status int
	header http.Header
	body   string
}

func call(t *testing.T, from *http.Client, method, url, body string, headers ...string) answer {
	t.Helper()
	got, err := attempt(from, method, url, body, headers...)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func attempt(from *http.Client, method, url, body string, headers ...string) (answer, error) {
	request, err := http.NewRequestWithContext(context.Background(), method, url, strings.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	response, err := from.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(content)}, err
}

func keys() []string { return []string{"APCA-API-KEY-ID", keyID, "APCA-API-SECRET-KEY", secretKey} }

const (
	buyOne       = `{"symbol":"AAPL","qty":"1","side":"buy","type":"limit","limit_price":"50","time_in_force":"gtc"}`
	unauthorized = `{"message": "unauthorized."}`
)

func TestCredentials(t *testing.T) {
	t.Parallel()
	running, from := start(t, nil), client(t)
	cases := []struct {
		name    string
		headers []string
		status  int
	}{
		{"none", nil, 401},
		{"wrong secret", []string{"APCA-API-KEY-ID", keyID, "APCA-API-SECRET-KEY", "wrong"}, 401},
		{"unknown key", []string{"APCA-API-KEY-ID", "PKNONE", "APCA-API-SECRET-KEY", secretKey}, 401},
		{"header pair", keys(), 200},
		{"basic", []string{"Authorization", "Basic UEtURVNUMDAwMTp0ZXN0LXNlY3JldA=="}, 200},
		{"bearer of a key", []string{"Authorization", "Bearer " + secretKey}, 401},
	}
	for _, c := range cases {
		for _, path := range []string{"/v2/account", "/v2/stocks/AAPL/quotes/latest"} {
			got := call(t, from, http.MethodGet, running.URL()+path, "", c.headers...)
			expect(t, c.name+" status", got.status, c.status)
			if got.header.Get("X-Request-ID") == "" {
				t.Errorf("%s: no X-Request-ID", c.name)
			}
			if c.status == http.StatusUnauthorized {
				expect(t, c.name+" body", got.body, unauthorized)
				expect(t, c.name+" challenge", got.header.Get("WWW-Authenticate"), `Bearer, Basic realm="alpaca.markets"`)
			}
		}
	}
}

func TestRequestErrors(t *testing.T) {
	t.Parallel()
	running, from := start(t, nil), client(t)
	const nobody = "00000000-0000-4000-8000-000000000000"
	cases := []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"GET", "/v2/nothing", "", 404, `{"code":40410000,"message":"endpoint not found"}`},
		{"GET", "//v2/account", "", 404, `{"code":40410000,"message":"endpoint not found"}`},
		{"GET", "/v2/account/", "", 404, `{"code":40410000,"message":"endpoint not found"}`},
		{"GET", "/v2/../v2/account", "", 404, `{"code":40410000,"message":"endpoint not found"}`},
		{"PUT", "/v2/orders", "", 404, `{"code":40410000,"message":"endpoint not found"}`},
		{"POST", "/v2/orders", "nonsense", 400, `{"code":40010000,"message":"request body format is invalid"}`},
		{"POST", "/v2/orders", strings.Repeat(" ", 2<<20), 413, `{"message": "request body too large"}`},
		{"GET", "/v2/orders/" + nobody, "", 404, `{"code":40410000,"message":"order not found for ` + nobody + `"}`},
		{"GET", "/v2/orders/x", "", 422, `{"code":40010001,"message":"order_id is missing"}`},
		{"DELETE", "/v2/orders/" + nobody, "", 404, `{"code":40410000,"message":"order not found for ` + nobody + `"}`},
		{"DELETE", "/v2/orders", "", 207, `[]`},
		{"DELETE", "/v2/positions", "", 207, `[]`},
		{"GET", "/v2/orders:by_client_order_id?client_order_id=x", "", 404, `{"code":40410000,"message":"order not found for x"}`},
		{"GET", "/v2/orders?status=some", "", 422, `{"code":40010001,"message":"invalid status"}`},
		{"GET", "/v2/orders?limit=501", "", 422, `{"code":40010001,"message":"invalid limit: must be from 1 to 500"}`},
		{"GET", "/v2/orders?after=yesterday", "", 422, `{"code":40010001,"message":"invalid after: want a date or an RFC 3339 time"}`},
		{"GET", "/v2/orders?before_order_id=" + nobody + "&after_order_id=" + nobody, "", 422, `{"code":40010001,"message":"before_order_id and after_order_id are mutually exclusive"}`},
		{"GET", "/v2/positions/AAPL", "", 404, `{"code":40410000,"message":"position does not exist"}`},
		{"DELETE", "/v2/positions/AAPL?qty=x", "", 422, `{"code":40010001,"message":"invalid qty"}`},
		{"GET", "/v2/calendar?start=x", "", 400, `{"message": "invalid start: want YYYY-MM-DD"}`},
		{"PATCH", "/v2/account/configurations", `{"max_margin_multiplier":"9"}`, 422, `{"code":40010001,"message":"max_margin_multiplier must be 1, 2 or 4"}`},
		{"GET", "/v2/events/trades?until=2026-01-01", "", 422, `{"code":40010001,"message":"invalid param: both since \u0026 until required"}`},
		{"GET", "/v2/events/trades?since_id=x", "", 422, `{"code":40010001,"message":"invalid param: since_id"}`},
		{"GET", "/v2/stocks/quotes/latest", "", 400, `{"message": "symbols is required"}`},
		{"GET", "/v2/stocks/quotes/latest?symbols=a%20b", "", 400, `{"message": "invalid symbol: a b"}`},
		{"GET", "/v2/stocks/NOSUCH/trades/latest", "", 404, `{"message": "no trade found for NOSUCH"}`},
		{"GET", "/v2/stocks/AAPL/trades/latest?feed=moon", "", 400, `{"message": "invalid feed: moon"}`},
	}
	for _, c := range cases {
		got := call(t, from, c.method, running.URL()+c.path, c.body, keys()...)
		expect(t, c.method+" "+c.path+" status", got.status, c.status)
		expect(t, c.method+" "+c.path+" body", got.body, c.want)
	}
}

func TestOrderListByID(t *testing.T) {
	t.Parallel()
	running, from := start(t, nil), client(t)
	ids, times := make([]string, 0, 4), make([]string, 0, 4)
	for range 4 {
		var order struct {
			ID          string
			SubmittedAt string `json:"submitted_at"`
		}
		got := call(t, from, http.MethodPost, running.URL()+"/v2/orders", buyOne, keys()...)
		if err := json.Unmarshal([]byte(got.body), &order); err != nil {
			t.Fatal(err)
		}
		ids, times = append(ids, order.ID), append(times, order.SubmittedAt)
	}
	for query, want := range map[string][]string{
		"before_order_id=" + ids[2]:                   {ids[1], ids[0]},
		"after_order_id=" + ids[1] + "&direction=asc": {ids[2], ids[3]},
		"until=" + times[2]:                           {ids[1], ids[0]},
		"after=" + times[2]:                           {ids[3]},
		"asset_class=crypto":                          {},
		"asset_class=us_equity,crypto&limit=1":        {ids[3]},
	} {
		var orders []struct{ ID string }
		got := call(t, from, http.MethodGet, running.URL()+"/v2/orders?"+query, "", keys()...)
		if err := json.Unmarshal([]byte(got.body), &orders); err != nil {
			t.Fatal(err)
		}
		if len(orders) != len(want) {
			t.Errorf("%s: %d orders, want %d", query, len(orders), len(want))
			continue
		}
		for i := range want {
			expect(t, query, orders[i].ID, want[i])
		}
	}
}

func TestRateLimits(t *testing.T) {
	t.Parallel()
	fixed := time.Date(2026, 11, 23, 15, 0, 10, 0, time.UTC)
	running := start(t, func(c *emulator.Config) { c.TradingLimit, c.DataLimit, c.Clock = 2, 1, stopped{fixed} })
	from := client(t)
	for _, remaining := range []string{"1", "0"} {
		got := call(t, from, http.MethodGet, running.URL()+"/v2/clock", "", keys()...)
		expect(t, "status", got.status, 200)
		expect(t, "limit", got.header.Get("X-RateLimit-Limit"), "2")
		expect(t, "remaining", got.header.Get("X-RateLimit-Remaining"), remaining)
		expect(t, "reset", got.header.Get("X-RateLimit-Reset"), "1795446060")
	}
	got := call(t, from, http.MethodGet, running.URL()+"/v2/clock", "", keys()...)
	expect(t, "status", got.status, 429)
	expect(t, "body", got.body, `{"message": "too many requests."}`)
	got = call(t, from, http.MethodGet, running.URL()+"/v2/stocks/AAPL/quotes/latest", "", keys()...)
	expect(t, "the data limit counts apart", got.status, 200)
	got = call(t, from, http.MethodGet, running.AdminURL()+"/emulator/counters", "")
	expect(t, "counters", strings.TrimSpace(got.body), `{"rate_limited":{"data":{},"trading":{"PKTEST0001":1}}}`)
}

type stopped struct{ at time.Time }

func (s stopped) Now() time.Time { return s.at }

func TestFaults(t *testing.T) {
	t.Parallel()
	running, from := start(t, nil), client(t)
	inject := func(body string) {
		t.Helper()
		got := call(t, from, http.MethodPost, running.AdminURL()+"/emulator/faults", body)
		expect(t, "inject status", got.status, 201)
	}
	order := func() (answer, error) {
		return attempt(from, http.MethodPost, running.URL()+"/v2/orders", buyOne, keys()...)
	}
	inject(`{"route":"POST /v2/orders","kind":"status","status":504,"message":"gateway","times":1}`)
	got, err := order()
	if err != nil || got.status != http.StatusGatewayTimeout {
		t.Fatalf("status fault: %d, %v", got.status, err)
	}
	expect(t, "orders after a status fault", len(running.AcceptedOrders(keyID)), 0)

	inject(`{"route":"POST /v2/orders","key_id":"PKTEST0001","kind":"drop_before","times":1}`)
	if _, err := order(); err == nil {
		t.Error("drop_before: got an answer")
	}
	before := len(running.AcceptedOrders(keyID))
	inject(`{"route":"/v2/ord*","kind":"drop_after","times":1}`)
	if _, err := order(); err == nil {
		t.Error("drop_after: got an answer")
	}
	expect(t, "orders after drop_after", len(running.AcceptedOrders(keyID)), before+1)

	inject(`{"kind":"latency","latency_ms":1,"jitter_ms":1}`)
	if got, err = order(); err != nil || got.status != http.StatusOK {
		t.Errorf("latency fault: %d, %v", got.status, err)
	}
	expect(t, "faults", len(running.Faults().List()), 4)
	call(t, from, http.MethodDelete, running.AdminURL()+"/emulator/faults", "")
	expect(t, "faults", len(running.Faults().List()), 0)
	for _, bad := range []fault.Fault{{Kind: "flood"}, {Kind: fault.Status}, {Kind: fault.Latency}, {Kind: fault.DropAfter, Probability: 2}} {
		if _, err := running.Faults().Add(bad); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func TestAdmin(t *testing.T) {
	t.Parallel()
	running, from := start(t, nil), client(t)
	call(t, from, http.MethodPost, running.URL()+"/v2/orders", buyOne, keys()...)
	admin := running.AdminURL() + "/emulator"
	cases := []struct {
		method, path, body string
		status             int
		part               string
	}{
		{"GET", "/healthz", "", 200, "ok"},
		{"GET", "/accounts", "", 200, keyID},
		{"GET", "/audit?key_id=" + keyID, "", 200, `"symbol":"AAPL"`},
		{"GET", "/audit?key_id=none", "", 404, "key_id"},
		{"POST", "/price", `{"symbol":"AAPL","price":49.5}`, 204, ""},
		{"GET", "/audit?key_id=" + keyID, "", 200, `"status":"filled"`},
		{"POST", "/price", `{"symbol":"NOSUCH","price":1}`, 400, "unknown symbol"},
		{"POST", "/price", `{"symbol":"AAPL","price":-1}`, 400, "must be positive"},
		{"POST", "/price", `{"symbol":"AAPL","cost":1}`, 400, "unknown field"},
		{"DELETE", "/price/AAPL", "", 204, ""},
		{"POST", "/clock", `{"time":"2027-01-04T15:00:00Z"}`, 200, "2027-01-04"},
		{"POST", "/clock", `{}`, 400, "time"},
		{"POST", "/faults", `{"kind":"flood"}`, 400, "kind must be"},
		{"DELETE", "/faults/none", "", 404, "no such fault"},
	}
	for _, c := range cases {
		got := call(t, from, c.method, admin+c.path, c.body)
		expect(t, c.method+" "+c.path+" "+c.body, got.status, c.status)
		if !strings.Contains(got.body, c.part) {
			t.Errorf("%s %s: %s", c.method, c.path, got.body)
		}
		if strings.Contains(got.body, secretKey) {
			t.Errorf("%s tells the secret", c.path)
		}
	}
}

// TestStreamNeverEndsCleanly: the Go SDK would take a clean end for success and stop listening.
func TestStreamNeverEndsCleanly(t *testing.T) {
	t.Parallel()
	running := start(t, func(c *emulator.Config) { c.Heartbeat = time.Millisecond })
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, running.URL()+"/v2/events/trades", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth(keyID, secretKey)
	response, err := client(t).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	expect(t, "content type", response.Header.Get("Content-Type"), "text/event-stream; charset=utf-8")
	lines := bufio.NewScanner(response.Body)
	for range 5 {
		if !lines.Scan() || lines.Text() != ":heartbeat" || !lines.Scan() || lines.Text() != "" {
			t.Fatalf("line %q: %v", lines.Text(), lines.Err())
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := running.Stop(ctx); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
	}
	if lines.Err() == nil {
		t.Error("the stream ended cleanly")
	}
}

func TestCleartextHTTP2(t *testing.T) {
	t.Parallel()
	running := start(t, nil)
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	transport := &http.Transport{Protocols: protocols}
	defer transport.CloseIdleConnections()
	got := call(t, &http.Client{Transport: transport}, http.MethodGet, running.URL()+"/v2/account", "", keys()...)
	expect(t, "status", got.status, 200)
}

func TestBadConfig(t *testing.T) {
	t.Parallel()
	for name, config := range map[string]emulator.Config{
		"account ID": {Accounts: []emulator.Account{{ID: "x", KeyID: "K", SecretKey: "S"}}},
		"no key":     {Accounts: []emulator.Account{{SecretKey: "S"}}},
		"key twice":  {Accounts: []emulator.Account{{KeyID: "K", SecretKey: "S"}, {KeyID: "K", SecretKey: "T"}}},
		"clock":      {MarketClock: "lunar"},
	} {
		if _, err := emulator.New(config, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := emulator.New(emulator.Config{MarketClock: "lunar"}, nil); !errors.Is(err, session.ErrMode) {
		t.Errorf("clock: %v", err)
	}
	running := start(t, nil)
	if err := running.Start(context.Background()); !errors.Is(err, emulator.ErrStarted) {
		t.Errorf("second start: %v", err)
	}
	if err := running.SetPrice("NOSUCH", decimal.FromInt(1)); !errors.Is(err, emulator.ErrUnknownSymbol) {
		t.Errorf("SetPrice: %v", err)
	}
}

// BenchmarkOrders sends limit orders from parallel clients, for many accounts.
func BenchmarkOrders(b *testing.B) {
	const accounts = 100
	running := start(b, func(c *emulator.Config) {
		c.FillLatency = 0
		for i := range accounts {
			c.Accounts = append(c.Accounts, emulator.Account{KeyID: "PK" + string(rune('A'+i/26)) + string(rune('A'+i%26)), SecretKey: secretKey, Cash: decimal.FromInt(1_000_000_000)})
		}
	})
	from := client(b)
	b.ReportAllocs()
	b.SetParallelism(16)
	b.RunParallel(func(pb *testing.PB) {
		number := 0
		for pb.Next() {
			number++
			key := "PK" + string(rune('A'+number%accounts/26)) + string(rune('A'+number%accounts%26))
			request, err := http.NewRequestWithContext(context.Background(), http.MethodPost, running.URL()+"/v2/orders", bytes.NewReader([]byte(buyOne)))
			if err != nil {
				b.Error(err)
				return
			}
			request.Header["Apca-Api-Key-Id"], request.Header["Apca-Api-Secret-Key"] = []string{key}, []string{secretKey}
			response, err := from.Do(request)
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, response.Body)
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				b.Errorf("status %d", response.StatusCode)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

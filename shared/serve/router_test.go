package serve_test

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func TestRequestID(t *testing.T) {
	t.Parallel()
	made := regexp.MustCompile(`^[0-9a-f]{32}$`)
	tests := []struct {
		name, in string
		kept     bool
	}{
		{"a UUID", "0b9d5f0c-7f0a-4b55-9f4e-0c1f0f8c6a11", true},
		{"the shortest", "abcd_-12", true},
		{"the longest", strings.Repeat("a", 64), true},
		{"none", "", false},
		{"too short", "abcd123", false},
		{"too long", strings.Repeat("a", 65), false},
		{"a quote", `abcd1234"`, false},
		{"a line break", "abcd1234\nlevel=error", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := newAPI(t).do(request(http.MethodGet, "/api/v1/auth/token", "", header(serve.RequestIDHeader, test.in)))
			id := got.Header().Get(serve.RequestIDHeader)
			if test.kept && id != test.in || !test.kept && !made.MatchString(id) {
				t.Errorf("header %q", id)
			}
			if !strings.Contains(got.Body.String(), `"request_id":"`+id+`"`) {
				t.Errorf("body %s", got.Body)
			}
		})
	}
}

func TestUnknownPathsAndMethods(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path string
		status             int
		allow, code        string
	}{
		{"no such path", http.MethodGet, "/api/v1/nothing", 404, "", "ENDPOINT_NOT_FOUND"},
		{"the root", http.MethodGet, "/", 404, "", "ENDPOINT_NOT_FOUND"},
		{"no symbol", http.MethodGet, "/api/v1/stocks/quote/", 404, "", "ENDPOINT_NOT_FOUND"},
		{"one level up", http.MethodDelete, "/api/v1/stocks/order/..", 404, "", "ENDPOINT_NOT_FOUND"},
		{"one level up and further", http.MethodDelete, "/api/v1/positions/../stocks/order", 404, "", "ENDPOINT_NOT_FOUND"},
		{"one level up, escaped", http.MethodDelete, "/api/v1/stocks/order/%2e%2e", 404, "", "ENDPOINT_NOT_FOUND"},
		{"this level", http.MethodDelete, "/api/v1/stocks/order/.", 404, "", "ENDPOINT_NOT_FOUND"},
		{"an empty segment", http.MethodPost, "/api/v1//stocks/order", 404, "", "ENDPOINT_NOT_FOUND"},
		{"another method", http.MethodPut, "/api/v1/stocks/order", 405, "POST, DELETE", "METHOD_NOT_ALLOWED"},
		{"an invented method", "BREW", "/api/v1/stocks/order", 405, "POST, DELETE", "METHOD_NOT_ALLOWED"},
		{"POST where GET is", http.MethodPost, "/v1/stocks/AAPL/quote", 405, "GET", "METHOD_NOT_ALLOWED"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := newAPI(t).do(request(test.method, test.path, ""))
			if got.Code != test.status || got.Header().Get("Allow") != test.allow || !strings.Contains(got.Body.String(), test.code) {
				t.Fatalf("%d, Allow %q, %s", got.Code, got.Header().Get("Allow"), got.Body)
			}
		})
	}
}

func TestAliasesReachTheOperation(t *testing.T) {
	t.Parallel()
	tests := []struct{ path, symbol string }{
		{"/api/v1/stocks/AAPL/quote", "AAPL"},
		{"/v1/stocks/AAPL/quote", "AAPL"},
		{"/api/v1/stocks/quote/AAPL", "AAPL"},
		{"/v1/stocks/quote/AAPL", "AAPL"},
		{"/v1/stocks/quote/AAPL?feed=iex", "AAPL"},
		{"/v1/crypto/BTC%2FUSD/quote", "BTC/USD"},
		{"/api/v1/crypto/quote/BTC%2FUSD", "BTC/USD"},
		{"/api/v1/crypto/BTC%2fUSD/quote", "BTC/USD"},
	}
	for _, test := range tests {
		t.Run(test.path, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			got := a.do(request(http.MethodGet, test.path, ""))
			if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), `"symbol":"`+test.symbol+`"`) {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
		})
	}
}

func TestQueryIsChecked(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, query, want string }{
		{"unknown", "fed=iex", `unknown query parameter \"fed\"`},
		{"an unknown one beside a known one", "feed=iex&limit=1", `"field":"limit"`},
		{"a path parameter", "symbol=AAPL", `"field":"symbol"`},
		{"malformed", "feed=%zz", "the query is malformed"},
		{"a semicolon", "feed=iex;sip", "the query is malformed"},
		{"long", strings.Repeat("q", 5000) + "=1", `"field":"` + strings.Repeat("q", 128) + `..."`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := newAPI(t).do(request(http.MethodGet, "/api/v1/stocks/AAPL/quote?"+test.query, ""))
			if got.Code != http.StatusBadRequest || !strings.Contains(got.Body.String(), test.want) {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
		})
	}
}

func TestTokenAndPermission(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, authorization string
		status              int
	}{
		{"a good token", "Bearer trader", 200},
		{"no token", "", 401},
		{"a wrong one", "Bearer forged", 401},
		{"another scheme", "Basic dTpw", 401},
		{"without the permission", "Bearer reader", 403},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := newAPI(t).do(request(http.MethodGet, "/api/v1/stocks/AAPL/quote", "", header("Authorization", test.authorization)))
			if got.Code != test.status || (got.Code == 401) != (got.Header().Get("WWW-Authenticate") != "") {
				t.Fatalf("%d %v %s", got.Code, got.Header(), got.Body)
			}
			if test.status == 403 && !strings.Contains(got.Body.String(), `"permission":"market_data"`) {
				t.Fatalf("%s", got.Body)
			}
		})
	}
}

func TestRateLimit(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	get := func() (int, http.Header, string) {
		got := a.do(request(http.MethodGet, "/api/v1/stocks/AAPL/quote", ""))
		return got.Code, got.Header(), got.Body.String()
	}
	status, head, _ := get()
	reset := head.Get("X-RateLimit-Reset") // the second after 14:30:00.010
	if status != 200 || head.Get("X-RateLimit-Limit") != "100" || head.Get("X-RateLimit-Remaining") != "99" || reset != "1795444201" {
		t.Fatalf("allowed: %d %v", status, head)
	}
	a.limits.decision = &serve.Decision{Limit: 100, Remaining: -1, Reset: time.Second, RetryAfter: 10 * time.Millisecond}
	status, head, body := get()
	if status != 429 || head.Get("Retry-After") != "1" || head.Get("X-RateLimit-Remaining") != "0" || !strings.Contains(body, `"limit":"quotes"`) {
		t.Fatalf("refused: %d %v %s", status, head, body)
	}
	a.limits.err = problem.Unavailable.New("Redis is away").Because(errors.New("dial"))
	if status, _, body = get(); status != 503 {
		t.Fatalf("without an answer: %d %s", status, body)
	}
	if a.limits.subjects[0] != "quotes/ACC001" {
		t.Fatalf("subjects %v", a.limits.subjects)
	}
}

// TestLimitOverAllRequests: it comes before everything else, and every answer has rate-limit headers: its own where no
// narrower limit has a say.
func TestLimitOverAllRequests(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	anonymous := func(r *http.Request) { r.Header.Del("Authorization") }
	for name, r := range map[string]*http.Request{
		"no token": request(http.MethodGet, "/api/v1/stocks/AAPL/quote", "", anonymous), "no such path": request(http.MethodGet, "/nowhere", ""),
	} {
		if got := a.do(r); got.Code < 400 || got.Header().Get("X-RateLimit-Limit") != "10000" || got.Header().Get("X-RateLimit-Remaining") != "9999" {
			t.Errorf("%s: %d %v", name, got.Code, got.Header())
		}
	}
	a.limits.all = &serve.Decision{Limit: 10_000, Reset: time.Second, RetryAfter: 10 * time.Millisecond}
	for _, path := range []string{"/api/v1/stocks/AAPL/quote", "/nowhere"} {
		got := a.do(request(http.MethodGet, path, ""))
		if got.Code != 429 || got.Header().Get("Retry-After") != "1" || !strings.Contains(got.Body.String(), `"limit":"all"`) {
			t.Errorf("%s: %d %v %s", path, got.Code, got.Header(), got.Body)
		}
	}
	if len(a.limits.subjects) != 0 {
		t.Errorf("a refused request took from %v", a.limits.subjects)
	}
}

// Callers without a token are told apart by the peer's address, whatever they claim.
func TestRateLimitByAddress(t *testing.T) {
	t.Parallel()
	for remote, want := range map[string]string{
		"192.0.2.7:443": "tokens/ip:192.0.2.7", "[2001:db8::1]:443": "tokens/ip:2001:db8::1", "[fe80::1%eth0]:1": "tokens/ip:fe80::1%eth0",
		"@": "tokens/ip:@", "": "tokens/ip:", "no port": "tokens/ip:no port", "a:b:c": "tokens/ip:a:b:c", "[": "tokens/ip:[",
	} {
		a := newAPI(t)
		got := a.do(request(http.MethodGet, "/api/v1/auth/token", "", func(r *http.Request) { r.RemoteAddr = remote },
			header("X-Forwarded-For", "10.0.0.1, , [::1, \x00"), header("X-Forwarded-Host", "]["), header("X-Real-IP", "10.0.0.2")))
		if got.Code != http.StatusOK || a.limits.subjects[0] != want {
			t.Errorf("%q: %d, subject %q", remote, got.Code, a.limits.subjects)
		}
	}
}

func TestPanicIsA500WithoutItsStack(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := a.do(request(http.MethodGet, "/api/v1/panic", ""))
	if got.Code != 500 || strings.Contains(got.Body.String(), "secret") || strings.Contains(got.Body.String(), ".go") {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	entries := a.logs.FilterMessage("panic").All()
	if len(entries) != 1 || !strings.Contains(entries[0].ContextMap()["stack"].(string), "api_test.go") {
		t.Fatalf("the log has no stack: %v", entries)
	}
}

func TestPanicAfterTheAnswerBegan(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Mount("GET /half", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("half"))
		panic("late")
	}))
	if got := a.do(request(http.MethodGet, "/half", "")); got.Body.String() != "half" {
		t.Fatalf("%s", got.Body)
	}
}

func TestAbortedHandlerStaysAborted(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Mount("GET /abort", http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer func() {
		if err, _ := recover().(error); !errors.Is(err, http.ErrAbortHandler) {
			t.Fatalf("recovered %v", err)
		}
	}()
	a.do(request(http.MethodGet, "/abort", ""))
}

// Labels come from a closed set, or a scanner would fill the memory of whoever collects them.
func TestMetricsLabelsAreBounded(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.Mount("/metrics", http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	for _, r := range []*http.Request{
		request(http.MethodGet, "/api/v1/stocks/AAPL/quote", ""), request(http.MethodGet, "/v1/stocks/quote/MSFT", ""),
		request(http.MethodGet, "/wp-login.php", ""), request(http.MethodGet, "/.env", ""), request("BREW", "/coffee", ""),
		request(http.MethodGet, "/metrics", ""), request(http.MethodGet, "/openapi.json", ""), request(http.MethodGet, "//x", ""),
	} {
		a.do(r)
	}
	const want = `
		# HELP api_requests_total Requests answered.
		# TYPE api_requests_total counter
		api_requests_total{endpoint="/api/v1/stocks/{symbol}/quote",method="GET",status="200"} 2
		api_requests_total{endpoint="/metrics",method="GET",status="200"} 1
		api_requests_total{endpoint="/openapi.json",method="GET",status="200"} 1
		api_requests_total{endpoint="unknown",method="GET",status="404"} 3
		api_requests_total{endpoint="unknown",method="other",status="404"} 1
	`
	if err := testutil.GatherAndCompare(a.registry, strings.NewReader(want), "api_requests_total"); err != nil {
		t.Fatal(err)
	}
}

func TestAccessLogNamesTheRequest(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	a.do(request(http.MethodGet, "/api/v1/stocks/AAPL/quote", "", header("Authorization", "Bearer reader")))
	a.do(request(http.MethodGet, "/api/v1/stocks/AAPL/quote", ""))
	entries := a.logs.FilterMessage("request").All()
	if len(entries) != 2 || entries[0].Level.String() != "info" || entries[1].Level.String() != "debug" {
		t.Fatalf("%v", entries)
	}
	fields := entries[0].ContextMap()
	if fields["account_id"] != "ACC002" || fields["status"] != int64(403) || fields["endpoint"] != "/api/v1/stocks/{symbol}/quote" {
		t.Fatalf("%v", fields)
	}
	for _, entry := range entries {
		for _, value := range entry.ContextMap() {
			if text, ok := value.(string); ok && strings.Contains(text, "Bearer") {
				t.Fatalf("a token in the log: %v", entry)
			}
		}
	}
}

func TestHandlerSetsHeaders(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	serve.Handle(a.Router, serve.Operation{ID: "cached", Method: http.MethodGet, Path: "/cached"},
		func(_ context.Context, r *serve.Request[serve.None]) (serve.None, error) {
			r.Answer.Set("Cache-Control", "max-age=1")
			return serve.None{}, nil
		})
	if got := a.do(request(http.MethodGet, "/cached", "")).Header().Get("Cache-Control"); got != "max-age=1" {
		t.Fatalf("Cache-Control %q", got)
	}
}

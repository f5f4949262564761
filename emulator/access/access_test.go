package access_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// beginning is ten seconds into a minute.
var beginning = time.Date(2026, time.November, 23, 15, 0, 10, 0, time.UTC)

func TestWindows(t *testing.T) {
	t.Parallel()
	type ask struct {
		after     time.Duration
		allowed   bool
		remaining string
		reset     time.Duration // after beginning
	}
	for _, c := range []struct {
		name    string
		rolling bool
		asks    []ask
	}{
		{"the minute of the clock", false, []ask{
			{0, true, "1", 50 * time.Second}, {40 * time.Second, true, "0", 50 * time.Second},
			{49 * time.Second, false, "0", 50 * time.Second}, {50 * time.Second, true, "1", 110 * time.Second},
			{50 * time.Second, true, "0", 110 * time.Second}, {51 * time.Second, false, "0", 110 * time.Second},
		}},
		{"the last sixty seconds", true, []ask{
			{0, true, "1", 60 * time.Second}, {40 * time.Second, true, "0", 60 * time.Second},
			{50 * time.Second, false, "0", 60 * time.Second}, {60 * time.Second, true, "0", 100 * time.Second},
			{61 * time.Second, false, "0", 100 * time.Second}, {100 * time.Second, true, "0", 120 * time.Second},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := clock.NewFake(beginning)
			limiter := access.NewLimiter(2, now.Now)
			limiter.Rolling = c.rolling
			var refused int64
			for _, a := range c.asks {
				now.Set(beginning.Add(a.after))
				header := http.Header{}
				if allowed := limiter.Allow(header, "K"); allowed != a.allowed {
					t.Errorf("after %s: allowed %v", a.after, allowed)
				}
				if !a.allowed {
					refused++
				}
				reset := strconv.FormatInt(beginning.Add(a.reset).Unix(), 10)
				if header.Get("X-RateLimit-Limit") != "2" || header.Get("X-RateLimit-Remaining") != a.remaining || header.Get("X-RateLimit-Reset") != reset {
					t.Errorf("after %s: headers %v, want remaining %s, reset %s", a.after, header, a.remaining, reset)
				}
			}
			if got := limiter.Refused()["K"]; got != refused {
				t.Errorf("%d refusals, want %d", got, refused)
			}
			if limiter.Reset(); len(limiter.Refused()) != 0 || !limiter.Allow(http.Header{}, "K") {
				t.Error("the reset left something")
			}
		})
	}
}

func TestLimitsOfKeysAreApart(t *testing.T) {
	t.Parallel()
	limiter := access.NewLimiter(1, func() time.Time { return beginning })
	for _, key := range []string{"A", "B"} {
		if !limiter.Allow(http.Header{}, key) || limiter.Allow(http.Header{}, key) {
			t.Errorf("%s does not have one request", key)
		}
	}
	header := http.Header{}
	if !access.NewLimiter(-1, time.Now).Allow(header, "A") || len(header) != 0 {
		t.Errorf("without a limit: %v", header)
	}
}

func TestParseReadings(t *testing.T) {
	t.Parallel()
	got, err := access.ParseReadings("html-unauthorized,data-forbidden,coded-rate-limit,retry-after,bare-rate-limit,rolling-window,plan-code-40010001")
	want := access.Readings{
		HTMLUnauthorized: true, DataForbidden: true, CodedRateLimit: true, RetryAfter: true, BareRateLimit: true, RollingWindow: true,
		PlanCode40010001: true,
	}
	if err != nil || got != want {
		t.Errorf("all: %+v, %v", got, err)
	}
	if got, err := access.ParseReadings(""); err != nil || got != (access.Readings{}) {
		t.Errorf("none: %+v, %v", got, err)
	}
	if _, err := access.ParseReadings("retry-after,loud"); !errors.Is(err, access.ErrReading) || !strings.Contains(err.Error(), "loud") {
		t.Errorf("unknown: %v", err)
	}
}

// TestRefusals asks for trading and for market data with each reading.
func TestRefusals(t *testing.T) {
	t.Parallel()
	right := map[string]string{"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "S"}
	wrong := map[string]string{"APCA-API-KEY-ID": "K", "APCA-API-SECRET-KEY": "T"}
	half := map[string]string{"APCA-API-SECRET-KEY": "S"}
	const (
		json401 = `{"message": "unauthorized."}`
		json429 = `{"message": "too many requests."}`
	)
	for _, c := range []struct {
		name, path, readings string
		keys                 map[string]string
		status               int
		body                 string // prefix
		header               string // that must be there, as name=value; with ! before, that must not
	}{
		{"wrong key, trading", "/trading", "", wrong, 401, json401, `WWW-Authenticate=Bearer, Basic realm="alpaca.markets"`},
		{"no key, trading", "/trading", "", nil, 401, json401, "Content-Type=application/json; charset=UTF-8"},
		{"no key, trading, page", "/trading", "html-unauthorized", nil, 401, "<html>\r\n<head><title>401 Authorization Required", "Content-Type=text/html"},
		{"wrong key, trading, page", "/trading", "html-unauthorized", wrong, 401, json401, ""},
		{"no key, data, page", "/data", "html-unauthorized", nil, 401, json401, ""},
		{"wrong key, data", "/data", "", wrong, 401, json401, ""},
		{"wrong key, data, forbidden", "/data", "data-forbidden", wrong, 403, `{"message": "forbidden."}`, "!WWW-Authenticate"},
		{"wrong key, trading, forbidden", "/trading", "data-forbidden", wrong, 401, json401, ""},
		{"no key, public", "/public", "", nil, 200, "", ""},
		{"half a key, public", "/public", "", half, 401, json401, ""},
		{"wrong key, public", "/public", "", wrong, 401, json401, ""},
		{"second request", "/trading", "", right, 429, json429, "X-RateLimit-Remaining=0"},
		{"second request, no advice", "/trading", "", right, 429, json429, "!Retry-After"},
		{"second request, advice", "/trading", "retry-after", right, 429, json429, "Retry-After=50"},
		{"second request, advice, bare", "/data", "retry-after,bare-rate-limit", right, 429, json429, "!X-RateLimit-Limit"},
		{"second request, code", "/data", "coded-rate-limit", right, 429, `{"code":42910000,"message":"rate limit exceeded"}`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			handler := gate(t, c.readings)
			if c.status == http.StatusTooManyRequests {
				if first := ask(handler, c.path, c.keys); first.Code != http.StatusOK {
					t.Fatalf("first request: %d", first.Code)
				}
			}
			got := ask(handler, c.path, c.keys)
			if got.Code != c.status || !strings.HasPrefix(got.Body.String(), c.body) {
				t.Errorf("status %d, body %s", got.Code, got.Body)
			}
			name, value, present := strings.Cut(c.header, "=")
			absent, gone := strings.CutPrefix(name, "!")
			if present && got.Header().Get(name) != value || gone && got.Header().Get(absent) != "" {
				t.Errorf("headers %v, want %s", got.Header(), c.header)
			}
		})
	}
}

// gate lets one request a minute of the account K through to each kind of endpoint.
func gate(t *testing.T, names string) http.Handler {
	t.Helper()
	readings, err := access.ParseReadings(names)
	if err != nil {
		t.Fatal(err)
	}
	hours, err := session.NewClock(session.Settings{}, clock.NewFake(beginning))
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	x := exchange.New(exchange.Settings{}, hours, market.New(1, hours), catalogue)
	if _, err := x.Open(exchange.Opening{ID: "11111111-2222-3333-4444-555555555555", KeyID: "K", SecretKey: "S"}); err != nil {
		t.Fatal(err)
	}
	now := func() time.Time { return beginning }
	g := &access.Gate{Accounts: x, Trading: access.NewLimiter(1, now), Data: access.NewLimiter(1, now), Readings: readings}
	next := func(w http.ResponseWriter, _ *http.Request, _ *exchange.Account) { w.WriteHeader(http.StatusOK) }
	mux := http.NewServeMux()
	mux.Handle("/trading", g.ForTrading(next))
	mux.Handle("/data", g.ForData(next))
	mux.Handle("/public", g.ForPublicData(next))
	return mux
}

func ask(handler http.Handler, path string, header map[string]string) *httptest.ResponseRecorder {
	request := httptest.NewRequest(http.MethodGet, path, nil)
	for name, value := range header {
		request.Header.Set(name, value)
	}
	out := httptest.NewRecorder()
	handler.ServeHTTP(out, request)
	return out
}

func TestPlans(t *testing.T) {
	t.Parallel()
	plans, err := access.NewPlans(map[string]access.Plan{"A": access.Basic, "B": ""})
	if err != nil {
		t.Fatal(err)
	}
	if plans.Of("A") != access.Basic || plans.Of("B") != access.AlgoTraderPlus || plans.Of("C").Requests() != 10_000 || access.Basic.Requests() != 200 {
		t.Error("wrong plans")
	}
	if err := plans.Set("A", access.AlgoTraderPlus); err != nil || plans.Of("A") != access.AlgoTraderPlus {
		t.Errorf("set: %v", err)
	}
	if err := plans.Restore(map[string]access.Plan{"C": "gold"}); !errors.Is(err, access.ErrPlan) || plans.Of("A") != access.AlgoTraderPlus {
		t.Errorf("restore: %v", err)
	}
	if plans.Reset(); plans.Of("A") != access.Basic {
		t.Error("the reset forgot the first plan")
	}
	if _, err := access.NewPlans(map[string]access.Plan{"A": "gold"}); !errors.Is(err, access.ErrPlan) {
		t.Errorf("unknown plan: %v", err)
	}
	handler := access.PlanHandler(plans)
	for body, status := range map[string]int{
		`{"key_id":"A","plan":"algo_trader_plus"}`: 204, `{"key_id":"A","plan":"gold"}`: 400, `{"plan":"basic"}`: 400, `{"color":1}`: 400,
	} {
		out := httptest.NewRecorder()
		handler.ServeHTTP(out, httptest.NewRequest(http.MethodPost, "/emulator/plan", strings.NewReader(body)))
		if out.Code != status {
			t.Errorf("%s: %d %s", body, out.Code, out.Body)
		}
	}
}

// TestCrossOrigin: every answer lets pages of any origin call, and the question of a browser beforehand needs no key.
func TestCrossOrigin(t *testing.T) {
	t.Parallel()
	handler := access.Identify(gate(t, ""))
	for _, method := range []string{http.MethodOptions, http.MethodGet} {
		out := httptest.NewRecorder()
		handler.ServeHTTP(out, httptest.NewRequest(method, "/public", nil))
		header := out.Header()
		if out.Code/100 != 2 || header.Get("Access-Control-Allow-Origin") != "*" || header.Get("Access-Control-Max-Age") != "1728000" ||
			!strings.Contains(header.Get("Access-Control-Allow-Headers"), "Apca-Api-Key-Id") || header.Get("X-Request-ID") == "" {
			t.Errorf("%s: status %d, headers %v", method, out.Code, header)
		}
	}
}

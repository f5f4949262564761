package account

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/market"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func start() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

const (
	alice    = "alice"
	bob      = "bob"
	operator = "operator"
	nobody   = "nobody" // an account without permissions
)

func accounts() []vault.Account {
	own := func(id string, market bool, permissions ...auth.Permission) vault.Account {
		return vault.Account{
			ID: id, Type: vault.TypePaper, MarketData: market, Permissions: permissions,
			Credentials: alpaca.Credentials{KeyID: "PK" + id, SecretKey: "secret-of-" + id},
		}
	}
	return []vault.Account{
		own(alice, true, auth.PermissionTrade, auth.PermissionMarketData, auth.PermissionAccountRead),
		own(bob, false, auth.PermissionAccountRead),
		own(operator, false, auth.PermissionAdmin),
		own(nobody, false),
	}
}

// fakeAlpaca answers the reads that the function makes and counts them. Before an answer it waits for gate, if set.
type fakeAlpaca struct {
	server *httptest.Server

	mu     sync.Mutex
	calls  map[string]int
	status int
	gate   chan struct{}
	asked  chan string
	cash   string
	now    time.Time // of the exchange's clock; zero: it does not answer
}

const accountBody = `{"id":"904837e3","account_number":"PA123","status":"ACTIVE","currency":"USD","buying_power":"400000",
"regt_buying_power":"200000","cash":"%CASH%","portfolio_value":"100000.5","equity":"100000.5","last_equity":"99000",
"multiplier":"4","initial_margin":"10","maintenance_margin":"5","long_market_value":"20","short_market_value":"-7.25",
"trading_blocked":false,"account_blocked":false,"shorting_enabled":true}`

const positionsBody = `[{"asset_id":"a","symbol":"AAPL","exchange":"NASDAQ","asset_class":"us_equity","qty":"-2.5",
"avg_entry_price":"100.25","side":"short","market_value":"-260","cost_basis":"-250.625","unrealized_pl":"-9.375",
"unrealized_plpc":"-0.0374","current_price":"104","lastday_price":"103","change_today":"0.00971","qty_available":"-2.5"},
{"asset_id":"b","symbol":"BTCUSD","exchange":"CRYPTO","asset_class":"crypto","qty":"0.01","avg_entry_price":"60000",
"side":"long","market_value":null,"cost_basis":"600","unrealized_pl":null,"unrealized_plpc":null,"current_price":null,
"lastday_price":null,"change_today":null,"qty_available":"0.01"}]`

func startAlpaca(t testing.TB) *fakeAlpaca {
	t.Helper()
	fake := &fakeAlpaca{calls: map[string]int{}, cash: "100000"}
	fake.server = httptest.NewServer(fake)
	t.Cleanup(fake.server.Close)
	return fake
}

func (f *fakeAlpaca) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead { // a connection is warmed
		return
	}
	f.mu.Lock()
	f.calls[r.URL.Path]++
	status, gate, asked := f.status, f.gate, f.asked
	body := map[string]string{
		"/v2/account": string(bytes.ReplaceAll([]byte(accountBody), []byte("%CASH%"), []byte(f.cash))), "/v2/positions": positionsBody,
		"/v2/orders": `[]`,
	}[r.URL.Path]
	if strings.HasPrefix(r.URL.Path, "/v2/c") { // the clock and the calendar are read in the background, and not gated
		gate, asked = nil, nil
	}
	if r.URL.Path == "/v2/clock" && !f.now.IsZero() {
		body = clockBody(f.now)
	}
	f.mu.Unlock()
	if asked != nil {
		asked <- r.URL.Path
	}
	if gate != nil {
		<-gate
	}
	if status != 0 {
		w.WriteHeader(status)
		body = `{"message":"no"}`
	}
	_, _ = io.WriteString(w, body)
}

// clockBody is Alpaca's clock by the exchange's rules.
func clockBody(now time.Time) string {
	calendar, err := market.NewCalendar()
	if err != nil {
		return ""
	}
	body, err := json.Marshal(map[string]any{
		"timestamp": now, "is_open": calendar.Phase(now) == market.PhaseRegular,
		"next_open": calendar.NextOpen(now), "next_close": calendar.NextClose(now),
	})
	if err != nil {
		return ""
	}
	return string(body)
}

func (f *fakeAlpaca) count(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[path]
}

func (f *fakeAlpaca) set(change func(*fakeAlpaca)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// fixture is the function with everything around it, its clock standing still.
type fixture struct {
	*Function
	t      testing.TB
	alpaca *fakeAlpaca
	redis  *miniredis.Miniredis
	clock  *clock.Fake
}

func baseConfig(t testing.TB, redisURL, alpacaURL string) platform.Config {
	t.Helper()
	content, err := vault.Marshal(accounts())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	var cfg Config
	err = config.Load(&cfg, map[string]string{
		"REDIS_URL": redisURL, "ACCOUNTS_FILE": file, "JWT_SECRET": "0123456789abcdef0123456789abcdef",
		"ALPACA_TRADING_URL": alpacaURL, "ALPACA_DATA_URL": alpacaURL, "HOST": "127.0.0.1", "PORT": "0",
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Config
}

func newFixture(t testing.TB, change ...func(*Config)) *fixture {
	t.Helper()
	upstream := startAlpaca(t)
	server := miniredis.RunT(t)
	clk := clock.NewFake(start())
	server.SetTime(start())
	cfg := Config{Config: baseConfig(t, "redis://"+server.Addr(), upstream.server.URL), CacheTTL: 2 * time.Second}
	for _, apply := range change {
		apply(&cfg)
	}
	registry := prometheus.NewRegistry()
	function, err := New(cfg, platform.NewDependencies(zap.NewNop(), registry, registry, clk))
	if err != nil {
		t.Fatal(err)
	}
	if err := function.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := function.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return &fixture{Function: function, t: t, alpaca: upstream, redis: server, clock: clk}
}

// pass lets time pass for the function and for Redis.
func (f *fixture) pass(d time.Duration) {
	f.clock.Advance(d)
	f.redis.SetTime(f.clock.Now())
	f.redis.FastForward(d)
}

func (f *fixture) token(accountID string, permissions ...auth.Permission) string {
	f.t.Helper()
	token, _, err := f.issuer.Issue(accountID, "", permissions)
	if err != nil {
		f.t.Fatal(err)
	}
	return token
}

// answer is a response with its envelope.
type answer struct {
	status int
	header http.Header
	Data   json.RawMessage `json:"data"`
	Error  struct {
		Code    string         `json:"code"`
		Message string         `json:"message"`
		Details map[string]any `json:"details"`
	} `json:"error"`
	text string
}

func (f *fixture) do(method, path, token, body string) answer {
	f.t.Helper()
	request := httptest.NewRequestWithContext(f.t.Context(), method, path, bytes.NewBufferString(body))
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	recorder := httptest.NewRecorder()
	f.ServeHTTP(recorder, request)
	got := answer{status: recorder.Code, header: recorder.Header(), text: recorder.Body.String()}
	if err := json.Unmarshal(recorder.Body.Bytes(), &got); err != nil {
		f.t.Fatalf("%s %s: %d %q", method, path, recorder.Code, recorder.Body)
	}
	return got
}

func (f *fixture) get(path, token string) answer {
	f.t.Helper()
	return f.do(http.MethodGet, path, token, "")
}

func decodeData[T any](t testing.TB, a answer) T {
	t.Helper()
	var data T
	if err := json.Unmarshal(a.Data, &data); err != nil {
		t.Fatalf("%v in %s", err, a.text)
	}
	return data
}

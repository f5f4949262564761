package quote_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/quote"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const secret = "0123456789abcdef0123456789abcdef"

func opening() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

// fakeAlpaca answers snapshots of a few symbols and counts who asked for what.
type fakeAlpaca struct {
	server *httptest.Server
	mu     sync.Mutex
	keys   []string // the key ID of each call
	lists  []string // the symbols of each call
	feeds  []string
	reply  func(w http.ResponseWriter, keyID string, symbols []string)
}

func startAlpaca(t testing.TB) *fakeAlpaca {
	t.Helper()
	a := &fakeAlpaca{reply: replyKnown}
	a.server = httptest.NewServer(a)
	t.Cleanup(a.server.Close)
	return a
}

func (a *fakeAlpaca) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v2/stocks/snapshots" {
		http.NotFound(w, r)
		return
	}
	symbols, key := r.URL.Query().Get("symbols"), r.Header.Get("Apca-Api-Key-Id")
	a.mu.Lock()
	a.keys, a.lists, a.feeds = append(a.keys, key), append(a.lists, symbols), append(a.feeds, r.URL.Query().Get("feed"))
	reply := a.reply
	a.mu.Unlock()
	reply(w, key, strings.Split(symbols, ","))
}

// answers replaces how Alpaca replies from now on.
func (a *fakeAlpaca) answers(reply func(w http.ResponseWriter, keyID string, symbols []string)) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.reply = reply
}

func (a *fakeAlpaca) calls() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.lists)
}

func (a *fakeAlpaca) keyIDs() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.keys)
}

const snapshot = `{"latestTrade":{"t":"2026-11-23T14:29:59.5Z","x":"V","p":187.41,"s":100,"i":7},` +
	`"latestQuote":{"t":"2026-11-23T14:29:59.75Z","ap":187.42,"as":3,"bp":187.40,"bs":2},` +
	`"dailyBar":{"t":"2026-11-23T05:00:00Z","o":186,"h":188,"l":185.5,"c":187.41,"v":1234567,"n":10,"vw":187.01}}`

// replyKnown knows every symbol that does not start with NO.
func replyKnown(w http.ResponseWriter, _ string, symbols []string) {
	found := map[string]json.RawMessage{}
	for _, symbol := range symbols {
		if !strings.HasPrefix(symbol, "NO") {
			found[symbol] = json.RawMessage(snapshot)
		}
	}
	_ = json.NewEncoder(w).Encode(found)
}

func replyStatus(status int, message string) func(http.ResponseWriter, string, []string) {
	return func(w http.ResponseWriter, _ string, _ []string) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"message": message})
	}
}

// bench is one quote function with all that it talks to.
type bench struct {
	t        testing.TB
	config   quote.Config
	alpaca   *fakeAlpaca
	redis    *miniredis.Miniredis
	clock    *clock.Fake
	registry *prometheus.Registry
	function *quote.Function
	token    string
}

type option func(*quote.Config)

// start starts a function with two market-data accounts, or one on somebody else's Redis and Alpaca.
func start(t testing.TB, options ...option) *bench {
	t.Helper()
	b := &bench{t: t, alpaca: startAlpaca(t), redis: miniredis.RunT(t), clock: clock.NewFake(opening())}
	b.redis.SetTime(opening())
	return b.startFunction(options...)
}

// advance moves the clock of the instances and that of Redis, after what was read is written: that happens after the
// reader was answered.
func (b *bench) advance(d time.Duration) {
	b.t.Helper()
	b.settled()
	b.clock.Advance(d)
	b.redis.SetTime(b.clock.Now())
	b.redis.FastForward(d)
}

// sibling is another instance beside b.
func (b *bench) sibling(options ...option) *bench {
	b.t.Helper()
	return (&bench{t: b.t, alpaca: b.alpaca, redis: b.redis, clock: b.clock}).startFunction(options...)
}

func (b *bench) startFunction(options ...option) *bench {
	b.t.Helper()
	b.config = testConfig(b.t, b.alpaca.server.URL, b.redis.Addr())
	for _, apply := range options {
		apply(&b.config)
	}
	b.registry = prometheus.NewRegistry()
	function, err := quote.New(b.config, b.dependencies())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := function.Start(b.t.Context()); err != nil {
		b.t.Fatal(err)
	}
	b.t.Cleanup(func() {
		if err := function.Stop(context.Background()); err != nil {
			b.t.Error(err)
		}
	})
	b.function, b.token = function, b.issue(auth.PermissionMarketData)
	return b
}

func (b *bench) dependencies() platform.Dependencies {
	return platform.NewDependencies(zap.NewNop(), b.registry, b.registry, b.clock)
}

func testConfig(t testing.TB, alpacaURL, redisAddress string) quote.Config {
	t.Helper()
	var cfg quote.Config
	err := config.Load(&cfg, map[string]string{
		"HOST": "127.0.0.1", "PORT": "0", "REDIS_URL": "redis://" + redisAddress, "ACCOUNTS_FILE": accountsFile(t),
		"JWT_SECRET": secret, "ALPACA_TRADING_URL": alpacaURL, "ALPACA_DATA_URL": alpacaURL, "QUOTES_PER_SECOND": "1000000000",
		"CACHE_REDIS_TIMEOUT": "5s", "REQUESTS_PER_SECOND": "1000000000",
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func accountsFile(t testing.TB) string {
	t.Helper()
	content, err := vault.Marshal([]vault.Account{
		{ID: "ACC001", Type: vault.TypePaper, MarketData: true, Credentials: alpaca.Credentials{KeyID: "PK1", SecretKey: "s1"}},
		{ID: "ACC002", Type: vault.TypePaper, MarketData: true, Credentials: alpaca.Credentials{KeyID: "PK2", SecretKey: "s2"}},
		{ID: "ACC003", Type: vault.TypePaper, Credentials: alpaca.Credentials{KeyID: "PK3", SecretKey: "s3"}},
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

func (b *bench) issue(permissions ...auth.Permission) string {
	b.t.Helper()
	keys, err := auth.LoadKeys(auth.KeyConfig{Secret: secret})
	if err != nil {
		b.t.Fatal(err)
	}
	issuer, err := auth.NewIssuer(keys, 0, b.clock)
	if err != nil {
		b.t.Fatal(err)
	}
	token, _, err := issuer.Issue("ACC003", "", permissions)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

// reply is a decoded answer of the function.
type reply struct {
	Status    int
	Header    http.Header
	Success   bool            `json:"success"`
	RequestID string          `json:"request_id"`
	Data      json.RawMessage `json:"data"`
	Error     struct {
		Code    string         `json:"code"`
		Message string         `json:"message"`
		Details map[string]any `json:"details"`
	} `json:"error"`
}

func (b *bench) get(path string) reply {
	b.t.Helper()
	return b.send(http.MethodGet, path, b.token, "")
}

func (b *bench) send(method, path, token, body string) reply {
	b.t.Helper()
	var content io.Reader = http.NoBody
	if body != "" {
		content = strings.NewReader(body)
	}
	request := httptest.NewRequestWithContext(b.t.Context(), method, path, content)
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	recorder := httptest.NewRecorder()
	b.function.ServeHTTP(recorder, request)
	return decodeReply(b.t, recorder)
}

// background sends a GET whose client can be made to go away, and hands the answer to done.
func (b *bench) background(path string, done chan<- reply) context.CancelFunc {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, path, http.NoBody)
	request.Header.Set("Authorization", "Bearer "+b.token)
	go func() {
		recorder := httptest.NewRecorder()
		b.function.ServeHTTP(recorder, request)
		done <- decodeReply(b.t, recorder)
	}()
	return cancel
}

func decodeReply(t testing.TB, recorder *httptest.ResponseRecorder) reply {
	t.Helper()
	decoded := reply{Status: recorder.Code, Header: recorder.Header()}
	if err := json.Unmarshal(recorder.Body.Bytes(), &decoded); err != nil {
		t.Errorf("answer %d %q: %v", recorder.Code, recorder.Body, err)
	}
	return decoded
}

// quote reads a quote that must be there.
func (b *bench) quote(path string) quote.StockQuote {
	b.t.Helper()
	got := b.get(path)
	var q quote.StockQuote
	if err := json.Unmarshal(got.Data, &q); got.Status != http.StatusOK || err != nil {
		b.t.Fatalf("GET %s: status %d, %+v, %v", path, got.Status, got.Error, err)
	}
	return q
}

func (b *bench) mustFail(got reply, status int, code string) {
	b.t.Helper()
	if got.Status != status || got.Error.Code != code || got.Success || got.Error.Message == "" {
		b.t.Errorf("status %d, %+v, want %d %s", got.Status, got.Error, status, code)
	}
}

// metric returns the sum of a counter's series that have this label value, or of all for "".
func (b *bench) metric(name, label string) float64 {
	b.t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
		for _, series := range family.GetMetric() {
			if label == "" || (len(series.GetLabel()) > 0 && series.GetLabel()[0].GetValue() == label) {
				sum += series.GetCounter().GetValue()
			}
		}
	}
	return sum
}

func mustEqual[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// settled waits until no instance is fetching or writing.
func (b *bench) settled() {
	b.t.Helper()
	busy := func(key string) bool { return strings.HasPrefix(key, "fetch:") }
	for deadline := time.Now().Add(5 * time.Second); slices.ContainsFunc(b.redis.Keys(), busy); {
		if time.Now().After(deadline) {
			b.t.Fatal("a fetch did not end")
		}
		time.Sleep(time.Millisecond)
	}
}

// conditional sends a GET with If-None-Match and returns the status.
func (b *bench) conditional(path, etag string) int {
	b.t.Helper()
	request := httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, path, http.NoBody)
	request.Header.Set("Authorization", "Bearer "+b.token)
	request.Header.Set("If-None-Match", etag)
	recorder := httptest.NewRecorder()
	b.function.ServeHTTP(recorder, request)
	if recorder.Code == http.StatusNotModified && recorder.Body.Len() > 0 {
		b.t.Errorf("a 304 with a body: %s", recorder.Body)
	}
	return recorder.Code
}

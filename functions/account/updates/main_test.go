package updates

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const (
	alice = "alice"
	bob   = "bob"
)

// eventually waits until a condition about another goroutine or a socket holds.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// fakeAlpaca streams the trade events of accounts, told apart by their key IDs, and knows how many orders are open.
type fakeAlpaca struct {
	server *httptest.Server

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	frames  map[string][]frame
	open    map[string]int
	refuse  map[string]bool
	cut     int // raised to end all streams
	streams map[string]int
	opened  map[string]int
	asked   int
}

type frame struct {
	at   time.Time
	data string
}

func startAlpaca(t testing.TB) *fakeAlpaca {
	t.Helper()
	f := &fakeAlpaca{
		changed: make(chan struct{}), frames: map[string][]frame{}, open: map[string]int{}, refuse: map[string]bool{},
		streams: map[string]int{}, opened: map[string]int{},
	}
	f.server = httptest.NewServer(f)
	t.Cleanup(f.server.Close)
	return f
}

func (f *fakeAlpaca) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	key := r.Header.Get("Apca-Api-Key-Id")
	switch r.URL.Path {
	case "/v2/orders":
		f.mu.Lock()
		f.asked++
		orders := make([]map[string]string, f.open[key])
		f.mu.Unlock()
		for i := range orders {
			orders[i] = map[string]string{"id": fmt.Sprint("open-", i)}
		}
		_ = json.NewEncoder(w).Encode(orders)
	case "/v2/events/trades":
		f.stream(w, r, key)
	}
}

func (f *fakeAlpaca) stream(w http.ResponseWriter, r *http.Request, key string) {
	f.mu.Lock()
	refused, cut := f.refuse[key], f.cut
	f.opened[key]++
	f.streams[key]++
	f.mu.Unlock()
	defer f.change(func() { f.streams[key]-- })
	if refused {
		w.WriteHeader(http.StatusUnauthorized)
		_, _ = w.Write([]byte(`{"message":"unauthorized."}`))
		return
	}
	since, _ := time.Parse(time.RFC3339Nano, r.URL.Query().Get("since"))
	w.Header().Set("Content-Type", "text/event-stream")
	_, _ = w.Write([]byte(":heartbeat\n\n"))
	_ = http.NewResponseController(w).Flush()
	for next := 0; ; {
		f.mu.Lock()
		waiting := f.frames[key][next:]
		next += len(waiting)
		changed, ended := f.changed, f.cut != cut
		f.mu.Unlock()
		for _, frame := range waiting {
			if !frame.at.Before(since) {
				_, _ = fmt.Fprintf(w, "data: %s\n\n", frame.data)
			}
		}
		_ = http.NewResponseController(w).Flush()
		if ended {
			return
		}
		select {
		case <-changed:
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fakeAlpaca) change(apply func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	apply()
	close(f.changed)
	f.changed = make(chan struct{})
}

// send adds events to an account's history.
func (f *fakeAlpaca) send(accountID string, events ...alpaca.TradeEvent) {
	f.change(func() {
		for _, e := range events {
			content, err := json.Marshal(e)
			if err != nil {
				panic(err)
			}
			f.frames["PK"+accountID] = append(f.frames["PK"+accountID], frame{e.At, string(content)})
		}
	})
}

func (f *fakeAlpaca) sendRaw(accountID string, at time.Time, data string) {
	f.change(func() { f.frames["PK"+accountID] = append(f.frames["PK"+accountID], frame{at, data}) })
}

func (f *fakeAlpaca) cutStreams() { f.change(func() { f.cut++ }) }

func (f *fakeAlpaca) get(read func() int) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return read()
}

func (f *fakeAlpaca) streaming(accountID string) int {
	return f.get(func() int { return f.streams["PK"+accountID] })
}

func (f *fakeAlpaca) timesOpened(accountID string) int {
	return f.get(func() int { return f.opened["PK"+accountID] })
}

// sink is the broker: it keeps what is published, in order.
type sink struct {
	server *httptest.Server
	mu     sync.Mutex
	events []event.Event
}

func startSink(t testing.TB) *sink {
	t.Helper()
	s := &sink{}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := event.ReadRequest(w, r, 1<<20)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		s.mu.Lock()
		s.events = append(s.events, e)
		s.mu.Unlock()
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(s.server.Close)
	return s
}

// types returns "type-suffix id" of what was published for an account.
func (s *sink) published(accountID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, e := range s.events {
		if e.Subject() == accountID {
			all = append(all, e.Type()[len("ai.opitios."):]+" "+e.ID())
		}
	}
	return all
}

// world is everything around instances of the source.
type world struct {
	t      testing.TB
	alpaca *fakeAlpaca
	sink   *sink
	redis  *miniredis.Miniredis
	client *redis.Client
	file   string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{t: t, alpaca: startAlpaca(t), sink: startSink(t), redis: miniredis.RunT(t)}
	w.client = redis.NewClient(&redis.Options{Addr: w.redis.Addr()})
	t.Cleanup(func() { _ = w.client.Close() })
	var accounts []vault.Account
	for i, id := range []string{alice, bob} {
		accounts = append(accounts, vault.Account{
			ID: id, MarketData: i == 0, Permissions: []auth.Permission{auth.PermissionTrade},
			Credentials: alpaca.Credentials{KeyID: "PK" + id, SecretKey: "secret-of-" + id},
		})
	}
	content, err := vault.Marshal(accounts)
	if err != nil {
		t.Fatal(err)
	}
	w.file = filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(w.file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	w.remember(accounts)
	return w
}

// remember makes the Redis one that lost nothing: no account is followed for that reason.
func (w *world) remember(accounts []vault.Account) {
	w.t.Helper()
	if _, err := newMemory(w.client).restore(w.t.Context(), accounts); err != nil {
		w.t.Fatal(err)
	}
	for i := range accounts {
		w.redis.Del(store.ActiveAccountsKey(store.Shard(accounts[i].ID)))
	}
}

func (w *world) config() Config {
	var cfg Config
	err := config.Load(&cfg, map[string]string{
		"REDIS_URL": "redis://" + w.redis.Addr(), "ACCOUNTS_FILE": w.file, "JWT_SECRET": "0123456789abcdef0123456789abcdef",
		"ALPACA_TRADING_URL": w.alpaca.server.URL, "ALPACA_DATA_URL": w.alpaca.server.URL, "HOST": "127.0.0.1", "PORT": "0",
		"K_SINK": w.sink.server.URL, "ACTIVE_SCAN_INTERVAL": "20ms", "UPSTREAM_TIMEOUT": "1s",
		"ALPACA_TRADING_REQUESTS_PER_MINUTE": "6000", "CANCEL_RESERVE": "20",
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return cfg
}

// instance is one running source.
type instance struct {
	*Function
	registry *prometheus.Registry
	stop     func()
}

func (w *world) start(change ...func(*Config)) *instance {
	w.t.Helper()
	cfg := w.config()
	for _, apply := range change {
		apply(&cfg)
	}
	registry := prometheus.NewRegistry()
	function, err := New(cfg, platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{}))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := function.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	stopped := sync.OnceFunc(func() {
		if err := function.Stop(context.WithoutCancel(w.t.Context())); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stopped)
	return &instance{function, registry, stopped}
}

// order makes an account active, as reserving an intent does.
func (w *world) order(accountID string) {
	w.t.Helper()
	ctx := w.t.Context()
	score := float64(time.Now().UnixMilli())
	key := store.ActiveAccountsKey(store.Shard(accountID))
	if err := w.client.ZAdd(ctx, key, redis.Z{Score: score, Member: accountID}).Err(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.Publish(ctx, store.ActiveAccountsChannel(), accountID).Err(); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) isActive(accountID string) bool {
	err := w.client.ZScore(w.t.Context(), store.ActiveAccountsKey(store.Shard(accountID)), accountID).Err()
	return err == nil
}

func (w *world) expect(accountID string, want ...string) {
	w.t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for len(w.sink.published(accountID)) < len(want) && time.Now().Before(deadline) {
		time.Sleep(2 * time.Millisecond)
	}
	if got := w.sink.published(accountID); !slices.Equal(got, want) {
		w.t.Fatalf("published\n%q, want\n%q", got, want)
	}
}

// metric returns the value of one series.
func (i *instance) metric(t testing.TB, name, label string) float64 {
	t.Helper()
	families, err := i.registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() != name || (label != "" && (len(m.GetLabel()) == 0 || m.GetLabel()[0].GetValue() != label)) {
				continue
			}
			return m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	return 0
}

// newID returns a ULID of a time.
func newID(at time.Time) string {
	return ulid.MustNew(ulid.Timestamp(at), ulid.DefaultEntropy()).String()
}

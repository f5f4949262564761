package order_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const jwtSecret = "0123456789abcdef0123456789abcdef"

func opening() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

// names numbers the benches: accounts of tests that share a Redis must differ.
var names atomic.Int64

// bench is one order function, not started: nothing happens in the background, so that a test sees the outbox as the
// order path leaves it and sweeps when it wants to.
type bench struct {
	t        testing.TB
	config   orderfn.Config
	redis    redis.UniversalClient
	spy      *spy
	clock    *clock.Fake
	registry *prometheus.Registry
	function *orderfn.Function
	// account is the bench's account, other one beside it.
	account, other string
	token          string
}

type option func(*orderfn.Config)

// start makes a function with two accounts on client's Redis and the Alpaca at upstream.
func start(t testing.TB, client redis.UniversalClient, upstream string, options ...option) *bench {
	t.Helper()
	name := fmt.Sprintf("acc-%d", names.Add(1))
	b := &bench{
		t: t, redis: client, account: name, other: name + "-other", spy: &spy{}, clock: clock.NewFake(opening()),
	}
	b.config = testConfig(t, redisURL(t, client), upstream, accountsFile(t, b.account, b.other))
	for _, apply := range options {
		apply(&b.config)
	}
	var err error
	b.function, err = orderfn.New(b.config, b.dependencies())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.function.Accounts.Load(); err != nil {
		t.Fatal(err)
	}
	b.function.UseRedis(b.watch())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = b.function.Stop(ctx) // the sink refuses what is left in the outbox, and some Redises are away on purpose
	})
	b.token = b.issue(b.account, auth.PermissionTrade, auth.PermissionAccountRead)
	return b
}

func (b *bench) dependencies() platform.Dependencies {
	b.registry = prometheus.NewRegistry()
	return platform.NewDependencies(zap.NewNop(), b.registry, b.registry, b.clock)
}

// watch opens a client of the order path's own, with a busy machine's timeouts and the spy in front.
func (b *bench) watch() store.Client {
	b.t.Helper()
	client, err := store.Open(b.config.RedisURL.Reveal(), store.Options{Timeout: b.config.RedisTimeout})
	if err != nil {
		b.t.Fatal(err)
	}
	b.spy.on(client)
	b.t.Cleanup(func() { _ = client.Close() }) // nothing is left to be done about an error
	return client
}

func testConfig(t testing.TB, redisURL, upstream, accounts string) orderfn.Config {
	t.Helper()
	var cfg orderfn.Config
	err := config.Load(&cfg, map[string]string{
		"HOST": "127.0.0.1", "PORT": "0", "REDIS_URL": redisURL, "ACCOUNTS_FILE": accounts, "JWT_SECRET": jwtSecret,
		"ALPACA_TRADING_URL": upstream, "ALPACA_DATA_URL": upstream, "K_SINK": "http://127.0.0.1:9",
		"ORDERS_PER_MINUTE": "1000", "ALPACA_TRADING_REQUESTS_PER_MINUTE": "1000",
		"UPSTREAM_TIMEOUT": "20s", "INTENT_LEASE": "150s", "REDIS_TIMEOUT": "20s", "MIN_CASH": "0", // a busy machine's
	})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// redisURL is the address of the Redis behind client.
func redisURL(t testing.TB, client redis.UniversalClient) string {
	t.Helper()
	switch client := client.(type) {
	case *redis.Client:
		return "redis://" + client.Options().Addr
	case *redis.ClusterClient:
		addresses := client.Options().Addrs
		return "redis+cluster://" + addresses[0] + "?" + url.Values{"addr": addresses[1:]}.Encode()
	}
	t.Fatalf("a client of another kind: %T", client)
	return ""
}

func accountsFile(t testing.TB, ids ...string) string {
	t.Helper()
	var accounts []vault.Account
	for _, id := range ids {
		accounts = append(accounts, vault.Account{
			ID: id, Type: vault.TypePaper, MarketData: true,
			Credentials: alpaca.Credentials{KeyID: keyID(id), SecretKey: secretKey(id)},
		})
	}
	content, err := vault.Marshal(accounts)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func keyID(account string) string     { return "PK-" + account }
func secretKey(account string) string { return "secret-of-" + account }

func (b *bench) issue(account string, permissions ...auth.Permission) string {
	b.t.Helper()
	token, _, err := b.issuer().Issue(account, "", permissions)
	if err != nil {
		b.t.Fatal(err)
	}
	return token
}

func (b *bench) issuer() *auth.Issuer {
	b.t.Helper()
	keys, err := auth.LoadKeys(auth.KeyConfig{Secret: jwtSecret})
	if err != nil {
		b.t.Fatal(err)
	}
	issuer, err := auth.NewIssuer(keys, 0, b.clock)
	if err != nil {
		b.t.Fatal(err)
	}
	return issuer
}

// reply is a decoded answer of the function.
type reply struct {
	Status  int
	Header  http.Header
	Success bool            `json:"success"`
	Data    json.RawMessage `json:"data"`
	Error   json.RawMessage `json:"error"`
}

type failure struct {
	Code    string         `json:"code"`
	Message string         `json:"message"`
	Details map[string]any `json:"details"`
}

func (r reply) failure() failure {
	var f failure
	decoder := json.NewDecoder(bytes.NewReader(r.Error))
	decoder.UseNumber()
	_ = decoder.Decode(&f) // a success has none
	return f
}

// String is for failed tests.
func (r reply) String() string {
	return fmt.Sprintf("status %d, data %s, error %s", r.Status, r.Data, r.Error)
}

func (b *bench) send(method, path, body string, headers ...string) reply {
	request := httptest.NewRequestWithContext(b.t.Context(), method, path, strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+b.token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	recorder := httptest.NewRecorder()
	b.function.ServeHTTP(recorder, request)
	r := reply{Status: recorder.Code, Header: recorder.Header()}
	if err := json.Unmarshal(recorder.Body.Bytes(), &r); err != nil {
		b.t.Errorf("answer %d %q: %v", recorder.Code, recorder.Body, err)
	}
	return r
}

// place sends market with changes.
func (b *bench) place(changes string, headers ...string) reply {
	b.t.Helper()
	return b.send(http.MethodPost, "/api/v1/stocks/order", with(b.t, market, changes), headers...)
}

// placed wants the order taken.
func (b *bench) placed(r reply) order.Order {
	b.t.Helper()
	var o order.Order
	if err := json.Unmarshal(r.Data, &o); r.Status != http.StatusCreated || err != nil || o.OrderID == "" {
		b.t.Fatalf("got %s (%v), want an order", r, err)
	}
	return o
}

// mustFail wants a failure of this kind and returns it.
func (b *bench) mustFail(r reply, kind *problem.Kind) failure {
	b.t.Helper()
	f := r.failure()
	if r.Success || r.Status != kind.Status() || f.Code != kind.Code() || f.Message == "" {
		b.t.Fatalf("got %s, want %d %s", r, kind.Status(), kind.Code())
	}
	return f
}

func (b *bench) sweep() {
	b.t.Helper()
	if err := b.function.Sweep(b.t.Context()); err != nil {
		b.t.Fatalf("sweep: %v", err)
	}
}

// told is an event in the outbox.
type told struct {
	event.Event
	changed event.OrderChanged
}

// outbox returns the events of the bench's account in their order.
func (b *bench) outbox() []told {
	b.t.Helper()
	entries, err := b.redis.XRange(b.t.Context(), store.OutboxKey(store.Shard(b.account)), "-", "+").Result()
	if err != nil {
		b.t.Fatal(err)
	}
	var events []told
	for _, entry := range entries {
		if entry.Values["account"] != b.account {
			continue
		}
		var e told
		if err := json.Unmarshal([]byte(entry.Values["event"].(string)), &e.Event); err != nil {
			b.t.Fatal(err)
		}
		if e.changed, err = event.Decode[event.OrderChanged](e.Event); err != nil {
			b.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// mustTell wants exactly these events in the outbox, each as "type id", the prefix ai.opitios.order. left out.
func (b *bench) mustTell(want ...string) {
	b.t.Helper()
	got := []string{}
	for _, e := range b.outbox() {
		got = append(got, strings.TrimPrefix(e.Type(), "ai.opitios.order.")+" "+e.ID())
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		b.t.Fatalf("outbox %q, want %q", got, want)
	}
}

// metric returns orders_total of a status.
func (b *bench) metric(status string) float64 {
	b.t.Helper()
	families, err := b.registry.Gather()
	if err != nil {
		b.t.Fatal(err)
	}
	sum := 0.0
	for _, family := range families {
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				if family.GetName() == "orders_total" && label.GetName() == "status" && label.GetValue() == status {
					sum += series.GetCounter().GetValue()
				}
			}
		}
	}
	return sum
}

// background sends an order whose client can be made to hang up; hangUp's channel ends when the handler does.
func (b *bench) background(changes string) (hangUp func() <-chan struct{}) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	body := with(b.t, market, changes)
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/v1/stocks/order", strings.NewReader(body))
	request.Header.Set("Authorization", "Bearer "+b.token)
	request.Header.Set("Content-Type", "application/json")
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.function.ServeHTTP(httptest.NewRecorder(), request)
	}()
	return func() <-chan struct{} { cancel(); return done }
}

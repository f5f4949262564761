package cache_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func opening() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

// usual is the life of a value in most tests.
var usual = cache.Life{Fresh: time.Second, Revalidate: 250 * time.Millisecond, Stale: time.Minute, Negative: 10 * time.Second}

// source stands in for Alpaca: its values are numbered by call.
type source struct {
	mu    sync.Mutex
	calls [][]cache.Key
	fetch func(keys []cache.Key) (map[cache.Key]cache.Fields, error)
}

func (s *source) Fetch(_ context.Context, keys []cache.Key) (map[cache.Key]cache.Fields, error) {
	s.mu.Lock()
	s.calls = append(s.calls, keys)
	number, fetch := len(s.calls), s.fetch
	s.mu.Unlock()
	if fetch != nil {
		return fetch(keys)
	}
	return numbered(number, keys), nil
}

// numbered knows every symbol that does not start with NO.
func numbered(number int, keys []cache.Key) map[cache.Key]cache.Fields {
	found := make(map[cache.Key]cache.Fields)
	for _, key := range keys {
		if key.Symbol[:2] != "NO" {
			found[key] = cache.Document(fmt.Appendf(nil, "%s %d", key.Symbol, number))
		}
	}
	return found
}

func (s *source) answers(fetch func(keys []cache.Key) (map[cache.Key]cache.Fields, error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetch = fetch
}

func (s *source) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.calls)
}

// instance is one process's cache with a group of documents.
type instance struct {
	t        *testing.T
	clock    *clock.Fake
	registry *prometheus.Registry
	shared   *cache.Shared
	cache    *cache.Cache
	group    *cache.Group
}

type tune func(*cache.Config, *cache.GroupConfig)

func newInstance(t *testing.T, client store.Client, clk *clock.Fake, upstream *source, tunes ...tune) *instance {
	t.Helper()
	i := &instance{t: t, clock: clk, registry: prometheus.NewRegistry()}
	i.shared = cache.NewShared(client, 5*time.Second, clk, zap.NewNop(), i.registry)
	config := cache.Config{
		Symbols: 100, DocumentBytes: 1 << 20, FetchTimeout: 5 * time.Second, WaitForOthers: 5 * time.Second,
		Shared: i.shared, Clock: clk, Registerer: i.registry,
	}
	group := cache.GroupConfig{
		Name: "test", Most: 100, Window: 5 * time.Millisecond, Fetch: upstream.Fetch,
		Build: func(_ cache.Key, record *cache.Record) (any, error) {
			data, ok := record.Document()
			if !ok {
				return nil, errors.New("no document")
			}
			return string(data), nil
		},
		Life:    func(cache.Key, time.Time) cache.Life { return usual },
		Unknown: func(key cache.Key) error { return problem.SymbolNotFound.New("%s is not known", key.Symbol) },
	}
	for _, apply := range tunes {
		apply(&config, &group)
	}
	var err error
	if i.cache, err = cache.New(config); err != nil {
		t.Fatal(err)
	}
	i.group = i.cache.Group(group)
	t.Cleanup(i.cache.Stop)
	return i
}

func document(symbol string) cache.Key {
	return cache.Key{Kind: cache.KindBars, Symbol: symbol, Query: "1Day"}
}

// read returns a value that must be there.
func (i *instance) read(symbol string) cache.Answer {
	i.t.Helper()
	answer, err := i.group.Get(i.t.Context(), document(symbol))
	if err != nil {
		i.t.Fatalf("%s: %v", symbol, err)
	}
	return answer
}

func (i *instance) mustRead(symbol, value string, stale bool) {
	i.t.Helper()
	if answer := i.read(symbol); answer.Value != value || answer.Stale != stale {
		i.t.Errorf("%s: got %v, stale %t, want %q, stale %t", symbol, answer.Value, answer.Stale, value, stale)
	}
}

// embedded is a Redis whose clock moves together with that of the instances.
func embedded(t *testing.T) (client redis.UniversalClient, clk *clock.Fake, advance func(time.Duration)) {
	t.Helper()
	client, advanceRedis := storetest.Embedded(t)
	clk = clock.NewFake(opening())
	return client, clk, func(d time.Duration) {
		clk.Advance(d)
		advanceRedis(d)
	}
}

func mustEqual[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

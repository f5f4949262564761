package feed_test

import (
	"context"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/stream"
	emulated "github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
	"github.com/opitios-ai/alpaca-knative/functions/quote/feed"
	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/functions/quote/interest"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// patience bounds every wait for something that crosses a socket.
const patience = 20 * time.Second

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// world is everything around the feed.
type world struct {
	t        *testing.T
	emulator *emulator.Emulator
	redis    *miniredis.Miniredis
	client   *redis.Client
	file     string
}

func newWorld(t *testing.T, plan access.Plan) *world {
	t.Helper()
	w := &world{t: t, redis: miniredis.RunT(t)}
	w.client = redis.NewClient(&redis.Options{Addr: w.redis.Addr()})
	t.Cleanup(func() { _ = w.client.Close() })
	var err error
	w.emulator, err = emulator.New(emulator.Config{
		Accounts:  []emulator.Account{{KeyID: "PKDATA", SecretKey: "secret", DataPlan: plan}},
		DataLimit: -1, Streams: stream.Settings{Data: emulated.Settings{Interval: 5 * time.Millisecond}},
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.emulator.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.emulator.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	content, err := vault.Marshal([]vault.Account{{
		ID: "data", Type: vault.TypePaper, MarketData: true, Permissions: []auth.Permission{auth.PermissionMarketData},
		Credentials: alpaca.Credentials{KeyID: "PKDATA", SecretKey: "secret"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	w.file = filepath.Join(t.TempDir(), "accounts.json")
	if err := os.WriteFile(w.file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	go w.passTime(t.Context())
	return w
}

// passTime lets leases and interest expire in miniredis, whose clock stands still otherwise.
func (w *world) passTime(ctx context.Context) {
	const step = 10 * time.Millisecond
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(step):
			w.redis.FastForward(step)
		}
	}
}

// start runs a feed and returns what stops it.
func (w *world) start(environ ...string) (stop func()) {
	w.t.Helper()
	all := map[string]string{
		"REDIS_URL": "redis://" + w.redis.Addr(), "ACCOUNTS_FILE": w.file, "JWT_SECRET": "0123456789abcdef0123456789abcdef",
		"ALPACA_TRADING_URL": w.emulator.URL(), "ALPACA_DATA_URL": w.emulator.URL(), "FEED_POLL_INTERVAL": "100ms",
	}
	for i := 0; i+1 < len(environ); i += 2 {
		all[environ[i]] = environ[i+1]
	}
	var cfg feed.Config
	if err := config.Load(&cfg, all); err != nil {
		w.t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	logger := zaptest.NewLogger(w.t, zaptest.Level(zap.ErrorLevel))
	function, err := feed.New(cfg, platform.NewDependencies(logger, registry, registry, clock.System{}))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := function.Start(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		if err := function.Stop(context.WithoutCancel(w.t.Context())); err != nil {
			w.t.Error(err)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// watch says that an instance watches topics.
func (w *world) watch(topics ...tick.Topic) *interest.Registry {
	w.t.Helper()
	registry := interest.NewRegistry(w.client, "test-instance", time.Minute, zap.NewNop())
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { registry.Run(ctx) })
	w.t.Cleanup(func() { cancel(); running.Wait() })
	registry.Add(topics...)
	return registry
}

// heard is what arrives in the channels of all ticks.
type heard struct {
	mu     sync.Mutex
	counts map[tick.Topic]int
	tokens map[int64]int
	last   map[tick.Topic]string
}

func (w *world) listen() *heard {
	w.t.Helper()
	h := &heard{counts: map[tick.Topic]int{}, tokens: map[int64]int{}, last: map[tick.Topic]string{}}
	var channels []string
	for _, class := range tick.Classes() {
		for shard := range tick.Shards {
			channels = append(channels, store.TicksChannel(class.String(), shard))
		}
	}
	subscription := w.client.Subscribe(w.t.Context(), channels...)
	if _, err := subscription.Receive(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		for message := range subscription.Channel() {
			h.take(message.Payload)
		}
	})
	w.t.Cleanup(func() { _ = subscription.Close(); reading.Wait() })
	return h
}

func (h *heard) take(payload string) {
	opened, err := tick.Open([]byte(payload))
	if err != nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		topic, encoded, ok, err := opened.Next()
		if !ok || err != nil {
			return
		}
		h.counts[topic]++
		h.tokens[opened.Token]++
		h.last[topic] = string(encoded)
	}
}

func (h *heard) count(topic tick.Topic) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.counts[topic]
}

func (h *heard) leaders() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.tokens)
}

// status is what the feed said last of a class.
func (w *world) status(class tick.Class) status.Class {
	data, err := w.client.Get(w.t.Context(), store.FeedStatusKey()).Bytes()
	if err != nil {
		return status.Class{}
	}
	said, err := status.Decode(data)
	if err != nil {
		w.t.Fatal(err)
	}
	return said.Classes[class]
}

// cut cuts the upstream sockets of a kind.
func (w *world) cut(kind string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.emulator.AdminURL()+"/emulator/streams/disconnect",
		strings.NewReader(`{"kind":"`+kind+`"}`))
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
	if err != nil {
		w.t.Fatal(err)
	}
	_ = answer.Body.Close()
}

func topic(class tick.Class, kind tick.Kind, symbol string) tick.Topic {
	return tick.Topic{Class: class, Kind: kind, Symbol: symbol}
}

package stream

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// patience bounds every wait for something that crosses a socket.
const patience = 20 * time.Second

// world is what instances share: Redis, and a feed that the test plays.
type world struct {
	t         *testing.T
	redis     *miniredis.Miniredis
	client    redis.UniversalClient
	clock     *clock.Fake
	keys      *auth.Keys
	sequences map[string]uint64
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, redis: miniredis.RunT(t), clock: clock.NewFake(time.Now()), sequences: make(map[string]uint64)}
	w.client = storetest.Open(t, "redis://"+w.redis.Addr())
	var err error
	if w.keys, err = auth.LoadKeys(auth.KeyConfig{Secret: "0123456789abcdef0123456789abcdef"}); err != nil {
		t.Fatal(err)
	}
	return w
}

// hearers is how many instances listen to a symbol's channel.
func (w *world) hearers(symbol string) int64 {
	channel := store.TicksChannel(tick.Stock.String(), tick.Shard(symbol))
	return w.client.PubSubNumSub(w.t.Context(), channel).Val()[channel]
}

// instance is one process that serves streams.
type instance struct {
	*Service
	w   *world
	url string
}

// start runs an instance that knows the price 100 of every symbol.
func (w *world) start(cfg Config) *instance {
	w.t.Helper()
	client := storetest.Open(w.t, "redis://"+w.redis.Addr())
	registry := prometheus.NewRegistry()
	revocations := auth.NewRedisRevocations(client, w.clock)
	verifier, err := auth.NewVerifier(w.keys, revocations, w.clock)
	if err != nil {
		w.t.Fatal(err)
	}
	dependencies := platform.NewDependencies(zap.NewNop(), registry, registry, w.clock)
	known := func(_ context.Context, _ tick.Class, symbols []string) []*alpaca.Snapshot {
		all := make([]*alpaca.Snapshot, len(symbols))
		for i := range all {
			all[i] = &alpaca.Snapshot{LatestQuote: &alpaca.Quote{
				Timestamp: time.Now(), BidPrice: decimal.Number{Decimal: decimal.FromInt(99)}, AskPrice: decimal.Number{Decimal: decimal.FromInt(100)},
			}}
		}
		return all
	}
	i := &instance{Service: New(cfg, &platform.Platform{Redis: client, Verifier: verifier, Revocations: revocations}, dependencies, known), w: w}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if err := i.ServeWebSocket(rw, &serve.Request[serve.None]{Request: r}); err != nil {
			http.Error(rw, err.Error(), http.StatusServiceUnavailable)
		}
	}))
	i.url = server.URL
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { i.Run(ctx) })
	w.t.Cleanup(func() {
		i.Drain(context.Background())
		cancel()
		running.Wait()
		server.Close()
	})
	return i
}

func (w *world) token(accountID string, life time.Duration) string {
	w.t.Helper()
	issuer, err := auth.NewIssuer(w.keys, life, w.clock)
	if err != nil {
		w.t.Fatal(err)
	}
	token, _, err := issuer.Issue(accountID, "", []auth.Permission{auth.PermissionMarketData})
	if err != nil {
		w.t.Fatal(err)
	}
	return token
}

// publish says as the feed that a symbol has a bid.
func (w *world) publish(token int64, symbol string, bid int64) {
	w.t.Helper()
	var b tick.Batch
	b.Add(event(symbol, bid), nil)
	channel := store.TicksChannel(tick.Stock.String(), tick.Shard(symbol))
	w.sequences[channel]++
	if err := w.client.Publish(w.t.Context(), channel, b.AppendTo(nil, token, w.sequences[channel])).Err(); err != nil {
		w.t.Fatal(err)
	}
}

func event(symbol string, bid int64) *tick.Event {
	return &tick.Event{
		Topic: tick.Topic{Class: tick.Stock, Kind: tick.Quote, Symbol: symbol}, At: time.Now(), BidPrice: decimal.FromInt(bid), AskPrice: decimal.FromInt(bid + 1),
	}
}

// report says as the feed that stocks are live.
func (w *world) report(token, gaps int64) {
	w.t.Helper()
	w.reportStocks(token, status.Class{State: status.Live, Source: "sip", Gaps: gaps, From: time.Now(), To: time.Now()})
}

// reportStocks says as the feed how stocks are: the word is kept, and told to who listens.
func (w *world) reportStocks(token int64, stocks status.Class) {
	w.t.Helper()
	said := status.Feed{Token: token, At: time.Now(), Classes: make([]status.Class, len(tick.Classes()))}
	for i := range said.Classes {
		said.Classes[i].State = status.Idle
	}
	said.Classes[tick.Stock] = stocks
	content, err := said.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.Set(w.t.Context(), store.FeedStatusKey(), content, status.Life).Err(); err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.Publish(w.t.Context(), store.FeedStatusChannel(), content).Err(); err != nil {
		w.t.Fatal(err)
	}
}

// received is a message as a client sees it.
type received struct {
	Message

	Symbol   string  `json:"symbol"`
	BidPrice float64 `json:"bid_price"`
}

// reader is a client.
type reader struct {
	t       *testing.T
	conn    *websocket.Conn
	waiting []received
}

// open opens a stream with a token and subscribes to quotes.
func (i *instance) open(token string, quotes ...string) *reader {
	i.w.t.Helper()
	// A small buffer, so that a client that does not read is one soon.
	dialer := &net.Dialer{}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dialer.DialContext(ctx, network, address)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = tcp.SetReadBuffer(16 << 10)
		}
		return conn, err
	}}
	conn, _, err := websocket.Dial(i.w.t.Context(), i.url, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: http.Header{"Authorization": {"Bearer " + token}},
	})
	if err != nil {
		i.w.t.Fatal(err)
	}
	conn.SetReadLimit(1 << 20)
	i.w.t.Cleanup(func() { _ = conn.CloseNow() })
	r := &reader{t: i.w.t, conn: conn}
	if len(quotes) > 0 {
		r.send(Request{Action: "subscribe", Quotes: quotes})
		r.until("a subscription", ofType("subscription"))
		storetest.Eventually(i.w.t, "the instance listens", func() bool {
			return !slices.ContainsFunc(quotes, func(symbol string) bool { return i.w.hearers(symbol) == 0 })
		})
	}
	return r
}

func (r *reader) send(request Request) {
	r.t.Helper()
	content, err := json.Marshal(request)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := r.conn.Write(r.t.Context(), websocket.MessageText, content); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) next() (received, error) {
	for len(r.waiting) == 0 {
		ctx, cancel := context.WithTimeout(r.t.Context(), patience)
		_, frame, err := r.conn.Read(ctx)
		cancel()
		if err != nil {
			return received{}, err
		}
		if err := json.Unmarshal(frame, &r.waiting); err != nil {
			r.t.Fatalf("%s: %v", frame, err)
		}
	}
	first := r.waiting[0]
	r.waiting = r.waiting[1:]
	return first, nil
}

// until reads until a message is as wanted.
func (r *reader) until(what string, wanted func(received) bool) received {
	r.t.Helper()
	for {
		m, err := r.next()
		if err != nil {
			r.t.Fatalf("%s: the stream ended: %v", what, err)
		}
		if wanted(m) {
			return m
		}
	}
}

// ended reads to the end and returns its code.
func (r *reader) ended() int {
	for {
		if _, err := r.next(); err != nil {
			return int(websocket.CloseStatus(err))
		}
	}
}

func ofType(name string) func(received) bool { return func(m received) bool { return m.Type == name } }

func bid(symbol string, price float64) func(received) bool {
	return func(m received) bool { return m.Type == "quote" && m.Symbol == symbol && m.BidPrice == price }
}

// newWatched is a world in which a client watches AAPL and has got a tick of the first leader.
func newWatched(t *testing.T) (*world, *reader) {
	t.Helper()
	w := newWorld(t)
	c := w.start(Config{}).open(w.token("ACC001", time.Hour), "AAPL")
	w.report(1, 0)
	w.publish(1, "AAPL", 150)
	c.until("a tick", bid("AAPL", 150))
	return w, c
}

package broker_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/opitios-ai/alpaca-knative/local/broker"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func start() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

// oneTrigger is a Broker with a dead-letter sink, and one Trigger without a filter.
const oneTrigger = `
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: opitios}
spec:
  delivery:
    retry: 3
    backoffPolicy: exponential
    backoffDelay: PT0.2S
    deadLetterSink: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: dead}, uri: /letters}
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: all}
spec:
  broker: opitios
  subscriber: {ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: app}, uri: /events}
`

// delivered is one request that a service got.
type delivered struct {
	path   string
	header http.Header
	event  event.Event
}

// service is a subscriber that answers as it is told and remembers what it got.
type service struct {
	*httptest.Server
	mu  sync.Mutex
	got []delivered
}

func newService(t testing.TB, answer http.HandlerFunc) *service {
	t.Helper()
	s := &service{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e, err := event.ReadRequest(w, r, 1<<20)
		if err != nil {
			t.Errorf("got something that is no event: %v", err)
		}
		s.mu.Lock()
		s.got = append(s.got, delivered{path: r.URL.Path, header: r.Header.Clone(), event: e})
		s.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) requests() []delivered {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// status returns answers with these statuses, one after the other; the last one stays.
func statuses(codes ...int) http.HandlerFunc {
	var mu sync.Mutex
	return func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		w.WriteHeader(codes[0])
		if len(codes) > 1 {
			codes = codes[1:]
		}
	}
}

// waits is a Sleep that does not sleep but remembers.
type waits struct {
	mu  sync.Mutex
	all []time.Duration
}

func (w *waits) sleep(ctx context.Context, d time.Duration) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.all = append(w.all, d)
	return ctx.Err()
}

func load(t testing.TB, manifest string) *broker.Definition {
	t.Helper()
	definition, err := broker.Load(fstest.MapFS{"all.yaml": {Data: []byte(manifest)}})
	if err != nil {
		t.Fatal(err)
	}
	return definition
}

// newBroker makes a broker whose services are these.
func newBroker(t testing.TB, manifest string, services map[string]*service, config broker.Config) *broker.Broker {
	t.Helper()
	config.Resolve = func(name string) (*url.URL, bool) {
		s, found := services[name]
		if !found {
			return nil, false
		}
		base, err := url.Parse(s.URL)
		return base, err == nil
	}
	if config.Clock == nil {
		config.Clock = clock.NewFake(start())
	}
	if config.Sleep == nil {
		config.Sleep = new(waits).sleep
	}
	b, err := broker.New(*load(t, manifest), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, b) })
	return b
}

// stop waits until everything is delivered. It may be called more than once.
func stop(t testing.TB, b *broker.Broker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := b.Stop(ctx); err != nil {
		t.Errorf("Stop: %v", err)
	}
}

func newEvent(t testing.TB, account string, options ...event.Option) event.Event {
	t.Helper()
	e, err := event.New(event.TypeAccountUpdated, "/test", account,
		event.AccountUpdated{AccountID: account, Reason: "test", OccurredAt: start()}, options...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

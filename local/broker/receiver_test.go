package broker_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/knative/eventing"
	"github.com/opitios-ai/alpaca-knative/local/broker"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// functions are the order function and the dead-letter sink, reduced to their receivers, behind the manifests of a
// cluster.
type functions struct {
	broker *broker.Broker
	orders []event.Event
	dead   []event.Event
	// results are what the order function answers, one after the other; then nil.
	results []error
}

func newFunctions(t *testing.T, results ...error) *functions {
	t.Helper()
	client := redis.NewClient(&redis.Options{Addr: miniredis.RunT(t).Addr()})
	t.Cleanup(func() { _ = client.Close() })
	f := &functions{results: results}
	orders := event.NewReceiver(event.ReceiverConfig{Deduper: event.NewDeduper(client, event.DeduperConfig{})})
	orders.Handle(event.TypeOrderRequested, "order", f.placeOrder)
	letters := event.NewReceiver(event.ReceiverConfig{})
	letters.HandleRest("dead-letters", func(_ context.Context, e event.Event) error {
		f.dead = append(f.dead, e)
		return nil
	})
	mux := http.NewServeMux()
	mux.Handle("/events", orders)
	mux.Handle("/events/dead-letters", letters)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	definition, err := broker.Load(eventing.Manifests)
	if err != nil {
		t.Fatal(err)
	}
	f.broker, err = broker.New(*definition, broker.Config{
		Sleep: new(waits).sleep,
		Resolve: func(string) (*url.URL, bool) {
			base, err := url.Parse(server.URL)
			return base, err == nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, f.broker) })
	return f
}

func (f *functions) placeOrder(_ context.Context, e event.Event) error {
	if _, err := event.Decode[event.OrderRequested](e); err != nil {
		return err
	}
	if len(f.results) > 0 {
		result := f.results[0]
		f.results = f.results[1:]
		return result
	}
	f.orders = append(f.orders, e)
	return nil
}

func orderRequested(t *testing.T) event.Event {
	t.Helper()
	e, err := event.New(event.TypeOrderRequested, "/test", "acc-1",
		event.OrderRequested{AccountID: "acc-1", Order: order.OrderRequest{Symbol: "AAPL"}})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestTwicePublishedIsOneOrder(t *testing.T) {
	t.Parallel()
	f := newFunctions(t)
	e := orderRequested(t)
	mustPublish(t, f.broker, e)
	mustPublish(t, f.broker, e)
	stop(t, f.broker)
	if len(f.orders) != 1 || len(f.dead) != 0 {
		t.Fatalf("%d orders, %d dead letters", len(f.orders), len(f.dead))
	}
}

func TestLaterIsTriedAgain(t *testing.T) {
	t.Parallel()
	f := newFunctions(t, problem.Unavailable.New("Redis is away"), problem.RateLimitExceeded.New("wait"))
	mustPublish(t, f.broker, orderRequested(t))
	stop(t, f.broker)
	if len(f.orders) != 1 || f.broker.Stats().Retried != 2 {
		t.Fatalf("%d orders, %+v", len(f.orders), f.broker.Stats())
	}
}

func TestPoisonIsDeadLetteredWithItsReason(t *testing.T) {
	t.Parallel()
	f := newFunctions(t, problem.InvalidToken.New("the command has no proof"))
	mustPublish(t, f.broker, orderRequested(t))
	stop(t, f.broker)
	if len(f.orders) != 0 || len(f.dead) != 1 || f.broker.Stats().Retried != 0 {
		t.Fatalf("%d orders, %d dead letters, %+v", len(f.orders), len(f.dead), f.broker.Stats())
	}
	reason, err := base64.StdEncoding.DecodeString(event.Extension(f.dead[0], "knativeerrordata"))
	if err != nil || string(reason) != "INVALID_TOKEN: the command has no proof" ||
		event.Extension(f.dead[0], "knativeerrorcode") != "400" {
		t.Fatalf("got %q, %v", reason, err)
	}
}

package broker_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/opitios-ai/alpaca-knative/local/broker"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

func TestIngressPathsAndMethods(t *testing.T) {
	t.Parallel()
	cases := []struct {
		method, path string
		status       int
	}{
		{http.MethodPost, "/", 202},
		{http.MethodPost, "/default/opitios", 202},
		{http.MethodPost, "/trading/opitios", 202},
		{http.MethodPost, "/default/other", 404},
		{http.MethodPost, "/opitios", 404},
		{http.MethodPost, "//opitios", 404},
		{http.MethodPost, "/default/opitios/more", 404},
		{http.MethodGet, "/", 405},
		{http.MethodPut, "/default/opitios", 405},
	}
	app := newService(t, statuses(202))
	b := newBroker(t, oneTrigger, map[string]*service{"app": app}, broker.Config{})
	for _, c := range cases {
		request := httptest.NewRequest(c.method, "http://broker"+c.path, strings.NewReader("{}"))
		for name, value := range map[string]string{
			"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": "somebody.elses",
		} {
			request.Header.Set(name, value)
		}
		recorder := httptest.NewRecorder()
		b.ServeHTTP(recorder, request)
		if recorder.Code != c.status {
			t.Errorf("%s %s: %d, want %d", c.method, c.path, recorder.Code, c.status)
		}
	}
}

func TestIngressTakesStructuredMode(t *testing.T) {
	t.Parallel()
	app := newService(t, statuses(202))
	b := newBroker(t, oneTrigger, map[string]*service{"app": app}, broker.Config{})
	sent := newEvent(t, "acc-1")
	if code := publishMode(t, b, "/", sent, binding.WithForceStructured).Code; code != 202 {
		t.Fatalf("answered %d", code)
	}
	stop(t, b)
	got := app.requests()
	if len(got) != 1 || got[0].header.Get("Ce-Id") != sent.ID() || string(got[0].event.Data()) != string(sent.Data()) {
		t.Fatalf("got %v", got)
	}
}

func TestIngressRefusesMalformedEvents(t *testing.T) {
	t.Parallel()
	b := newBroker(t, oneTrigger, nil, broker.Config{})
	cases := map[string]struct {
		header map[string]string
		body   string
		status int
	}{
		"no event":   {nil, "{}", 400},
		"no type":    {map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s"}, "{}", 400},
		"structured": {map[string]string{"Content-Type": "application/cloudevents+json"}, "{", 400},
		"too large": {map[string]string{"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": "t"},
			strings.Repeat("x", 1<<20+1), 413},
	}
	for name, c := range cases {
		request := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(c.body))
		for key, value := range c.header {
			request.Header.Set(key, value)
		}
		recorder := httptest.NewRecorder()
		b.ServeHTTP(recorder, request)
		if recorder.Code != c.status {
			t.Errorf("%s: %d, want %d", name, recorder.Code, c.status)
		}
	}
	if stats := b.Stats(); stats.Accepted != 0 {
		t.Errorf("stats %+v", stats)
	}
}

func TestPublisherNeverWaitsAndAFullQueueSaysSo(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	app := newService(t, func(http.ResponseWriter, *http.Request) { <-release })
	b := newBroker(t, oneTrigger, map[string]*service{"app": app}, broker.Config{QueueLimit: 3})
	for range 3 {
		mustPublish(t, b, newEvent(t, "acc-1")) // returns although the subscriber does not answer
	}
	answer := publish(t, b, "/", newEvent(t, "acc-1"))
	if answer.Code != http.StatusServiceUnavailable || answer.Header().Get("Retry-After") == "" {
		t.Errorf("answered %d", answer.Code)
	}
	if stats := b.Stats(); stats.Pending != 3 || stats.Refused != 1 {
		t.Errorf("stats %+v", stats)
	}
	close(release)
	stop(t, b)
	if stats := b.Stats(); stats.Delivered != 3 {
		t.Errorf("stats %+v", stats)
	}
	if answer := publish(t, b, "/", newEvent(t, "acc-1")); answer.Code != http.StatusServiceUnavailable {
		t.Errorf("a stopped broker answered %d", answer.Code)
	}
}

func TestStopDropsWhatItsDeadlineLeaves(t *testing.T) {
	t.Parallel()
	reached := make(chan struct{}, 1)
	app := newService(t, func(_ http.ResponseWriter, r *http.Request) {
		reached <- struct{}{}
		<-r.Context().Done()
	})
	b, err := broker.New(*load(t, strings.ReplaceAll(oneTrigger,
		"ref: {apiVersion: serving.knative.dev/v1, kind: Service, name: app}, uri: /events", "uri: "+app.URL+"/x")),
		broker.Config{Resolve: func(string) (*url.URL, bool) { return nil, false }})
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		mustPublish(t, b, newEvent(t, "acc-1"))
	}
	<-reached
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Stop(ctx); !errors.Is(err, broker.ErrDropped) || !strings.Contains(err.Error(), "5") {
		t.Fatalf("got %v", err)
	}
	if stats := b.Stats(); stats.Dropped != 5 || stats.Pending != 0 {
		t.Fatalf("stats %+v", stats)
	}
}

func TestOverARealSocket(t *testing.T) {
	t.Parallel()
	app := newService(t, statuses(202))
	registry := prometheus.NewRegistry()
	b := newBroker(t, oneTrigger, map[string]*service{"app": app}, broker.Config{Registerer: registry})
	if b.URL() != "" {
		t.Errorf("URL before Start is %q", b.URL())
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	publisher, err := event.NewPublisher(b.URL()+"/default/opitios", client)
	if err != nil {
		t.Fatal(err)
	}
	if err := publisher.Publish(t.Context(), newEvent(t, "acc-1")); err != nil {
		t.Fatal(err)
	}
	stop(t, b)
	if len(app.requests()) != 1 {
		t.Fatalf("got %v", app.requests())
	}
	want := "# HELP broker_deliveries_total Deliveries that a subscriber took.\n" +
		"# TYPE broker_deliveries_total counter\nbroker_deliveries_total 1\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "broker_deliveries_total"); err != nil {
		t.Error(err)
	}
}

func TestStartOnATakenAddress(t *testing.T) {
	t.Parallel()
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	b := newBroker(t, oneTrigger, nil, broker.Config{Addr: taken.Listener.Addr().String()})
	if err := b.Start(t.Context()); err == nil {
		t.Fatal("no error")
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	if _, err := broker.New(*load(t, oneTrigger), broker.Config{}); err == nil {
		t.Error("services without Resolve")
	}
	registry := prometheus.NewRegistry()
	newBroker(t, oneTrigger, nil, broker.Config{Registerer: registry})
	if _, err := broker.New(broker.Definition{}, broker.Config{Registerer: registry}); err == nil {
		t.Error("two brokers on one registry")
	}
}

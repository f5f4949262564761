package broker_test

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/opitios-ai/alpaca-knative/local/broker"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// publish posts to the ingress and returns its answer.
func publish(t testing.TB, b *broker.Broker, path string, e event.Event) *httptest.ResponseRecorder {
	t.Helper()
	return publishMode(t, b, path, e, binding.WithForceBinary)
}

func publishMode(t testing.TB, b http.Handler, path string, e event.Event,
	mode func(context.Context) context.Context,
) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, nil)
	if err := cehttp.WriteRequest(mode(t.Context()), binding.ToMessage(&e), request); err != nil {
		t.Fatal(err)
	}
	recorder := httptest.NewRecorder()
	b.ServeHTTP(recorder, request)
	return recorder
}

func mustPublish(t testing.TB, b *broker.Broker, e event.Event) {
	t.Helper()
	if answer := publish(t, b, "/", e); answer.Code != http.StatusAccepted || answer.Body.Len() != 0 {
		t.Fatalf("published with %d %s", answer.Code, answer.Body)
	}
}

func TestDeliversTheEventAsItIs(t *testing.T) {
	t.Parallel()
	app := newService(t, statuses(202))
	b := newBroker(t, oneTrigger, map[string]*service{"app": app}, broker.Config{})
	sent := newEvent(t, "acc-1", event.WithSequence(9), event.WithTraceparent("00-a-b-01"), event.WithExpiry(start()))
	mustPublish(t, b, sent)
	stop(t, b)
	got := app.requests()
	if len(got) != 1 || got[0].path != "/events" {
		t.Fatalf("got %d requests: %v", len(got), got)
	}
	want := map[string]string{
		"Ce-Id": sent.ID(), "Ce-Type": sent.Type(), "Ce-Source": "/test", "Ce-Specversion": "1.0", "Ce-Subject": "acc-1",
		"Ce-Time": sent.Time().Format(time.RFC3339Nano), "Ce-Dataschema": sent.DataSchema(),
		"Ce-Partitionkey": "acc-1", "Ce-Sequence": "00000000000000000009", "Ce-Traceparent": "00-a-b-01",
		"Ce-Expirytime": "2026-11-23T14:30:00Z", "Ce-Knativearrivaltime": "2026-11-23T14:30:00Z",
		"Content-Type": "application/json", "Prefer": "reply",
	}
	for name, value := range want {
		if got[0].header.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, got[0].header.Get(name), value)
		}
	}
	if string(got[0].event.Data()) != string(sent.Data()) {
		t.Errorf("data %s", got[0].event.Data())
	}
}

func TestRetries(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	waitsOf3 := []time.Duration{200 * ms, 400 * ms, 800 * ms}
	cases := []struct {
		name    string
		answers []int
		tries   int
		waits   []time.Duration
		letter  bool
	}{
		{"taken at once", []int{200}, 1, nil, false},
		{"202", []int{202}, 1, nil, false},
		{"204", []int{204}, 1, nil, false},
		{"500 is tried again", []int{500, 202}, 2, waitsOf3[:1], false},
		{"503 three times", []int{503, 503, 503, 202}, 4, waitsOf3, false},
		{"out of retries", []int{500}, 4, waitsOf3, true},
		{"404 is tried again", []int{404, 202}, 2, waitsOf3[:1], false},
		{"408 is tried again", []int{408, 202}, 2, waitsOf3[:1], false},
		{"409 is tried again", []int{409, 202}, 2, waitsOf3[:1], false},
		{"429 is tried again", []int{429, 202}, 2, waitsOf3[:1], false},
		{"400 is poison", []int{400}, 1, nil, true},
		{"401 is poison", []int{401}, 1, nil, true},
		{"403 is poison", []int{403}, 1, nil, true},
		{"413 is poison", []int{413}, 1, nil, true},
		{"422 is poison", []int{422}, 1, nil, true},
		{"302 is not followed", []int{302}, 1, nil, true},
		{"poison after a retry", []int{503, 400}, 2, waitsOf3[:1], true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			app, dead, slept := newService(t, statuses(c.answers...)), newService(t, statuses(202)), new(waits)
			b := newBroker(t, oneTrigger, map[string]*service{"app": app, "dead": dead}, broker.Config{Sleep: slept.sleep})
			mustPublish(t, b, newEvent(t, "acc-1"))
			stop(t, b)
			if got := len(app.requests()); got != c.tries {
				t.Errorf("tried %d times, want %d", got, c.tries)
			}
			if !slices.Equal(slept.all, c.waits) {
				t.Errorf("waited %v, want %v", slept.all, c.waits)
			}
			if got := len(dead.requests()) == 1; got != c.letter {
				t.Errorf("dead-lettered %v, want %v", got, c.letter)
			}
			stats := b.Stats()
			if int(stats.Retried) != c.tries-1 || stats.Delivered+stats.DeadLettered != 1 || stats.Pending != 0 {
				t.Errorf("stats %+v", stats)
			}
		})
	}
}

func TestNoAnswerIsTriedAgain(t *testing.T) {
	t.Parallel()
	hangUps := 2
	app := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		if hangUps--; hangUps >= 0 {
			panic(http.ErrAbortHandler)
		}
		w.WriteHeader(http.StatusAccepted)
	})
	b := newBroker(t, oneTrigger, map[string]*service{"app": app}, broker.Config{})
	mustPublish(t, b, newEvent(t, "acc-1"))
	stop(t, b)
	if stats := b.Stats(); stats.Delivered != 1 || stats.Retried != 2 {
		t.Fatalf("stats %+v", stats)
	}
}

func TestDeadLetterSaysWhy(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("x", 2000)
	app := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, text)
	})
	dead := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a sink may answer with any body")
	})
	b := newBroker(t, oneTrigger, map[string]*service{"app": app, "dead": dead}, broker.Config{})
	sent := newEvent(t, "acc-1", event.WithSequence(3))
	mustPublish(t, b, sent)
	stop(t, b)
	got := dead.requests()
	if len(got) != 1 || got[0].path != "/letters" || got[0].event.ID() != sent.ID() ||
		string(got[0].event.Data()) != string(sent.Data()) {
		t.Fatalf("got %v", got)
	}
	want := map[string]string{
		"knativeerrordest": app.URL + "/events", "knativeerrorcode": "400",
		"knativeerrordata": base64.StdEncoding.EncodeToString([]byte(text[:768])),
		"sequence":         "00000000000000000003", "partitionkey": "acc-1",
		"knativearrivaltime": "2026-11-23T14:30:00Z",
	}
	for name, value := range want {
		if text := event.Extension(got[0].event, name); text != value {
			t.Errorf("%s = %q, want %q", name, text, value)
		}
	}
}

func TestServiceWithoutAnAddressIsNoAnswer(t *testing.T) {
	t.Parallel()
	dead, slept := newService(t, statuses(202)), new(waits)
	b := newBroker(t, oneTrigger, map[string]*service{"dead": dead}, broker.Config{Sleep: slept.sleep})
	mustPublish(t, b, newEvent(t, "acc-1"))
	stop(t, b)
	got := dead.requests()
	if len(got) != 1 || len(slept.all) != 3 || event.Extension(got[0].event, "knativeerrorcode") != "500" ||
		event.Extension(got[0].event, "knativeerrordest") != "service app at /events" {
		t.Fatalf("got %v after %v", got, slept.all)
	}
}

func TestFailingDeadLetterSinkIsRetriedThenDropped(t *testing.T) {
	t.Parallel()
	app, dead := newService(t, statuses(400)), newService(t, statuses(503))
	b := newBroker(t, oneTrigger, map[string]*service{"app": app, "dead": dead}, broker.Config{})
	mustPublish(t, b, newEvent(t, "acc-1"))
	stop(t, b)
	if stats := b.Stats(); len(dead.requests()) != 4 || stats.Dropped != 1 || stats.DeadLettered != 0 {
		t.Fatalf("%d tries, stats %+v", len(dead.requests()), stats)
	}
}

func TestRecoveringDeadLetterSink(t *testing.T) {
	t.Parallel()
	app, dead := newService(t, statuses(400)), newService(t, statuses(503, 202))
	b := newBroker(t, oneTrigger, map[string]*service{"app": app, "dead": dead}, broker.Config{})
	mustPublish(t, b, newEvent(t, "acc-1"))
	stop(t, b)
	if stats := b.Stats(); stats.DeadLettered != 1 || stats.Dropped != 0 {
		t.Fatalf("stats %+v", stats)
	}
}

func TestAnswersThatAreNoEventCountAs502(t *testing.T) {
	t.Parallel()
	bodies := map[string]func(w http.ResponseWriter){
		"plain text": func(w http.ResponseWriter) { _, _ = io.WriteString(w, "OK") },
		"JSON": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, `{"success":true}`)
		},
		"malformed event": func(w http.ResponseWriter) {
			w.Header().Set("Content-Type", "application/cloudevents+json")
			_, _ = io.WriteString(w, `{`)
		},
		"invalid event": func(w http.ResponseWriter) { w.Header().Set("Ce-Specversion", "1.0") },
	}
	for name, answer := range bodies {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			app := newService(t, func(w http.ResponseWriter, _ *http.Request) { answer(w) })
			dead := newService(t, statuses(202))
			b := newBroker(t, oneTrigger, map[string]*service{"app": app, "dead": dead}, broker.Config{})
			mustPublish(t, b, newEvent(t, "acc-1"))
			stop(t, b)
			got := dead.requests()
			if len(app.requests()) != 4 || len(got) != 1 || event.Extension(got[0].event, "knativeerrorcode") != "502" {
				t.Fatalf("%d tries, letters %v", len(app.requests()), got)
			}
		})
	}
}

func TestReplyIsPublished(t *testing.T) {
	t.Parallel()
	manifest := strings.Replace(oneTrigger, "  broker: opitios\n",
		"  broker: opitios\n  filter: {attributes: {type: ai.opitios.account.updated}}\n", 1) + `
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: replies}
spec:
  broker: opitios
  filter: {attributes: {type: ai.opitios.sweep.tick}}
  subscriber: {ref: {kind: Service, name: other}}
`
	app := newService(t, func(w http.ResponseWriter, r *http.Request) {
		reply, err := event.New(event.TypeSweepTick, "/reply", "acc-1", event.SweepTick{})
		if err == nil {
			err = cehttp.WriteResponseWriter(r.Context(), binding.ToMessage(&reply), http.StatusOK, w)
		}
		if err != nil {
			t.Error(err)
		}
	})
	other := newService(t, statuses(202))
	b := newBroker(t, manifest, map[string]*service{"app": app, "other": other}, broker.Config{})
	mustPublish(t, b, newEvent(t, "acc-1"))
	stop(t, b)
	got := other.requests()
	if len(got) != 1 || got[0].event.Source() != "/reply" || got[0].header.Get("Ce-Knativearrivaltime") == "" {
		t.Fatalf("got %v", got)
	}
}

func TestRepliesInACircleEnd(t *testing.T) {
	t.Parallel()
	app := newService(t, func(w http.ResponseWriter, r *http.Request) {
		reply, err := event.New(event.TypeAccountUpdated, "/reply", "acc-1", event.AccountUpdated{})
		if err == nil {
			err = cehttp.WriteResponseWriter(r.Context(), binding.ToMessage(&reply), http.StatusOK, w)
		}
		if err != nil {
			t.Error(err)
		}
	})
	b := newBroker(t, oneTrigger, map[string]*service{"app": app}, broker.Config{})
	mustPublish(t, b, newEvent(t, "acc-1"))
	stop(t, b)
	if stats := b.Stats(); len(app.requests()) != 256 || stats.Dropped != 1 {
		t.Fatalf("%d deliveries, stats %+v", len(app.requests()), stats)
	}
}

func TestEachTriggerGetsWhatItWants(t *testing.T) {
	t.Parallel()
	manifest := oneTrigger + `
---
apiVersion: eventing.knative.dev/v1
kind: Trigger
metadata: {name: second}
spec:
  broker: opitios
  filters: [{exact: {subject: acc-2}}]
  subscriber: {ref: {kind: Service, name: other}, uri: /x}
`
	app, other := newService(t, statuses(500)), newService(t, statuses(202))
	dead := newService(t, statuses(202))
	b := newBroker(t, manifest, map[string]*service{"app": app, "other": other, "dead": dead}, broker.Config{})
	mustPublish(t, b, newEvent(t, "acc-1"))
	mustPublish(t, b, newEvent(t, "acc-2"))
	stop(t, b)
	if got := other.requests(); len(got) != 1 || got[0].event.Subject() != "acc-2" {
		t.Fatalf("got %v", got)
	}
	if stats := b.Stats(); stats.DeadLettered != 2 || stats.Delivered != 1 || stats.Accepted != 2 {
		t.Fatalf("stats %+v", stats)
	}
}

func TestOneAccountsEventsKeepTheirOrder(t *testing.T) {
	t.Parallel()
	const accounts, each = 8, 20
	// Every third attempt fails, so that retries would mix up what is not kept in order.
	tries := make(chan int, 1)
	tries <- 0
	app := newService(t, func(w http.ResponseWriter, _ *http.Request) {
		n := <-tries
		tries <- n + 1
		if n%3 == 2 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	})
	b := newBroker(t, strings.Replace(oneTrigger, "retry: 3", "retry: 1000", 1),
		map[string]*service{"app": app}, broker.Config{Workers: 4})
	for i := range each {
		for a := range accounts {
			mustPublish(t, b, newEvent(t, fmt.Sprintf("acc-%d", a), event.WithSequence(uint64(i))))
		}
	}
	stop(t, b)
	last := make(map[string]string)
	for _, d := range app.requests() {
		sequence := event.Extension(d.event, event.ExtensionSequence)
		if sequence < last[d.event.Subject()] {
			t.Fatalf("%s: %s after %s", d.event.Subject(), sequence, last[d.event.Subject()])
		}
		last[d.event.Subject()] = sequence
	}
	if stats := b.Stats(); stats.Delivered != accounts*each {
		t.Fatalf("stats %+v", stats)
	}
}

func TestOneFailingAccountHoldsUpNobody(t *testing.T) {
	t.Parallel()
	good := make(chan struct{})
	app := newService(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Ce-Subject") == "bad" {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		close(good)
	})
	dead := newService(t, statuses(202))
	// The failing delivery waits for its retry until the other account has been served, with one worker for both.
	wait := func(ctx context.Context, _ time.Duration) error {
		select {
		case <-good:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b := newBroker(t, oneTrigger, map[string]*service{"app": app, "dead": dead}, broker.Config{Workers: 1, Sleep: wait})
	mustPublish(t, b, newEvent(t, "bad"))
	mustPublish(t, b, newEvent(t, "good"))
	stop(t, b)
	if stats := b.Stats(); stats.Delivered != 1 || stats.DeadLettered != 1 {
		t.Fatalf("stats %+v", stats)
	}
}

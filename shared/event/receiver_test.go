package event_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// post sends an event to a handler in the mode that ctx asks for.
func post(t testing.TB, ctx context.Context, handler http.Handler, e event.Event) *httptest.ResponseRecorder {
	t.Helper()
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, "/events", nil)
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&e), request); err != nil {
		t.Fatal(err)
	}
	return serve(handler, request)
}

func serve(handler http.Handler, request *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	handler.ServeHTTP(recorder, request)
	return recorder
}

// counting is a handler that counts its calls and returns err.
func counting(calls *int, err error) event.Handler {
	return func(context.Context, event.Event) error { *calls++; return err }
}

func TestReceiverTakesBothModes(t *testing.T) {
	t.Parallel()
	modes := map[string]func(context.Context) context.Context{
		"binary": binding.WithForceBinary, "structured": binding.WithForceStructured,
	}
	for name, mode := range modes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sent := newEvent(t, event.WithSequence(1))
			var got event.Event
			receiver := event.NewReceiver(event.ReceiverConfig{})
			receiver.Handle(event.TypeOrderRequested, consumer, func(_ context.Context, e event.Event) error {
				got = e
				return nil
			})
			answer := post(t, mode(t.Context()), receiver, sent)
			if answer.Code != http.StatusAccepted || answer.Body.Len() != 0 {
				t.Fatalf("answered %d %q", answer.Code, answer.Body)
			}
			if got.ID() != sent.ID() || string(got.Data()) != string(sent.Data()) ||
				event.Extension(got, event.ExtensionSequence) != event.Extension(sent, event.ExtensionSequence) {
				t.Fatalf("got %v, want %v", got, sent)
			}
		})
	}
}

func TestReceiverMapsTheHandlersResult(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		err    error
		status int
	}{
		{"done", nil, 202},
		{"invalid request", problem.InvalidRequest.New("x"), 400},
		{"invalid token", problem.InvalidToken.New("x"), 400},
		{"forbidden", problem.Forbidden.New("x"), 400},
		{"not found", problem.OrderNotFound.New("x"), 400},
		{"funds", problem.InsufficientFunds.New("x"), 400},
		{"risk limit", problem.RiskLimit.New("x"), 400},
		{"market closed", problem.MarketClosed.New("x"), 400},
		{"other body", problem.IdempotencyMismatch.New("x"), 400},
		{"in progress", problem.IdempotencyInProgress.New("x"), 503},
		{"rate limit", problem.RateLimitExceeded.New("x"), 503},
		{"unavailable", problem.Unavailable.New("x"), 503},
		{"upstream failed", problem.UpstreamFailed.New("x"), 503},
		{"upstream timeout", problem.UpstreamTimeout.New("x"), 503},
		{"deadline", context.DeadlineExceeded, 503},
		{"internal", problem.Internal.New("x"), 500},
		{"anything else", errors.New("secret"), 500},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			receiver := event.NewReceiver(event.ReceiverConfig{})
			receiver.Handle(event.TypeOrderRequested, consumer, counting(&calls, c.err))
			answer := post(t, t.Context(), receiver, newEvent(t))
			if answer.Code != c.status || calls != 1 {
				t.Fatalf("answered %d %q after %d calls, want %d", answer.Code, answer.Body, calls, c.status)
			}
			if (answer.Header().Get("Retry-After") != "") != (c.status == 503) {
				t.Errorf("Retry-After %q", answer.Header().Get("Retry-After"))
			}
			if strings.Contains(answer.Body.String(), "secret") {
				t.Errorf("leaks the cause: %s", answer.Body)
			}
		})
	}
}

// TestNoProblemIsAnsweredAsItself: 404 and 409 would be retried, 429 and 422 mean something else to a broker.
func TestNoProblemIsAnsweredAsItself(t *testing.T) {
	t.Parallel()
	for _, kind := range problem.Kinds() {
		calls := 0
		receiver := event.NewReceiver(event.ReceiverConfig{})
		receiver.Handle(event.TypeOrderRequested, consumer, counting(&calls, kind.New("x")))
		switch code := post(t, t.Context(), receiver, newEvent(t)).Code; code {
		case 404, 408, 409, 422, 429:
			t.Errorf("%s: %d", kind.Code(), code)
		}
	}
}

func TestReceiverPassesOnHowLongToWait(t *testing.T) {
	t.Parallel()
	calls := 0
	receiver := event.NewReceiver(event.ReceiverConfig{})
	receiver.Handle(event.TypeOrderRequested, consumer,
		counting(&calls, problem.RateLimitExceeded.New("x").After(2500*time.Millisecond)))
	if got := post(t, t.Context(), receiver, newEvent(t)).Header().Get("Retry-After"); got != "3" {
		t.Fatalf("got %q", got)
	}
}

func TestReceiverSurvivesAPanic(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zap.ErrorLevel)
	_, client := newRedis(t)
	receiver := event.NewReceiver(event.ReceiverConfig{
		Logger: zap.New(core), Deduper: event.NewDeduper(client, event.DeduperConfig{}),
	})
	broken := true
	receiver.Handle(event.TypeOrderRequested, consumer, func(context.Context, event.Event) error {
		if broken {
			panic("no")
		}
		return nil
	})
	e := newEvent(t)
	if answer := post(t, t.Context(), receiver, e); answer.Code != 500 || logs.Len() == 0 {
		t.Fatalf("answered %d, logged %d", answer.Code, logs.Len())
	}
	broken = false
	if answer := post(t, t.Context(), receiver, e); answer.Code != 202 {
		t.Fatalf("the lease was not released: %d", answer.Code)
	}
}

func TestReceiverRefusesMalformedEvents(t *testing.T) {
	t.Parallel()
	good := map[string]string{
		"Ce-Specversion": "1.0", "Ce-Id": "1", "Ce-Source": "/s", "Ce-Type": event.TypeOrderRequested,
		"Content-Type": "application/json",
	}
	cases := []struct {
		name, header, value, body string
		status                    int
	}{
		{"good", "", "", "{}", 202},
		{"no specversion", "Ce-Specversion", "", "{}", 400},
		{"old specversion", "Ce-Specversion", "0.3", "{}", 400},
		{"future specversion", "Ce-Specversion", "2.0", "{}", 400},
		{"no id", "Ce-Id", "", "{}", 400},
		{"no source", "Ce-Source", "", "{}", 400},
		{"no type", "Ce-Type", "", "{}", 400},
		{"unknown type", "Ce-Type", "ai.opitios.nothing", "{}", 400},
		{"known type without a handler", "Ce-Type", event.TypeSweepTick, "{}", 400},
		{"time that is none", "Ce-Time", "yesterday", "{}", 400},
		{"expirytime that is none", "Ce-Expirytime", "soon", "{}", 400},
		{"batch", "Content-Type", "application/cloudevents-batch+json", "[]", 400},
		{"structured, not JSON", "Content-Type", "application/cloudevents+json", "{", 400},
		{"structured, empty", "Content-Type", "application/cloudevents+json", "{}", 400},
		{"too large", "", "", strings.Repeat("x", event.DefaultMaxBody+1), 413},
		{"just small enough", "", "", strings.Repeat("x", event.DefaultMaxBody), 202},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calls := 0
			receiver := event.NewReceiver(event.ReceiverConfig{})
			receiver.Handle(event.TypeOrderRequested, consumer, counting(&calls, nil))
			request := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(c.body))
			for name, value := range good {
				request.Header.Set(name, value)
			}
			if c.header != "" {
				request.Header.Set(c.header, c.value)
			}
			answer := serve(receiver, request)
			if answer.Code != c.status || (calls == 1) != (c.status == 202) {
				t.Fatalf("answered %d %q after %d calls, want %d", answer.Code, answer.Body, calls, c.status)
			}
		})
	}
}

func TestReceiverTakesPostOnly(t *testing.T) {
	t.Parallel()
	receiver := event.NewReceiver(event.ReceiverConfig{})
	for _, method := range []string{http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		answer := serve(receiver, httptest.NewRequest(method, "/events", nil))
		if answer.Code != http.StatusMethodNotAllowed || answer.Header().Get("Allow") != http.MethodPost {
			t.Errorf("%s: %d", method, answer.Code)
		}
	}
}

func TestExpiredCommandHasNoSideEffect(t *testing.T) {
	t.Parallel()
	cases := map[time.Duration]int{-time.Second: 0, 0: 1, time.Second: 1}
	for left, want := range cases {
		registry := prometheus.NewRegistry()
		calls := 0
		receiver := event.NewReceiver(event.ReceiverConfig{Clock: clock.NewFake(start()), Registerer: registry})
		receiver.Handle(event.TypeOrderRequested, consumer, counting(&calls, nil))
		answer := post(t, t.Context(), receiver, newEvent(t, event.WithExpiry(start().Add(left))))
		if answer.Code != 202 || answer.Body.Len() != 0 || calls != want {
			t.Errorf("%s left: %d after %d calls", left, answer.Code, calls)
		}
		if got, err := testutil.GatherAndCount(registry, "events_skipped_total"); err != nil || got != 1-want {
			t.Errorf("%s left: skipped %d, %v", left, got, err)
		}
	}
}

func TestEachEventIsHandledOnce(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	calls := 0
	receiver := event.NewReceiver(event.ReceiverConfig{Deduper: event.NewDeduper(client, event.DeduperConfig{})})
	receiver.Handle(event.TypeOrderRequested, consumer, counting(&calls, nil))
	e := newEvent(t)
	for range 3 {
		if answer := post(t, t.Context(), receiver, e); answer.Code != 202 || answer.Body.Len() != 0 {
			t.Fatalf("answered %d", answer.Code)
		}
	}
	if calls != 1 {
		t.Fatalf("handled %d times", calls)
	}
}

func TestNobodyCanPassOffAnothersEventAsADuplicate(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	calls := 0
	receiver := event.NewReceiver(event.ReceiverConfig{Deduper: event.NewDeduper(client, event.DeduperConfig{})})
	receiver.Handle(event.TypeOrderRequested, consumer, counting(&calls, nil))
	for _, data := range []string{`{"account_id":"stranger"}`, `{"account_id":"acc-1"}`} {
		e := withData(t, event.TypeOrderRequested, data)
		e.SetID("guessed")
		post(t, t.Context(), receiver, e)
	}
	if calls != 2 {
		t.Fatalf("handled %d of 2 events with the same source and ID", calls)
	}
}

func TestEventInProgressComesLater(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	receiver := event.NewReceiver(event.ReceiverConfig{Deduper: event.NewDeduper(client, event.DeduperConfig{})})
	e := newEvent(t)
	var second int
	receiver.Handle(event.TypeOrderRequested, consumer, func(context.Context, event.Event) error {
		second = post(t, t.Context(), receiver, e).Code
		return nil
	})
	if first := post(t, t.Context(), receiver, e).Code; first != 202 || second != 503 {
		t.Fatalf("first %d, second %d", first, second)
	}
}

func TestFailureIsHandledAgain(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	receiver := event.NewReceiver(event.ReceiverConfig{Deduper: event.NewDeduper(client, event.DeduperConfig{})})
	results := []error{problem.Unavailable.New("x"), nil}
	calls := 0
	receiver.Handle(event.TypeOrderRequested, consumer, func(context.Context, event.Event) error {
		calls++
		return results[calls-1]
	})
	e := newEvent(t)
	if first, second := post(t, t.Context(), receiver, e).Code, post(t, t.Context(), receiver, e).Code; first != 503 || second != 202 {
		t.Fatalf("first %d, second %d", first, second)
	}
}

func TestWithoutRedisEventsComeLater(t *testing.T) {
	t.Parallel()
	server, client := newRedis(t)
	server.Close()
	calls := 0
	receiver := event.NewReceiver(event.ReceiverConfig{Deduper: event.NewDeduper(client, event.DeduperConfig{})})
	receiver.Handle(event.TypeOrderRequested, consumer, counting(&calls, nil))
	if answer := post(t, t.Context(), receiver, newEvent(t)); answer.Code != 503 || calls != 0 {
		t.Fatalf("answered %d after %d calls", answer.Code, calls)
	}
}

func TestHandlerOutlivesTheBrokersConnection(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	receiver := event.NewReceiver(event.ReceiverConfig{})
	receiver.Handle(event.TypeOrderRequested, consumer, func(ctx context.Context, _ event.Event) error {
		hangUp()
		if _, bounded := ctx.Deadline(); !bounded {
			t.Error("the handler's time is not bounded")
		}
		return ctx.Err()
	})
	if answer := post(t, ctx, receiver, newEvent(t)); answer.Code != 202 {
		t.Fatalf("answered %d", answer.Code)
	}
}

func TestRestTakesEverything(t *testing.T) {
	t.Parallel()
	_, client := newRedis(t)
	calls := 0
	receiver := event.NewReceiver(event.ReceiverConfig{
		Clock: clock.NewFake(start()), Deduper: event.NewDeduper(client, event.DeduperConfig{}),
	})
	receiver.HandleRest("dead-letters", counting(&calls, nil))
	e := newEvent(t, event.WithExpiry(start().Add(-time.Hour)))
	post(t, t.Context(), receiver, e)
	post(t, t.Context(), receiver, e)
	e.SetType("somebody.elses")
	if answer := post(t, t.Context(), receiver, e); answer.Code != 202 || calls != 3 {
		t.Fatalf("answered %d after %d calls", answer.Code, calls)
	}
}

func TestMetricsHaveBoundedLabels(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	calls := 0
	receiver := event.NewReceiver(event.ReceiverConfig{Registerer: registry})
	event.NewReceiver(event.ReceiverConfig{Registerer: registry}) // a second one shares the counters
	receiver.Handle(event.TypeOrderRequested, consumer, counting(&calls, nil))
	receiver.Handle(event.TypeSweepTick, consumer, counting(&calls, problem.Unavailable.New("x")))
	e := newEvent(t)
	for _, eventType := range []string{event.TypeOrderRequested, event.TypeSweepTick, "evil-1", "evil-2"} {
		e.SetType(eventType)
		post(t, t.Context(), receiver, e)
	}
	serve(receiver, httptest.NewRequest(http.MethodPost, "/", nil))
	want := `
# HELP events_failed_total Events that were malformed, refused or put off.
# TYPE events_failed_total counter
events_failed_total{type="ai.opitios.sweep.tick"} 1
events_failed_total{type="unknown"} 3
# HELP events_processed_total Events that a handler has dealt with.
# TYPE events_processed_total counter
events_processed_total{type="ai.opitios.order.requested"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want),
		"events_failed_total", "events_processed_total"); err != nil {
		t.Fatal(err)
	}
}

func TestHandlePanicsOnAMistake(t *testing.T) {
	t.Parallel()
	handler := func(context.Context, event.Event) error { return nil }
	mistakes := map[string]func(*event.Receiver){
		"unknown type": func(r *event.Receiver) { r.Handle("x", consumer, handler) },
		"no consumer":  func(r *event.Receiver) { r.Handle(event.TypeSweepTick, "", handler) },
		"no handler":   func(r *event.Receiver) { r.Handle(event.TypeSweepTick, consumer, nil) },
		"twice": func(r *event.Receiver) {
			r.Handle(event.TypeSweepTick, consumer, handler)
			r.Handle(event.TypeSweepTick, consumer, handler)
		},
	}
	for name, mistake := range mistakes {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			mistake(event.NewReceiver(event.ReceiverConfig{}))
		}()
	}
}

func FuzzReceiver(f *testing.F) {
	f.Add("1.0", "1", "/s", event.TypeSweepTick, "application/json", "", `{}`)
	f.Add("", "", "", "", "application/cloudevents+json", "",
		`{"specversion":"1.0","id":"1","source":"/s","type":"ai.opitios.sweep.tick","data":{},"expirytime":"x"}`)
	f.Add("", "", "", "", "application/cloudevents+json", "",
		`{"specversion":"1.0","id":"1","source":"/s","type":"t","data_base64":"!","time":1}`)
	f.Add("0.3", "1", ":", "t", "text/plain; a", "2026-11-23T14:30:00Z", "\xff")
	f.Fuzz(func(t *testing.T, version, id, from, eventType, contentType, expiry, body string) {
		receiver := event.NewReceiver(event.ReceiverConfig{Clock: clock.NewFake(start())})
		receiver.Handle(event.TypeSweepTick, consumer, func(_ context.Context, e event.Event) error {
			if e.ID() == "" || e.Source() == "" || e.SpecVersion() != "1.0" {
				t.Errorf("an invalid event reached the handler: %v", e)
			}
			return nil
		})
		request := httptest.NewRequest(http.MethodPost, "/events", strings.NewReader(body))
		for name, value := range map[string]string{
			"Ce-Specversion": version, "Ce-Id": id, "Ce-Source": from, "Ce-Type": eventType, "Content-Type": contentType,
			"Ce-Expirytime": expiry,
		} {
			request.Header.Set(name, value)
		}
		switch answer := serve(receiver, request); answer.Code {
		case 202:
			if answer.Body.Len() > 0 {
				t.Errorf("202 with a body: %s", answer.Body)
			}
		case 400:
		default:
			t.Errorf("answered %d", answer.Code)
		}
	})
}

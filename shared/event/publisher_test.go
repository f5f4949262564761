package event_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/event"
)

func TestPublishPostsInBinaryMode(t *testing.T) {
	t.Parallel()
	e := newEvent(t, event.WithSequence(7), event.WithExpiry(start().Add(time.Hour)))
	var header http.Header
	var body []byte
	publisher := publisherTo(t, func(w http.ResponseWriter, r *http.Request) {
		header = r.Header.Clone()
		body, _ = io.ReadAll(r.Body)
		w.WriteHeader(http.StatusAccepted)
	})
	if err := publisher.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"Ce-Id": e.ID(), "Ce-Type": event.TypeOrderRequested, "Ce-Source": source, "Ce-Specversion": "1.0",
		"Ce-Subject": "acc-1", "Ce-Partitionkey": "acc-1", "Ce-Sequence": "00000000000000000007",
		"Ce-Expirytime": "2026-11-23T15:30:00Z", "Content-Type": "application/json",
	}
	for name, value := range want {
		if header.Get(name) != value {
			t.Errorf("%s = %q, want %q", name, header.Get(name), value)
		}
	}
	if string(body) != string(e.Data()) {
		t.Errorf("body %s, want %s", body, e.Data())
	}
}

func TestPublishTellsRefusedFromLater(t *testing.T) {
	t.Parallel()
	cases := map[int]error{
		200: nil, 202: nil, 204: nil,
		400: event.ErrRefused, 401: event.ErrRefused, 403: event.ErrRefused, 413: event.ErrRefused, 422: event.ErrRefused,
		404: event.ErrLater, 408: event.ErrLater, 409: event.ErrLater, 429: event.ErrLater,
		500: event.ErrLater, 502: event.ErrLater, 503: event.ErrLater, 504: event.ErrLater,
		302: event.ErrLater, 308: event.ErrLater,
	}
	for status, want := range cases {
		posts := 0
		publisher := publisherTo(t, func(w http.ResponseWriter, _ *http.Request) {
			posts++
			w.Header().Set("Location", "/elsewhere")
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(status)
		})
		err := publisher.Publish(t.Context(), newEvent(t))
		if !errors.Is(err, want) || posts != 1 {
			t.Errorf("%d: %v after %d posts, want %v", status, err, posts, want)
		}
		var failure *event.DeliveryError
		if want != nil && (!errors.As(err, &failure) || failure.Status != status || failure.RetryAfter != 3*time.Second) {
			t.Errorf("%d: %+v", status, failure)
		}
	}
}

func TestPublishWithoutAnAnswerIsLater(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	publisher, err := event.NewPublisher(server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := publisher.Publish(t.Context(), newEvent(t)); !errors.Is(err, event.ErrLater) {
		t.Fatalf("got %v", err)
	}
}

func TestPublishEndsWithItsContext(t *testing.T) {
	t.Parallel()
	publisher := publisherTo(t, func(http.ResponseWriter, *http.Request) {})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := publisher.Publish(ctx, newEvent(t))
	if !errors.Is(err, event.ErrLater) || !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
}

func TestPublishRefusesAnInvalidEvent(t *testing.T) {
	t.Parallel()
	publisher := publisherTo(t, func(http.ResponseWriter, *http.Request) { t.Error("was posted") })
	e := newEvent(t)
	e.SetID("")
	if err := publisher.Publish(t.Context(), e); !errors.Is(err, event.ErrRefused) {
		t.Fatalf("got %v", err)
	}
}

func TestPublishDoesNotReadAnEndlessAnswer(t *testing.T) {
	t.Parallel()
	publisher := publisherTo(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 32<<10)
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	if err := publisher.Publish(t.Context(), newEvent(t)); err != nil {
		t.Fatal(err)
	}
}

func TestNewPublisherChecksTheSink(t *testing.T) {
	t.Parallel()
	for _, sink := range []string{"", "broker", "/events", "ftp://x/", "http://", ":"} {
		if _, err := event.NewPublisher(sink, nil); err == nil {
			t.Errorf("accepted %q", sink)
		}
	}
}

func publisherTo(t *testing.T, handler http.HandlerFunc) *event.Publisher {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	publisher, err := event.NewPublisher(server.URL, server.Client())
	if err != nil {
		t.Fatal(err)
	}
	return publisher
}

func TestPublishWhileAsksWhenThereIsAConnection(t *testing.T) {
	t.Parallel()
	errGone := errors.New("test: no longer ours")
	for name, may := range map[string]error{"may": nil, "may not": errGone} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var whole, connected atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, err := event.ReadRequest(w, r, 1<<20); err == nil {
					whole.Add(1)
				}
			}))
			defer server.Close() // waits for the handler
			transport := &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
				defer connected.Add(1)
				return (&net.Dialer{}).DialContext(ctx, network, address)
			}}
			defer transport.CloseIdleConnections()
			publisher, err := event.NewPublisher(server.URL, &http.Client{Transport: transport})
			if err != nil {
				t.Fatal(err)
			}
			asked := 0
			err = publisher.PublishWhile(t.Context(), newEvent(t), func(context.Context) error {
				if asked++; connected.Load() != 1 {
					t.Error("asked before there was a connection")
				}
				return may
			})
			if !errors.Is(err, may) || (may != nil && !errors.Is(err, event.ErrLater)) || asked != 1 {
				t.Fatalf("got %v, asked %d times", err, asked)
			}
			transport.CloseIdleConnections()
			server.Close()
			if sent := whole.Load() == 1; sent != (may == nil) {
				t.Fatalf("the event was sent: %t", sent)
			}
		})
	}
}

package fault_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/fault"
)

type bench struct {
	registry *fault.Registry
	server   *httptest.Server
	calls    atomic.Int64
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{registry: &fault.Registry{}}
	next := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := b.calls.Add(1)
		if strings.Contains(r.URL.Path, "/events/") {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			panic(http.ErrAbortHandler)
		}
		_, _ = io.WriteString(w, strings.Repeat("x", 50)+strconv.FormatInt(n, 10))
	})
	b.server = httptest.NewServer(b.registry.Handler(next, func(r *http.Request) string { return r.Header.Get("Key") }))
	t.Cleanup(b.server.Close)
	return b
}

func (b *bench) get(t *testing.T, path, key string) (int, string, error) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Key", key)
	response, err := b.server.Client().Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

func TestKinds(t *testing.T) {
	t.Parallel()
	cases := []struct {
		fault  fault.Fault
		status int
		broken bool
		calls  int64
	}{
		{fault.Fault{Kind: fault.Latency, LatencyMS: 1, JitterMS: 1, Distribution: fault.Exponential}, 200, false, 1},
		{fault.Fault{Kind: fault.Status, Status: 503, Message: "Service Unavailable"}, 503, false, 0},
		{fault.Fault{Kind: fault.RateLimit}, 429, false, 0},
		{fault.Fault{Kind: fault.DropBefore}, 0, true, 0},
		{fault.Fault{Kind: fault.DropAfter}, 0, true, 1},
		{fault.Fault{Kind: fault.SlowBody, BytesPerSecond: 100_000}, 200, false, 1},
		{fault.Fault{Kind: fault.Truncated, KeepBytes: 5}, 200, true, 1},
	}
	for _, c := range cases {
		t.Run(string(c.fault.Kind), func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			c.fault.Route, c.fault.KeyID = "GET /v2/a*", "K"
			if _, err := b.registry.Add(c.fault); err != nil {
				t.Fatal(err)
			}
			if status, _, err := b.get(t, "/v2/b", "K"); status != 200 || err != nil {
				t.Fatalf("other route: %d, %v", status, err)
			}
			if status, _, err := b.get(t, "/v2/a", "L"); status != 200 || err != nil {
				t.Fatalf("other key: %d, %v", status, err)
			}
			b.calls.Store(0)
			status, _, err := b.get(t, "/v2/account", "K")
			if status != c.status || (err != nil) != c.broken {
				t.Fatalf("status %d, error %v", status, err)
			}
			// A GET whose connection broke is sent again by the client; drop_after therefore counts at least one.
			if calls := b.calls.Load(); calls < c.calls || c.calls == 0 && calls != 0 {
				t.Fatalf("calls = %d, want %d", calls, c.calls)
			}
			if hits := b.registry.List()[0].Hits; hits < 1 {
				t.Fatalf("hits = %d", hits)
			}
		})
	}
}

func TestStaleRepeatsTheFirstAnswer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	added, err := b.registry.Add(fault.Fault{Kind: fault.Stale})
	if err != nil {
		t.Fatal(err)
	}
	_, first, _ := b.get(t, "/v2/quotes?symbols=A", "K")
	_, second, _ := b.get(t, "/v2/quotes?symbols=A", "K")
	if first != second {
		t.Fatalf("%q, then %q", first, second)
	}
	if !b.registry.Remove(added.ID) {
		t.Fatal("not removed")
	}
	if _, third, _ := b.get(t, "/v2/quotes?symbols=A", "K"); third == first {
		t.Fatal("still stale")
	}
}

func TestBurstEndsAndIsCounted(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if _, err := b.registry.Add(fault.Fault{Kind: fault.RateLimit, Times: 2}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		_, _, _ = b.get(t, "/v2/account", "K")
	}
	got := b.registry.Answers()["K"]
	if got["429"] != 2 || got["200"] != 3 {
		t.Fatalf("answers = %v", got)
	}
}

func TestDisconnectBreaksStreams(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	done := make(chan error, 1)
	go func() {
		_, _, err := b.get(t, "/v2/events/trades", "K")
		done <- err
	}()
	deadline := time.Now().Add(10 * time.Second)
	for b.registry.Streams()["/v2/events/trades"] == 0 && time.Now().Before(deadline) {
		time.Sleep(time.Millisecond)
	}
	if n := b.registry.Disconnect("L", ""); n != 0 {
		t.Fatalf("broke %d streams of another key", n)
	}
	if n := b.registry.Disconnect("K", ""); n != 1 {
		t.Fatalf("broke %d streams, want 1", n)
	}
	if err := <-done; err == nil {
		t.Fatal("the stream ended cleanly")
	}
}

func TestInvalidFaults(t *testing.T) {
	t.Parallel()
	for _, f := range []fault.Fault{
		{}, {Kind: "flood"}, {Kind: fault.Latency}, {Kind: fault.Latency, LatencyMS: 1, Distribution: "cauchy"},
		{Kind: fault.Status, Status: 99}, {Kind: fault.SlowBody}, {Kind: fault.Truncated, KeepBytes: -1},
		{Kind: fault.DropAfter, Probability: 2},
	} {
		if _, err := (&fault.Registry{}).Add(f); !errors.Is(err, fault.ErrInvalid) {
			t.Errorf("%+v: error = %v", f, err)
		}
	}
}

package serve_test

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// streaming adds a stream that fails before its answer for ?fail=before and after it began for ?fail=after.
func streaming(a *api) {
	serve.HandleStream(a.Router, serve.Operation{
		ID: "stream", Method: http.MethodGet, Path: "/api/v1/stream", Permission: auth.PermissionMarketData,
		Parameters: []serve.Parameter{{Name: "fail", In: serve.InQuery}},
	}, func(w http.ResponseWriter, r *serve.Request[serve.None]) error {
		if r.URL.Query().Get("fail") == "before" {
			return problem.InvalidSymbol.New("no such symbol")
		}
		_, _ = io.WriteString(w, "data: "+r.Claims.AccountID+"\n\n")
		if r.URL.Query().Get("fail") == "after" {
			return problem.Unavailable.New("gone")
		}
		return nil
	})
}

func TestStreamWritesItsOwnAnswer(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, path, token string
		status            int
		body              string
	}{
		{"data", "/api/v1/stream", "trader", 200, "data: ACC001\n\n"},
		{"a failure before it began", "/api/v1/stream?fail=before", "trader", 422, `"code":"INVALID_SYMBOL"`},
		{"a failure in the middle", "/api/v1/stream?fail=after", "trader", 200, "data: ACC001\n\n"},
		{"no permission", "/api/v1/stream", "reader", 403, `"code":"FORBIDDEN"`},
		{"an unknown parameter", "/api/v1/stream?symbol=A", "trader", 400, `"code":"INVALID_REQUEST"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			a := newAPI(t)
			streaming(a)
			got := a.do(request(http.MethodGet, test.path, "", header("Authorization", "Bearer "+test.token)))
			if got.Code != test.status || !strings.Contains(got.Body.String(), test.body) {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
		})
	}
}

// A stream lasts as long as its client likes: that is no latency.
func TestStreamIsCountedAndNotTimed(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	streaming(a)
	a.do(request(http.MethodGet, "/api/v1/stream", ""))
	if n, err := testutil.GatherAndCount(a.registry, "api_requests_total"); n != 1 || err != nil {
		t.Errorf("%d series of requests, %v", n, err)
	}
	if n, err := testutil.GatherAndCount(a.registry, "api_request_duration_seconds"); n != 0 || err != nil {
		t.Errorf("%d series of durations, %v", n, err)
	}
}

// drainable is a function with a stream that ends when it is drained.
type drainable struct{ *function }

func (d drainable) Drain(context.Context) { close(d.proceed) }

func TestStopDrainsStreamsFirst(t *testing.T) {
	t.Parallel()
	f := newFunction()
	a := newAPI(t)
	s := serve.NewServer(serve.ServerConfig{
		Address: "127.0.0.1:0", QuietPeriod: time.Millisecond, StopTimeout: 20 * time.Second, Logger: a.logger, Metrics: a.http,
	}, drainable{f})
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c, ended := client(t, false), make(chan error, 1)
	go func() {
		_, _, err := get(c, s.URL()+"/slow", "")
		ended <- err
	}()
	<-f.entered
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatalf("the stream: %v", err)
	}
}

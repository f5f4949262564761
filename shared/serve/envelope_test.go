package serve_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

var update = flag.Bool("update", false, "write the golden files")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s differs; got\n%s", path, got)
	}
}

const envelopeHead = `{"success":true,"timestamp":"2026-11-23T14:30:00Z","request_id":"request-0001","data":`

func TestAnswerIsInTheEnvelope(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, method, path, body string
		status                   int
		data                     string
	}{
		{"an object", http.MethodGet, "/api/v1/stocks/AAPL/quote", "", 200, `{"symbol":"AAPL","price":187.1}`},
		{"raw JSON", http.MethodGet, "/api/v1/crypto/BTCUSD/quote", "", 200, `{"symbol":"BTCUSD","price":1.50}`},
		{"no raw JSON", http.MethodDelete, "/api/v1/stocks/order", "", 200, `null`},
		{"nothing", http.MethodGet, "/api/v1/auth/token", "", 200, `{}`},
		{"created", http.MethodPost, "/api/v1/stocks/order", `{"symbol":"AAPL"}`, 201, `{"symbol":"AAPL","price":0}`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := newAPI(t).do(request(test.method, test.path, test.body))
			if want := envelopeHead + test.data + "}\n"; got.Code != test.status || got.Body.String() != want {
				t.Fatalf("got %d %s\nwant %s", got.Code, got.Body, want)
			}
			for name, want := range map[string]string{
				"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
				serve.RequestIDHeader: requestID,
			} {
				if got.Header().Get(name) != want {
					t.Errorf("%s: %q, want %q", name, got.Header().Get(name), want)
				}
			}
		})
	}
}

// The codes, statuses and the form of a failure are a contract.
func TestEveryKindOfProblemHasItsAnswer(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for i, kind := range problem.Kinds() {
		serve.Handle(a.Router, serve.Operation{ID: fmt.Sprintf("p%d", i), Method: http.MethodGet, Path: fmt.Sprintf("/p/%d", i)},
			func(context.Context, *serve.Request[serve.None]) (serve.None, error) {
				err := kind.New("what is <wrong>").Field("qty").With("limit", 5).Because(fmt.Errorf("private cause")).After(1500 * time.Millisecond)
				return serve.None{}, fmt.Errorf("wrapped: %w", err)
			})
	}
	var all bytes.Buffer
	for i := range problem.Kinds() {
		got := a.do(request(http.MethodGet, fmt.Sprintf("/p/%d", i), ""))
		fmt.Fprintf(&all, "%d Retry-After: %s WWW-Authenticate: %s\n%s", got.Code, got.Header().Get("Retry-After"),
			got.Header().Get("WWW-Authenticate"), got.Body)
	}
	if strings.Contains(all.String(), "private cause") {
		t.Fatal("a cause reached the client")
	}
	golden(t, "testdata/problems.golden", all.Bytes())
}

func TestDetailThatIsNoJSONKeepsCodeAndMessage(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	serve.Handle(a.Router, serve.Operation{ID: "odd", Method: http.MethodGet, Path: "/odd"},
		func(context.Context, *serve.Request[serve.None]) (func(), error) { return func() {}, nil })
	serve.Handle(a.Router, serve.Operation{ID: "odder", Method: http.MethodGet, Path: "/odder"},
		func(context.Context, *serve.Request[serve.None]) (serve.None, error) {
			return serve.None{}, problem.RiskLimit.New("too much").With("f", func() {})
		})
	if got := a.do(request(http.MethodGet, "/odd", "")); got.Code != 500 || !strings.Contains(got.Body.String(), `"INTERNAL_ERROR"`) {
		t.Errorf("data that is no JSON: %d %s", got.Code, got.Body)
	}
	if got := a.do(request(http.MethodGet, "/odder", "")); got.Code != 422 || !strings.Contains(got.Body.String(), `{"code":"RISK_LIMIT","message":"too much"}`) {
		t.Errorf("a detail that is no JSON: %d %s", got.Code, got.Body)
	}
}

func TestUnknownErrorStaysPrivate(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	got := a.do(request(http.MethodGet, "/api/v1/fail", ""))
	if got.Code != 500 || strings.Contains(got.Body.String(), "hunter2") {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	if entries := a.logs.FilterMessage("request").All(); len(entries) != 1 || entries[0].ContextMap()["cause"] != "dial redis://:hunter2@cache" {
		t.Fatalf("the log does not have the cause: %v", entries)
	}
}

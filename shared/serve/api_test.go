package serve_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

const requestID = "request-0001"

// api is a router with one operation of each kind, and what its tests look at.
type api struct {
	*serve.Router
	registry *prometheus.Registry
	http     *telemetry.HTTP
	logs     *observer.ObservedLogs
	logger   *zap.Logger
	limits   *limits
	clock    *clock.Fake
}

// bracket is a nested object with decimals, as an order's take_profit is.
type bracket struct {
	LimitPrice decimal.Decimal `json:"limit_price"`
}

// input is a body with every kind of field.
type input struct {
	Symbol     string           `json:"symbol"`
	Qty        decimal.Decimal  `json:"qty"`
	Notional   *decimal.Decimal `json:"notional,omitempty"`
	Extended   bool             `json:"extended_hours,omitempty"`
	Count      uint8            `json:"count,omitempty"`
	Tags       []string         `json:"tags,omitempty"`
	TakeProfit *bracket         `json:"take_profit,omitempty"`
	Legs       []bracket        `json:"legs,omitempty"`
}

// output is an answer with a price.
type output struct {
	Symbol string         `json:"symbol"`
	Price  decimal.Number `json:"price"`
}

func newAPI(t testing.TB) *api {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	a := &api{
		registry: prometheus.NewRegistry(), logs: logs, logger: zap.New(core), limits: new(limits),
		clock: clock.NewFake(time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC)),
	}
	a.http = telemetry.NewHTTP(a.registry)
	a.Router = serve.NewRouter(serve.RouterConfig{
		Title: "Test", Authenticator: tokens{}, Limits: a.limits, Clock: a.clock, Logger: a.logger, Metrics: a.http,
	})
	a.register()
	return a
}

func (a *api) register() {
	serve.Handle(a.Router, serve.Operation{
		ID: "getQuote", Method: http.MethodGet, Path: "/api/v1/stocks/{symbol}/quote", Permission: auth.PermissionMarketData,
		Limit: "quotes", Problems: []*problem.Kind{problem.SymbolNotFound, problem.InvalidSymbol},
		Parameters: []serve.Parameter{
			{Name: "symbol", In: serve.InPath, Example: "AAPL"}, {Name: "feed", In: serve.InQuery, Enum: []string{"iex", "sip"}},
		},
	}, func(_ context.Context, r *serve.Request[serve.None]) (output, error) {
		return output{Symbol: r.PathValue("symbol"), Price: decimal.Number{Decimal: decimal.MustParse("187.10")}}, nil
	})
	serve.Handle(a.Router, serve.Operation{
		ID: "getCrypto", Method: http.MethodGet, Path: "/api/v1/crypto/{symbol}/quote", Data: output{},
	}, func(_ context.Context, r *serve.Request[serve.None]) (serve.Raw, error) {
		return serve.Raw(`{"symbol":"` + r.PathValue("symbol") + `","price":1.50}`), nil
	})
	serve.Handle(a.Router, serve.Operation{ID: "placeOrder", Method: http.MethodPost, Path: "/api/v1/stocks/order", Status: http.StatusCreated},
		func(_ context.Context, r *serve.Request[input]) (output, error) {
			return output{Symbol: r.Body.Symbol}, nil
		})
	serve.Handle(a.Router, serve.Operation{ID: "issueToken", Method: http.MethodGet, Path: "/api/v1/auth/token", Limit: "tokens"},
		func(context.Context, *serve.Request[serve.None]) (serve.None, error) { return serve.None{}, nil })
	serve.Handle(a.Router, serve.Operation{ID: "cancel", Method: http.MethodDelete, Path: "/api/v1/stocks/order"},
		func(context.Context, *serve.Request[serve.None]) (serve.Raw, error) { return nil, nil })
	serve.Handle(a.Router, serve.Operation{ID: "panics", Method: http.MethodGet, Path: "/api/v1/panic"},
		func(context.Context, *serve.Request[serve.None]) (serve.None, error) {
			panic("the secret of the handler")
		})
	serve.Handle(a.Router, serve.Operation{ID: "fails", Method: http.MethodGet, Path: "/api/v1/fail"},
		func(context.Context, *serve.Request[serve.None]) (serve.None, error) {
			return serve.None{}, errors.New("dial redis://:hunter2@cache")
		})
}

// tokens knows "trader" and "reader".
type tokens struct{}

func (tokens) Verify(_ context.Context, token string) (*auth.Claims, error) {
	switch token {
	case "trader":
		return &auth.Claims{AccountID: "ACC001", Permissions: []auth.Permission{auth.PermissionMarketData}}, nil
	case "reader":
		return &auth.Claims{AccountID: "ACC002", Permissions: []auth.Permission{auth.PermissionAccountRead}}, nil
	default:
		return nil, problem.InvalidToken.New("the token is not valid")
	}
}

// limits answers what a test sets and remembers who asked.
type limits struct {
	decision *serve.Decision
	err      error
	subjects []string
	all      *serve.Decision // of the limit over all requests; nil allows
}

func (l *limits) Take(_ context.Context, scope, subject string) (serve.Decision, error) {
	if scope == serve.ScopeAll {
		if l.all != nil {
			return *l.all, nil
		}
		return serve.Decision{Allowed: true, Limit: 10_000, Remaining: 9_999}, nil
	}
	l.subjects = append(l.subjects, scope+"/"+subject)
	if l.decision == nil {
		return serve.Decision{Allowed: true, Limit: 100, Remaining: 99, Reset: 10 * time.Millisecond}, l.err
	}
	return *l.decision, l.err
}

// request makes a request with a token, an ID and, for one with a body, its type. Each edit changes it.
func request(method, target, body string, edits ...func(*http.Request)) *http.Request {
	var reader io.Reader
	if body != "" {
		reader = strings.NewReader(body)
	}
	r := httptest.NewRequest(method, target, reader)
	r.Header.Set("Authorization", "Bearer trader")
	r.Header.Set(serve.RequestIDHeader, requestID)
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for _, edit := range edits {
		edit(r)
	}
	return r
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
			return
		}
		r.Header.Set(name, value)
	}
}

func (a *api) do(r *http.Request) *httptest.ResponseRecorder {
	recorder := httptest.NewRecorder()
	a.ServeHTTP(recorder, r)
	return recorder
}

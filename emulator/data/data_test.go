package data_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/data"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is a Monday noon in New York.
var noon = time.Date(2026, time.November, 23, 17, 0, 0, 0, time.UTC)

const call = "AAPL261218C00270000"

// world is the Market Data API at noon of one Monday, for an account with everything (PLUS) and one with nothing (FREE).
type world struct {
	handler http.Handler
	clock   *session.Clock
	market  *market.Market
}

func newWorld(tb testing.TB) *world {
	tb.Helper()
	hours, err := session.NewClock(session.Settings{Mode: session.Fixed, Start: noon}, clock.System{})
	if err != nil {
		tb.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		tb.Fatal(err)
	}
	prices := market.New(7, hours)
	x := exchange.New(exchange.Settings{}, hours, prices, catalogue)
	for key, id := range map[string]string{"PLUS": "11111111-2222-3333-4444-555555555555", "FREE": "21111111-2222-3333-4444-555555555555"} {
		if _, err := x.Open(exchange.Opening{ID: id, KeyID: key, SecretKey: "S"}); err != nil {
			tb.Fatal(err)
		}
	}
	plans, err := access.NewPlans(map[string]access.Plan{"FREE": access.Basic})
	if err != nil {
		tb.Fatal(err)
	}
	gate := &access.Gate{Accounts: x, Trading: access.NewLimiter(-1, time.Now), Data: access.NewLimiter(-1, time.Now)}
	api := &data.API{Catalogue: catalogue, Clock: hours, Market: prices, Plans: plans, Seed: 7, Heartbeat: time.Millisecond}
	mux := http.NewServeMux()
	api.Register(mux, gate)
	mux.Handle(data.NewsPath, api.News(gate))
	return &world{handler: mux, clock: hours, market: prices}
}

func (w *world) get(ctx context.Context, key, url string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if key != "" {
		request.SetBasicAuth(key, "S")
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, request)
	return out
}

// decode reads the body of a 200.
func decode[T any](tb testing.TB, answer *httptest.ResponseRecorder) T {
	tb.Helper()
	var into T
	if answer.Code != http.StatusOK {
		tb.Fatalf("status %d: %s", answer.Code, answer.Body)
	}
	if err := json.Unmarshal(answer.Body.Bytes(), &into); err != nil {
		tb.Fatalf("%v: %s", err, answer.Body)
	}
	return into
}

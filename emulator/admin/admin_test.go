package admin_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/admin"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

type prices struct{ market *market.Market }

func (p prices) SetPrice(symbol string, price decimal.Decimal) error {
	p.market.Pin(symbol, price)
	return nil
}

func (prices) CheckPrice(symbol string, _ decimal.Decimal) error {
	if symbol != "AAPL" {
		return errors.New("unknown symbol")
	}
	return nil
}

func (p prices) Pinned() map[string]decimal.Decimal { return p.market.Pinned() }

func (p prices) ReleasePrice(symbol string) error {
	p.market.Unpin(symbol)
	return nil
}

func newAPI(t testing.TB) (*admin.API, *exchange.Account) {
	t.Helper()
	hours, err := session.NewClock(session.Settings{}, clock.NewFake(time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	walk := market.New(1, hours)
	x := exchange.New(exchange.Settings{FillLatency: -1, PartialFillProbability: -1}, hours, walk, catalogue)
	account, err := x.Open(exchange.Opening{ID: "11111111-2222-3333-4444-555555555555", KeyID: "K", SecretKey: "S"})
	if err != nil {
		t.Fatal(err)
	}
	gate := &access.Gate{Accounts: x, Trading: access.NewLimiter(1, time.Now), Data: access.NewLimiter(1, time.Now)}
	return &admin.API{Exchange: x, Clock: hours, Faults: &fault.Registry{}, Gate: gate, Plans: &access.Plans{}, Prices: prices{walk}}, account
}

func call(t *testing.T, api http.Handler, route, body string, status int) string {
	t.Helper()
	method, path, _ := strings.Cut(route, " ")
	out := httptest.NewRecorder()
	api.ServeHTTP(out, httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body)))
	if out.Code != status {
		t.Fatalf("%s: status %d, want %d: %s", route, out.Code, status, out.Body)
	}
	return out.Body.String()
}

func TestSnapshotResetRestore(t *testing.T) {
	t.Parallel()
	api, account := newAPI(t)
	handler := api.Handler()
	call(t, handler, "POST /emulator/price", `{"symbol":"AAPL","price":100}`, http.StatusNoContent)
	request, err := exchange.DecodeOrder([]byte(`{"symbol":"AAPL","qty":2,"side":"buy","type":"market","time_in_force":"day"}`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := account.Submit(request); err != nil {
		t.Fatal(err)
	}
	call(t, handler, "POST /emulator/faults", `{"kind":"rate_limit","times":3}`, http.StatusCreated)
	saved := call(t, handler, "GET /emulator/snapshot", "", http.StatusOK)
	call(t, handler, "POST /emulator/reset", "", http.StatusNoContent)
	if len(account.Positions()) != 0 || len(api.Faults.List()) != 0 {
		t.Fatal("the reset left something")
	}
	call(t, handler, "PUT /emulator/snapshot", saved, http.StatusNoContent)
	if account.Cash().String() != "99799.98" || len(api.Faults.List()) != 1 {
		t.Fatalf("cash %s, %d faults", account.Cash(), len(api.Faults.List()))
	}
	if !strings.Contains(call(t, handler, "GET /emulator/audit?key_id=K", "", http.StatusOK), `"status":"filled"`) {
		t.Fatal("the audit lost the order")
	}
	for name, broken := range map[string]string{
		"time": `{"state":{}}`, "prices": `{"time":"2026-11-23T15:00:00Z","prices":{"NOSUCH":1}}`,
		"faults": `{"time":"2026-11-23T15:00:00Z","faults":[{"kind":"flood"}]}`, "plans": `{"time":"2026-11-23T15:00:00Z","plans":{"K":"gold"}}`,
	} {
		if refusal := call(t, handler, "PUT /emulator/snapshot", broken, http.StatusBadRequest); !strings.Contains(refusal, name+": ") {
			t.Errorf("%s: %s", name, refusal)
		}
		if account.Cash().String() != "99799.98" || len(api.Prices.Pinned()) != 1 || len(api.Faults.List()) != 1 {
			t.Errorf("a snapshot with wrong %s changed something", name)
		}
	}
	call(t, handler, "PUT /emulator/snapshot", `{"time":"2026-11-23T15:00:00Z","state":{"accounts":[{"key_id":"X"}]}}`, http.StatusBadRequest)
}

// TestResetIsWhole: limits, refusals, plans and prices begin anew, whoever set them.
func TestResetIsWhole(t *testing.T) {
	t.Parallel()
	api, _ := newAPI(t)
	handler := api.Handler()
	for range 3 {
		api.Gate.Data.Allow(http.Header{}, "K")
	}
	if err := api.Plans.Set("K", access.Basic); err != nil {
		t.Fatal(err)
	}
	if err := api.Prices.SetPrice("AAPL", decimal.FromInt(7)); err != nil {
		t.Fatal(err)
	}
	if counters := call(t, handler, "GET /emulator/counters", "", http.StatusOK); !strings.Contains(counters, `"K":2`) {
		t.Fatalf("counters: %s", counters)
	}
	saved := call(t, handler, "GET /emulator/snapshot", "", http.StatusOK)
	call(t, handler, "POST /emulator/reset", "", http.StatusNoContent)
	if counters := call(t, handler, "GET /emulator/counters", "", http.StatusOK); strings.Contains(counters, `"K"`) {
		t.Errorf("counters after the reset: %s", counters)
	}
	if !api.Gate.Data.Allow(http.Header{}, "K") {
		t.Error("the limit is still used up")
	}
	if api.Plans.Of("K") != access.AlgoTraderPlus || len(api.Prices.Pinned()) != 0 {
		t.Error("the plan or the price is still there")
	}
	call(t, handler, "PUT /emulator/snapshot", saved, http.StatusNoContent)
	if api.Plans.Of("K") != access.Basic || !api.Prices.Pinned()["AAPL"].Equal(decimal.FromInt(7)) {
		t.Error("the snapshot lost the plan or the price")
	}
}

// TestRestoredFaultsGoOn: a fault that struck once of three times strikes twice more after a restore.
func TestRestoredFaultsGoOn(t *testing.T) {
	t.Parallel()
	api, _ := newAPI(t)
	handler := api.Handler()
	call(t, handler, "POST /emulator/faults", `{"kind":"rate_limit","times":3}`, http.StatusCreated)
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v2/account", nil)
	api.Faults.Hit(request, "K")
	saved := call(t, handler, "GET /emulator/snapshot", "", http.StatusOK)
	call(t, handler, "PUT /emulator/snapshot", saved, http.StatusNoContent)
	struck := 0
	for range 5 {
		struck += len(api.Faults.Hit(request, "K"))
	}
	if struck != 2 {
		t.Errorf("it struck %d times more", struck)
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	api, _ := newAPI(t)
	handler := api.Handler()
	if profile := call(t, handler, "GET /emulator/profile/heap", "", http.StatusOK); !strings.HasPrefix(profile, "\x1f\x8b") {
		t.Error("a heap profile is compressed with gzip")
	}
	if profile := call(t, handler, "GET /emulator/profile/cpu?seconds=1", "", http.StatusOK); profile == "" {
		t.Error("an empty CPU profile")
	}
	call(t, handler, "GET /emulator/profile/none", "", http.StatusNotFound)
	call(t, handler, "GET /emulator/profile/cpu?seconds=0", "", http.StatusBadRequest)
}

func TestControls(t *testing.T) {
	t.Parallel()
	api, _ := newAPI(t)
	handler := api.Handler()
	before := api.Clock.Now()
	call(t, handler, "POST /emulator/clock", `{"advance_seconds":3600}`, http.StatusOK)
	if moved := api.Clock.Now().Sub(before); moved != time.Hour {
		t.Fatalf("the clock moved by %s", moved)
	}
	call(t, handler, "POST /emulator/clock", `{}`, http.StatusBadRequest)
	call(t, handler, "POST /emulator/halt", `{"symbol":"AAPL"}`, http.StatusNoContent)
	if halted := api.Exchange.Halted(); len(halted) != 1 || halted[0] != "AAPL" {
		t.Fatalf("halted = %v", halted)
	}
	call(t, handler, "DELETE /emulator/halt/AAPL", "", http.StatusNoContent)
	call(t, handler, "POST /emulator/disconnect", `{}`, http.StatusOK)
	call(t, handler, "GET /emulator/answers", "", http.StatusOK)
	call(t, handler, "POST /emulator/halt", `{"symbol":""}`, http.StatusBadRequest)
	call(t, handler, "POST /emulator/halt", `{"unknown":1}`, http.StatusBadRequest)
}

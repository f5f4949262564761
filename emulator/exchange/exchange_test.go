package exchange_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// floor is an exchange with one account, a pinned AAPL at 100.00 (bid 99.99, ask 100.01) and a clock that the test
// moves. Everything happens within the call unless the settings say otherwise.
type floor struct {
	t        *testing.T
	exchange *exchange.Exchange
	market   *market.Market
	clock    *clock.Fake
	account  *exchange.Account
}

// monday is a trading day at 10:00 in New York.
var monday = time.Date(2026, time.November, 23, 15, 0, 0, 0, time.UTC)

func newFloor(t *testing.T, mode session.Mode, settings exchange.Settings, cash string) *floor {
	t.Helper()
	fake := clock.NewFake(monday)
	hours, err := session.NewClock(session.Settings{Mode: mode}, fake)
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	prices := market.New(7, hours)
	prices.Pin("AAPL", decimal.MustParse("100"))
	x := exchange.New(settings, hours, prices, catalogue)
	account, err := x.Open(exchange.Opening{
		ID: "11111111-2222-3333-4444-555555555555", KeyID: "PKTEST", SecretKey: "secret", Cash: decimal.MustParse(cash),
	})
	if err != nil {
		t.Fatal(err)
	}
	return &floor{t: t, exchange: x, market: prices, clock: fake, account: account}
}

func instant(t *testing.T) *floor {
	t.Helper()
	return newFloor(t, session.Real, exchange.Settings{FillLatency: -1, PartialFillProbability: -1}, "100000")
}

func (f *floor) try(body string) (exchange.Order, error) {
	f.t.Helper()
	request, err := exchange.DecodeOrder([]byte(body))
	if err != nil {
		return exchange.Order{}, err
	}
	return f.account.Submit(request)
}

// place submits an order and returns it as it stands afterwards.
func (f *floor) place(body string) exchange.Order {
	f.t.Helper()
	order, err := f.try(body)
	if err != nil {
		f.t.Fatalf("%s: %v", body, err)
	}
	return f.get(order.ID)
}

func (f *floor) get(id string) exchange.Order {
	f.t.Helper()
	order, err := f.account.Order(id)
	if err != nil {
		f.t.Fatal(err)
	}
	return order
}

// price moves AAPL and lets resting orders see it.
func (f *floor) price(price string) {
	f.market.Pin("AAPL", decimal.MustParse(price))
	f.exchange.SweepSymbol("AAPL")
}

func (f *floor) events() []string {
	subscription := f.account.Subscribe(exchange.Position{Since: time.Unix(1, 0)})
	defer subscription.Close()
	events, _ := subscription.Take(1000)
	names := make([]string, 0, len(events))
	for _, event := range events {
		names = append(names, event.Name)
	}
	return names
}

func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s = %v, want %v", what, got, want)
	}
}

func expectFailure(t *testing.T, err error, status, code int, message string) {
	t.Helper()
	var failure *wire.Error
	if !errors.As(err, &failure) {
		t.Fatalf("error = %v, want %q", err, message)
	}
	expect(t, "status", failure.Status, status)
	expect(t, "code", failure.Code, code)
	expect(t, "message", failure.Message, message)
}

// run serves the exchange until the test ends.
func (f *floor) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); f.exchange.Run(ctx) }()
	f.t.Cleanup(func() { cancel(); <-done })
}

func TestOrderBodyIsValidJSON(t *testing.T) {
	t.Parallel()
	f := instant(t)
	order := f.place(`{"symbol":"AAPL","qty":"3","side":"buy","type":"market","time_in_force":"day","client_order_id":"a\"b"}`)
	var fields map[string]any
	if err := json.Unmarshal(order.Append(nil), &fields); err != nil {
		t.Fatal(err)
	}
	expect(t, "number of fields", len(fields), 36)
	expect(t, "client_order_id", fields["client_order_id"], any(`a"b`))
	expect(t, "filled_avg_price", fields["filled_avg_price"], any("100.01"))
	expect(t, "expires_at", fields["expires_at"], any("2026-11-23T21:00:00Z"))
}

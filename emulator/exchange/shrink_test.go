package exchange //nolint:testpackage // only from inside can the venue's latency be skipped between two sweeps

import (
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func TestPartialTakeProfitShrinksTheStop(t *testing.T) {
	t.Parallel()
	hours, err := session.NewClock(session.Settings{}, clock.NewFake(time.Date(2026, 11, 23, 15, 0, 0, 0, time.UTC)))
	if err != nil {
		t.Fatal(err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	prices := market.New(1, hours)
	x := New(Settings{FillLatency: time.Nanosecond, PartialFillProbability: -1}, hours, prices, catalogue)
	account, err := x.Open(Opening{ID: "11111111-2222-3333-4444-555555555555", KeyID: "K", SecretKey: "S"})
	if err != nil {
		t.Fatal(err)
	}
	move := func(price int64) {
		prices.Pin("AAPL", decimal.FromInt(price))
		x.agenda.runDue(time.Now().Add(time.Hour))
		x.SweepSymbol("AAPL")
	}
	move(100)
	request, err := DecodeOrder([]byte(`{"symbol":"AAPL","qty":100,"side":"buy","type":"market","time_in_force":"gtc",
		"order_class":"bracket","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"90","limit_price":"80"}}`))
	if err != nil {
		t.Fatal(err)
	}
	order, err := account.Submit(request)
	if err != nil {
		t.Fatal(err)
	}
	move(100)
	x.settings.PartialFillProbability = 1
	move(111)
	view, _ := account.OrderView(order.ID, true)
	profit, stop := view.Legs[0], view.Legs[1]
	if profit.Status != StatusPartiallyFilled || stop.Status != StatusHeld {
		t.Fatalf("profit %s, stop %s", profit.Status, stop.Status)
	}
	if rest := profit.Qty.Sub(profit.FilledQty); !stop.Quantity().Equal(rest) {
		t.Fatalf("stop is for %s shares, %s are left", stop.Quantity(), rest)
	}
	x.settings.PartialFillProbability = -1
	move(89)
	view, _ = account.OrderView(order.ID, true)
	if view.Legs[0].Status != StatusCanceled || view.Legs[1].Status != StatusFilled || len(account.Positions()) != 0 {
		t.Fatalf("profit %s, stop %s, %d positions", view.Legs[0].Status, view.Legs[1].Status, len(account.Positions()))
	}
}

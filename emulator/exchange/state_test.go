package exchange_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// saved is the state as JSON, as the admin API hands it out.
func (f *floor) saved() string {
	f.t.Helper()
	state, err := f.exchange.Save()
	if err != nil {
		f.t.Fatal(err)
	}
	text, err := json.Marshal(state)
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

func (f *floor) restore(text string) {
	f.t.Helper()
	var state exchange.SavedState
	if err := json.Unmarshal([]byte(text), &state); err != nil {
		f.t.Fatal(err)
	}
	if err := f.exchange.Restore(state); err != nil {
		f.t.Fatal(err)
	}
}

func TestSaveAndRestore(t *testing.T) {
	t.Parallel()
	f := instant(t)
	order := f.place(bracketBody)
	f.price("98")
	f.place(`{"symbol":"AAPL","qty":5,"side":"buy","type":"limit","limit_price":"70","time_in_force":"gtc"}`)
	before, events := f.saved(), len(f.events())
	f.price("111")
	f.account.CloseAll(true)
	f.restore(before)
	expect(t, "state after restoring", f.saved(), before)
	expect(t, "events", len(f.events()), events)
	f.expectLegs(order.ID, exchange.StatusNew, exchange.StatusHeld)
	f.price("89")
	f.expectLegs(order.ID, exchange.StatusCanceled, exchange.StatusFilled)
	expect(t, "positions", len(f.account.Positions()), 0)
}

func TestReset(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"AAPL","qty":5,"side":"buy","type":"market","time_in_force":"day","client_order_id":"one"}`)
	f.place(`{"symbol":"AAPL","qty":5,"side":"buy","type":"limit","limit_price":"70","time_in_force":"gtc"}`)
	f.exchange.Reset()
	expect(t, "cash", f.account.Cash().String(), "100000")
	expect(t, "orders", len(f.account.Accepted()), 0)
	expect(t, "events", len(f.events()), 0)
	f.price("60")
	f.place(`{"symbol":"AAPL","qty":5,"side":"buy","type":"market","time_in_force":"day","client_order_id":"one"}`)
	expect(t, "cash", f.account.Cash().LessThan(decimal.FromInt(100_000)), true)
}

func TestRestoreRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"AAPL","qty":5,"side":"buy","type":"market","time_in_force":"day"}`)
	before := f.saved()
	err := f.exchange.Restore(exchange.SavedState{Accounts: []exchange.SavedAccount{{KeyID: "other"}}})
	if !errors.Is(err, exchange.ErrState) {
		t.Fatalf("error = %v", err)
	}
	expect(t, "state", f.saved(), before)
}

func TestHalt(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.exchange.Halt("AAPL")
	order := f.place(`{"symbol":"AAPL","qty":5,"side":"buy","type":"market","time_in_force":"day"}`)
	f.exchange.Sweep()
	expect(t, "while halted", f.get(order.ID).Status, exchange.StatusNew)
	f.exchange.Resume("AAPL")
	expect(t, "afterwards", f.get(order.ID).Status, exchange.StatusFilled)
}

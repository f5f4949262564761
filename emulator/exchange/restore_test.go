package exchange_test

import (
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

// damage replaces leaf number at of a JSON document, counted over all values that are no object and no list.
func damage(document any, at int, by any) any {
	var walk func(value any) any
	walk = func(value any) any {
		switch node := value.(type) {
		case map[string]any:
			for _, key := range slices.Sorted(maps.Keys(node)) {
				node[key] = walk(node[key])
			}
			return node
		case []any:
			for i := range node {
				node[i] = walk(node[i])
			}
			return node
		default:
			at--
			if at == -1 {
				return by
			}
			return value
		}
	}
	return walk(document)
}

// busyFloor is an account with every kind of order, position and event.
func busyFloor(t *testing.T) *floor {
	t.Helper()
	f := trader(t)
	f.place(`{"symbol":"AAPL","qty":150,"side":"buy","type":"market","time_in_force":"day"}`)
	f.place(`{"symbol":"F","qty":5,"side":"buy","type":"limit","limit_price":"3","time_in_force":"gtc","order_class":"bracket","take_profit":{"limit_price":"9"},"stop_loss":{"stop_price":"2"}}`)
	f.place(`{"symbol":"AAPL","qty":5,"side":"sell","type":"trailing_stop","trail_percent":"5","time_in_force":"gtc"}`)
	f.place(`{"symbol":"BTC/USD","notional":"500","side":"buy","type":"market","time_in_force":"gtc"}`)
	f.place(debitSpread("1", mlegMarket))
	f.place(creditSpread("1", `"limit","limit_price":"-2.00"`))
	f.place(option(put260, "buy", "1", atMarket))
	f.pinAt("XSP", "660")
	f.pinAt(closingPut, "1")
	f.place(option(closingPut, "buy", "1", atMarket))
	f.place(option(adjustedPut, "buy", "1", atMarket))
	if _, err := f.account.Locate(exchange.LocateRequest{Symbol: "GME", Qty: 100}, "key"); err != nil {
		t.Fatal(err)
	}
	f.restrict(exchange.Restriction{OptionsRefused: []string{"DJX"}, AssignmentLocks: []string{closingPut}})
	f.note(f.exchange.Offer("MSFT"))
	f.note(f.exchange.MakeHardToBorrow("F"))
	f.price("255")
	if err := f.account.Exercise(put260, exchange.ExerciseRequest{}); err != nil {
		t.Fatal(err)
	}
	return f
}

// FuzzRestore: a snapshot with one damaged value is refused, or makes an account that answers everything.
func FuzzRestore(f *testing.F) {
	f.Add(0, "x")
	f.Add(50, "")
	f.Add(120, "-1")
	f.Add(300, "market")
	f.Add(400, "2026-01-01T00:00:00Z")
	f.Fuzz(func(t *testing.T, at int, text string) {
		floor := busyFloor(t)
		var document any
		if err := json.Unmarshal([]byte(floor.saved()), &document); err != nil {
			t.Fatal(err)
		}
		for _, by := range []any{text, nil, 0, true} {
			damaged, err := json.Marshal(damage(document, int(uint(at)%1500), by))
			if err != nil {
				t.Fatal(err)
			}
			var state exchange.SavedState
			if json.Unmarshal(damaged, &state) != nil {
				continue
			}
			if err := floor.exchange.Restore(state); err != nil {
				if !errors.Is(err, exchange.ErrState) {
					t.Fatal(err)
				}
				continue
			}
			floor.useAll()
		}
	})
}

// useAll asks an account for everything and lets its orders and options live to their end.
func (f *floor) useAll() {
	f.account.Summary()
	for _, position := range f.account.Positions() {
		position.Append(nil)
	}
	orders, err := f.account.Orders(exchange.Filter{Status: "all", Limit: 500, Nested: true})
	if err != nil {
		f.t.Fatal(err)
	}
	for i := range orders {
		orders[i].Append(nil)
	}
	for _, activity := range f.account.Activities(exchange.ActivityFilter{PageSize: 100}) {
		activity.Append(nil)
	}
	subscription := f.account.Subscribe(exchange.Position{Since: time.Unix(1, 0)})
	defer subscription.Close()
	events, _ := subscription.Take(1000)
	for _, event := range events {
		event.Append(nil, "")
	}
	f.account.EquityAt([]time.Time{monday.AddDate(0, 0, -1), monday})
	if _, err := f.exchange.Save(); err != nil {
		f.t.Fatal(err)
	}
	f.price("300")
	f.exchange.Sweep()
	f.account.CancelAll()
	f.account.CloseAll(true)
	f.clock.Set(monday.AddDate(0, 0, 20))
	f.exchange.Sweep()
	f.clock.Set(monday)
}

// TestRestoreRefusesDamage: what fuzzing found. Every one of these made a later request panic.
func TestRestoreRefusesDamage(t *testing.T) {
	t.Parallel()
	f := busyFloor(t)
	text := f.saved()
	decode := func() exchange.SavedState {
		var state exchange.SavedState
		if err := json.Unmarshal([]byte(text), &state); err != nil {
			t.Fatal(err)
		}
		return state
	}
	state := decode()
	events := state.Accounts[0].Events
	filled := slices.IndexFunc(events, func(e exchange.SavedEvent) bool { return len(e.Legs) > 0 && e.Legs[0].Price != nil })
	events[filled].Legs[0].Price = nil
	if err := f.exchange.Restore(state); !errors.Is(err, exchange.ErrState) {
		t.Errorf("a fill of one leg only: %v", err)
	}
	state = decode()
	events = state.Accounts[0].Events
	adjusted := slices.IndexFunc(events, func(e exchange.SavedEvent) bool { return e.Adjustment != nil })
	events[adjusted].Adjustment.Date = "-1"
	if err := f.exchange.Restore(state); !errors.Is(err, exchange.ErrState) {
		t.Errorf("an activity without a date: %v", err)
	}
	f.restore(text)
	f.useAll()
}

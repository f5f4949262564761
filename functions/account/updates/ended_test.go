package updates

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// partly makes the order one that was filled in part before it ended.
func partly(e *alpaca.TradeEvent) {
	e.Order.FilledQty, e.Order.FilledAvgPrice = *number("4"), number("2.5")
}

// TestEndedOrderHoldsWhatItFilled: an order that ended no longer counts as open, and holds its fills until a reading of
// the account shows them.
func TestEndedOrderHoldsWhatItFilled(t *testing.T) {
	option := func(e *alpaca.TradeEvent) { e.Order.AssetClass = "us_option" }
	tests := []struct {
		name       string
		trade      alpaca.TradeEvent
		closed     bool
		qty, value string
	}{
		{"new", trade("new", "o", start()), false, "10", "1000"},
		{"filled in part", trade("partial_fill", "o", start(), executed("x", "4", "4")), false, "10", "1000"},
		{"filled", trade("fill", "o", start(), executed("x", "10", "10")), true, "10", "1872.5"},
		{"filled, nobody says at what", trade("fill", "o", start()), true, "10", "1000"},
		{"canceled", trade("canceled", "o", start()), true, "0", "0"},
		{"canceled when a part was filled", trade("canceled", "o", start(), partly), true, "4", "10"},
		{"contracts", trade("canceled", "o", start(), partly, option), true, "4", "1000"},
		{"expired", trade("expired", "o", start()), true, "0", "0"},
		{"rejected", trade("rejected", "o", start()), true, "0", "0"},
		{"replaced", trade("replaced", "o", start(), replacedBy), true, "0", "0"},
		{"another order", trade("canceled", "other", start()), false, "10", "1000"},
	}
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		journal := newJournal(client)
		held, err := lease.New(client, "me").Acquire(t.Context(), store.UpdatesLeaseKey(alice), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range tests {
			before := risk.Hold{Symbol: "AAPL", Buy: true, Qty: number("10"), Value: number("1000")}
			if err := client.HSet(t.Context(), store.HoldsKey(alice), "c-o", risk.StateOpen+"|1|"+before.Encode()).Err(); err != nil {
				t.Fatal(err)
			}
			client.Del(t.Context(), store.HoldSumsKey(alice))
			for range 2 { // a repeat changes nothing
				if _, err := journal.record(t.Context(), held, alice, "", test.trade.EventID, nil, endedBy(&test.trade)); err != nil {
					t.Fatal(err)
				}
			}
			kept := client.HGet(t.Context(), store.HoldsKey(alice), "c-o").Val()
			state, rest, _ := strings.Cut(kept, "|")
			_, what, _ := strings.Cut(rest, "|")
			if (state == risk.StateClosed) != test.closed || what != "b|AAPL|"+test.qty+"|"+test.value {
				t.Errorf("%s: %q", test.name, kept)
			}
			if open := client.HGet(t.Context(), store.HoldSumsKey(alice), "open").Val(); test.closed && open != "0" {
				t.Errorf("%s: %q count as open", test.name, open)
			}
			if n := client.HLen(t.Context(), store.HoldsKey(alice)).Val(); n != 1 {
				t.Errorf("%s: %d holds", test.name, n)
			}
		}
	})
}

// TestEndedOrderMakesRoomUnderTheCeilings: the book of all accounts' orders lets go of it with the trade update.
func TestEndedOrderMakesRoomUnderTheCeilings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	book := ceiling.New(w.client, ceiling.Config{})
	if err := book.Begin(t.Context(), "test", "2026-11-23"); err != nil {
		t.Fatal(err)
	}
	if done, err := book.Finish(t.Context(), "test", 0); !done || err != nil {
		t.Fatal(done, err)
	}
	one := 10
	for _, id := range []string{"c-o", "c-other"} {
		granted, err := book.Grant(t.Context(), ceiling.Order{AccountID: alice, ClientOrderID: id}, nil, "2026-11-23", &risk.Ceilings{MaxOpenOrders: &one})
		if err != nil || granted.Refused != "" {
			t.Fatalf("%+v, %v", granted, err)
		}
	}
	controls := filepath.Join(t.TempDir(), "controls.json")
	if err := os.WriteFile(controls, []byte(`{"all_accounts":{"max_open_orders":10}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	w.alpaca.send(alice, trade("canceled", "o", time.Now()))
	w.order(alice)
	w.start(func(c *Config) { c.ControlsFile = controls })
	eventually(t, "the canceled order no longer counts", func() bool {
		kept, err := book.Orders(t.Context())
		return err == nil && len(kept[alice]) == 1 && kept[alice][0].ClientOrderID == "c-other"
	})
}

// TestEndedMultiLegOrder: its legs hold their share of what it filled, and none of them counts as open.
func TestEndedMultiLegOrder(t *testing.T) {
	tests := []struct {
		name       string
		trade      alpaca.TradeEvent
		low, high  string
		state, own string
	}{
		{"canceled", trade("canceled", "o", start()), "B|LOW|0|0", "S|HIGH|0|0", risk.StateClosed, "b||0|0"},
		{"canceled when a part was filled", trade("canceled", "o", start(), partly), "B|LOW|4|0", "S|HIGH|8|0", risk.StateClosed, "b||4|10"},
		{"filled, nobody says at what", trade("fill", "o", start()), "B|LOW|10|0", "S|HIGH|20|0", risk.StateClosed, "b||10|1000"},
		{"filled in part", trade("partial_fill", "o", start(), executed("x", "4", "4")), "B|LOW|10|0", "S|HIGH|20|0", risk.StateOpen, "b||10|1000"},
	}
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		journal := newJournal(client)
		held, err := lease.New(client, "me").Acquire(t.Context(), store.UpdatesLeaseKey(alice), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range tests {
			before := map[string]any{
				"c-o": "o|1|b||10|1000", "c-o\n1": "o|1|B|LOW|10|0", "c-o\n2": "o|1|S|HIGH|20|0", "c-other\n1": "o|1|B|LOW|1|0",
			}
			if err := client.HSet(t.Context(), store.HoldsKey(alice), before).Err(); err != nil {
				t.Fatal(err)
			}
			client.Del(t.Context(), store.HoldSumsKey(alice))
			for range 2 { // a repeat changes nothing
				if _, err := journal.record(t.Context(), held, alice, "", test.trade.EventID, nil, endedBy(&test.trade)); err != nil {
					t.Fatal(err)
				}
			}
			for id, want := range map[string]string{"c-o": test.own, "c-o\n1": test.low, "c-o\n2": test.high} {
				state, rest, _ := strings.Cut(client.HGet(t.Context(), store.HoldsKey(alice), id).Val(), "|")
				_, what, _ := strings.Cut(rest, "|")
				if state != test.state || what != want {
					t.Errorf("%s: %q is held as %s %q, want %s %q", test.name, id, state, what, test.state, want)
				}
			}
			if other := client.HGet(t.Context(), store.HoldsKey(alice), "c-other\n1").Val(); other != "o|1|B|LOW|1|0" {
				t.Errorf("%s: another order's leg is %q", test.name, other)
			}
			if open := client.HGet(t.Context(), store.HoldSumsKey(alice), "open").Val(); test.state == risk.StateClosed && open != "0" {
				t.Errorf("%s: %q count as open", test.name, open)
			}
		}
	})
}

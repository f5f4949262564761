package exchange_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

func (f *floor) accountFields() map[string]any {
	f.t.Helper()
	var fields map[string]any
	summary := f.account.Summary()
	if err := json.Unmarshal(summary.Append(nil), &fields); err != nil {
		f.t.Fatal(err)
	}
	return fields
}

// TestPatternDayTraderSwitch shows both readings: by default there is no rule and no field of it, with the switch both.
func TestPatternDayTraderSwitch(t *testing.T) {
	t.Parallel()
	names := []string{
		"pattern_day_trader", "daytrade_count", "last_daytrade_count", "daytrading_buying_power", "last_daytrading_buying_power",
	}
	f := worldWith("20000", func(*exchange.Settings) {})(t)
	f.dayTrade(6)
	for _, name := range names {
		if value, ok := f.accountFields()[name]; ok {
			t.Errorf("%s = %v without the rule", name, value)
		}
	}
	if _, err := f.account.Configure([]byte(`{"pdt_check":"both"}`)); err != nil {
		t.Fatal(err)
	}
	expect(t, "pdt_check", f.account.Configuration().PatternCheck, "")

	f = worldWith("20000", formerRule)(t)
	f.dayTrade(3)
	fields := f.accountFields()
	for i, want := range []any{false, 3.0, 0.0, "80000", "80000"} {
		expect(t, names[i], fields[names[i]], want)
	}
	f.place(hold10)
	_, err := f.try(sellAAPL + `"qty":10,"type":"market"}`)
	expectFailure(t, err, 403, 40310100, "trade denied due to pattern day trading protection")
	f.at("2026-11-24T15:00:00Z")
	f.place(sellAAPL + `"qty":10,"type":"market"}`)
	expect(t, "the next day", f.accountFields()["daytrade_count"], any(3.0))
	expect(t, "at the close before", f.accountFields()["last_daytrade_count"], any(3.0))
	f.at("2026-12-01T15:00:00Z") // the 26th was a holiday
	expect(t, "five trading days later", f.accountFields()["daytrade_count"], any(0.0))
}

// TestDayTradesAreCounted are examples of FINRA's that Alpaca's page repeats.
func TestDayTradesAreCounted(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		trades string
		want   float64
	}{
		"A": {"+250 +250 -500", 1}, "B": {"+100 -100 +100 -100", 2}, "C": {"+500 -100 -100 -300", 1},
		"D": {"+250 +300 +100 -150 -175", 1}, "E": {"+199 +142 -1 +45 -100 -200", 2}, "short": {"-100 +100", 1},
	}
	for name, c := range cases {
		f := worldWith("100000", formerRule)(t)
		for trade := range strings.FieldsSeq(c.trades) {
			side := map[byte]string{'+': "buy", '-': "sell"}[trade[0]]
			f.place(`{"symbol":"F","qty":` + trade[1:] + `,"side":"` + side + `","type":"market","time_in_force":"day"}`)
		}
		expect(t, name, f.accountFields()["daytrade_count"], any(c.want))
	}
}

// TestWhenDayTradesAreChecked: at exit, at entry, or both; an order that waits on the other side counts as if it filled.
func TestWhenDayTradesAreChecked(t *testing.T) {
	t.Parallel()
	sell := sellAAPL + `"qty":10,"type":"market"}`
	cases := []struct {
		check, before, body string
		denied              bool
	}{
		{"exit", "", hold10, false},
		{"exit", hold10, sell, true},
		{"entry", "", hold10, true},
		{"both", "", hold10, true},
		{"exit", sellAAPL + `"qty":5,"type":"limit","limit_price":"300"}`, buyAAPL + `"qty":5,"type":"limit","limit_price":"200"}`, true},
	}
	for _, c := range cases {
		f := worldWith("20000", formerRule)(t)
		f.dayTrade(3)
		if _, err := f.account.Configure([]byte(`{"pdt_check":"` + c.check + `"}`)); err != nil {
			t.Fatal(err)
		}
		if c.before != "" {
			f.place(c.before)
		}
		_, err := f.try(c.body)
		if !c.denied {
			expect(t, c.check, err, nil)
			continue
		}
		expectFailure(t, err, 403, 40310100, "trade denied due to pattern day trading protection")
	}
	rich := worldWith("26000", formerRule)(t)
	rich.dayTrade(5)
	expect(t, "marked", rich.accountFields()["pattern_day_trader"], any(true))
}

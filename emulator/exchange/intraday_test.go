package exchange_test

import (
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

// TestIntradayMarginCalls shows both readings. An order of the evening fills at the open for twice the money it was checked with:
// without the rule nothing follows; with it the deficit is called, and unmet after five trading days freezes the account.
func TestIntradayMarginCalls(t *testing.T) {
	t.Parallel()
	const evening = `{"symbol":"AAPL","qty":3900,"side":"buy","type":"market","time_in_force":"day"}`
	for _, kept := range []bool{false, true} {
		f := worldWith("100000", func(s *exchange.Settings) { s.Disputed.IntradayMarginCalls = kept })(t)
		f.price("100")
		f.at(lateHour)
		f.place(evening)
		f.price("150")
		f.at("2026-11-24T15:00:00Z") // 146,289 USD needed within the day, 99,961 there
		f.at("2026-11-25T15:00:00Z")
		margin := f.account.IntradayMargin()
		if !kept {
			expect(t, "calls", len(margin.Calls), 0)
			continue
		}
		expect(t, "calls", len(margin.Calls), 1)
		call := margin.Calls[0]
		expect(t, "called", call.Date+" "+call.Amount.String()+" "+call.Due, "2026-11-24 46289 2026-11-27") // the 26th is a holiday
		f.at("2026-12-03T15:00:00Z")
		expect(t, "met", f.account.IntradayMargin().Calls[0].Met, false)
		before := f.saved()
		f.exchange.Reset()
		f.restore(before)
		expect(t, "restored", f.saved(), before)

		f.place(sellAAPL + `"qty":3800,"type":"market"}`)
		short := `{"symbol":"F","qty":1,"side":"sell","type":"market","time_in_force":"day"}`
		_, err := f.try(short)
		expectFailure(t, err, 403, 40310100, "trade denied due to an unmet intraday margin call: no new debit balances or short sales until 2027-03-02")
		debit := strings.Replace(buyAAPL, "AAPL", "F", 1) + `"qty":9000,"type":"limit","limit_price":"15"}`
		_, err = f.try(debit)
		expectFailure(t, err, 403, 40310100, "trade denied due to an unmet intraday margin call: no new debit balances or short sales until 2027-03-02")
		f.place(strings.Replace(debit, "9000", "10", 1)) // with money that is there
		f.at("2027-03-03T15:00:00Z")
		f.place(short)
	}
}

// TestIntradayMarginCallIsMet: a call whose amount is there at a close, beyond what positions need, is met; small deficits are none.
func TestIntradayMarginCallIsMet(t *testing.T) {
	t.Parallel()
	f := worldWith("100000", func(s *exchange.Settings) { s.Disputed.IntradayMarginCalls = true })(t)
	f.price("100")
	f.place(`{"symbol":"AAPL","qty":3999,"side":"buy","type":"market","time_in_force":"day"}`) // 14.99 USD short of it, by the spread
	f.at("2026-11-24T15:00:00Z")
	expect(t, "calls", len(f.account.IntradayMargin().Calls), 0)

	f = worldWith("100000", func(s *exchange.Settings) { s.Disputed.IntradayMarginCalls = true })(t)
	f.price("100")
	f.at(lateHour)
	f.place(`{"symbol":"AAPL","qty":3900,"side":"buy","type":"market","time_in_force":"day"}`)
	f.price("150")
	f.at("2026-11-24T15:00:00Z")
	f.place(sellAAPL + `"qty":3900,"type":"market"}`)
	f.at("2026-11-25T15:00:00Z")
	expect(t, "not on its own day", f.account.IntradayMargin().Calls[0].Met, false)
	f.at("2026-11-27T15:00:00Z")
	expect(t, "met", f.account.IntradayMargin().Calls[0].Met, true)
	f.at("2026-12-10T15:00:00Z")
	expect(t, "frozen", f.account.IntradayMargin().FrozenUntil.IsZero(), true)
}

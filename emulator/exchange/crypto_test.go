package exchange_test

import (
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func TestCryptoTradesAtAnyHourAndPaysAFee(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.market.Pin("BTC/USD", decimal.FromInt(50_000))
	f.clock.Advance(12 * time.Hour) // at night
	order := f.place(`{"symbol":"BTCUSD","qty":"0.1","side":"buy","type":"market","time_in_force":"gtc"}`)
	expect(t, "status", order.Status, exchange.StatusFilled)
	position, err := f.account.Position("BTC/USD")
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "position after the fee", position.Qty.String(), "0.09975")
	if _, err := f.account.ClosePosition("BTCUSD", exchange.Closing{}); err != nil {
		t.Fatal(err)
	}
	expect(t, "positions", len(f.account.Positions()), 0)
}

func TestCryptoRules(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, body   string
		status, code int
		message      string
	}{
		{"day", `"qty":"0.1","side":"buy","type":"market","time_in_force":"day"`, 422, 40010001, "invalid crypto time_in_force"},
		{"stop", `"qty":"0.1","side":"buy","type":"stop","stop_price":"60000","time_in_force":"gtc"`, 422, 42210000, "invalid order type for crypto order"},
		{"short", `"qty":"0.1","side":"sell","type":"market","time_in_force":"gtc"`, 403, 40310000, "insufficient balance for BTC (requested: 0.1, available: 0)"},
		{"too much", `"notional":"200001","side":"buy","type":"market","time_in_force":"gtc"`, 403, 40310000, "order notional must be <= 200000"},
		{"too little", `"notional":"5","side":"buy","type":"market","time_in_force":"gtc"`, 403, 40310000, "cost basis must be >= minimal amount of order 10"},
		{"no margin", `"notional":"150000","side":"buy","type":"market","time_in_force":"gtc"`, 403, 40310000, "insufficient balance for USD (requested: 150000, available: 100000)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := instant(t)
			f.market.Pin("BTC/USD", decimal.FromInt(50_000))
			_, err := f.try(`{"symbol":"BTC/USD",` + c.body + `}`)
			expectFailure(t, err, c.status, c.code, c.message)
		})
	}
}

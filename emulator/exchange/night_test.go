package exchange_test

import (
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

// Nine in the evening of a Monday in New York.
const nineInTheEvening = "2026-11-24T02:00:00Z"

const nightBuy = `{"symbol":"AAPL","qty":5,"side":"buy","type":"limit","limit_price":"101","time_in_force":"day","extended_hours":true}`

// TestOvernightSession: limit orders for the day with extended hours execute at night, others wait for the morning.
func TestOvernightSession(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, at, body, configuration string
		want                          exchange.Status
	}{
		{"a limit for the day", nineInTheEvening, nightBuy, "", exchange.StatusFilled},
		{"before four in the morning", "2026-11-24T08:59:59Z", nightBuy, "", exchange.StatusFilled},
		{"a fraction", nineInTheEvening, strings.Replace(nightBuy, `"qty":5`, `"qty":"0.5"`, 1), "", exchange.StatusFilled},
		{"a Sunday", "2026-11-23T02:00:00Z", nightBuy, "", exchange.StatusFilled},
		{"without extended hours", nineInTheEvening, strings.Replace(nightBuy, "true", "false", 1), "", exchange.StatusAccepted},
		{"good till canceled", nineInTheEvening, strings.Replace(nightBuy, `"day"`, `"gtc"`, 1), "", exchange.StatusAccepted},
		{"over the counter", nineInTheEvening, strings.Replace(nightBuy, "AAPL", "TCEHY", 1), "", exchange.StatusAccepted},
		{"disabled", nineInTheEvening, nightBuy, `{"disable_overnight_trading":true}`, exchange.StatusAccepted},
		{"before a holiday", "2026-11-26T02:00:00Z", nightBuy, "", exchange.StatusAccepted},
		{"before a half day", "2026-11-27T02:00:00Z", nightBuy, "", exchange.StatusFilled},
		{"a Friday", "2026-11-28T02:00:00Z", nightBuy, "", exchange.StatusAccepted},
		{"after an early close", "2026-11-27T23:00:00Z", nightBuy, "", exchange.StatusAccepted},
		{"a limit that nobody meets", nineInTheEvening, strings.Replace(nightBuy, "101", "99", 1), "", exchange.StatusNew},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := instant(t)
			f.pinAt("TCEHY", "78")
			f.at(c.at)
			if c.configuration != "" {
				if _, err := f.account.Configure([]byte(c.configuration)); err != nil {
					t.Fatal(err)
				}
			}
			expect(t, "status", f.place(c.body).Status, c.want)
		})
	}
}

// TestOvernightOrderLivesThroughTheDay: what the night does not fill goes on until eight in the evening of its trading day.
func TestOvernightOrderLivesThroughTheDay(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.at(nineInTheEvening)
	order := f.place(strings.Replace(nightBuy, "101", "99", 1))
	expect(t, "expires", order.ExpiresAt.UTC().Format("2006-01-02T15:04"), "2026-11-25T01:00")
	f.price("98")
	expect(t, "at night", f.get(order.ID).Status, exchange.StatusFilled)
	subscription := f.account.Subscribe(exchange.Position{Since: monday})
	defer subscription.Close()
	events, _ := subscription.Take(10)
	expect(t, "settles", events[len(events)-1].SettleDate, "2026-11-25") // the trade is Tuesday's

	late := f.place(strings.Replace(nightBuy, "101", "90", 1))
	f.at("2026-11-24T23:00:00Z")
	expect(t, "after hours", f.get(late.ID).Status, exchange.StatusNew)
	f.at("2026-11-25T01:00:00Z")
	expect(t, "in the evening", f.get(late.ID).Status, exchange.StatusExpired)
}

// TestOvernightLimits: nothing is lent for the day only, and what is halted waits.
func TestOvernightLimits(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.at(nineInTheEvening)
	large := strings.Replace(nightBuy, `"qty":5`, `"qty":2000`, 1)
	_, err := f.try(large)
	expectFailure(t, err, 403, 40310000, "insufficient buying power")
	f.exchange.Halt("AAPL")
	order := f.place(nightBuy)
	expect(t, "halted", order.Status, exchange.StatusAccepted)
	f.exchange.Resume("AAPL")
	expect(t, "resumed", f.get(order.ID).Status, exchange.StatusFilled)
	f.at("2026-11-24T15:00:00Z")
	f.place(large)
}

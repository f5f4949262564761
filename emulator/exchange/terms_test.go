package exchange_test

import (
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
)

// TestTypeByTimeInForce is section 2.9.1 of the facts, cell by cell.
func TestTypeByTimeInForce(t *testing.T) {
	t.Parallel()
	kinds := map[string]string{
		"market": "", "limit": `,"limit_price":"9.50"`, "stop": `,"stop_price":"900"`,
		"stop_limit": `,"stop_price":"900","limit_price":"900"`, "trailing_stop": `,"trail_price":"5"`,
	}
	times := []string{"day", "gtc", "ioc", "fok", "opg", "cls"}
	all := "market limit stop stop_limit trailing_stop"
	cases := []struct {
		name, symbol, size string
		extended           bool
		allowed            map[string]string // types by time in force
	}{
		{"whole shares", "AAPL", `"qty":1`, false, map[string]string{
			"day": all, "gtc": all, "ioc": "market limit", "fok": "market limit", "opg": "market limit", "cls": "market limit",
		}},
		{"fractions", "AAPL", `"qty":"1.5"`, false, map[string]string{"day": "market limit stop stop_limit"}},
		{"dollars", "AAPL", `"notional":"50"`, false, map[string]string{"day": "market"}},
		{"extended hours", "AAPL", `"qty":1`, true, map[string]string{"day": "limit", "gtc": "limit"}},
		{"crypto", "BTC/USD", `"qty":"0.01"`, false, map[string]string{"gtc": "market limit stop_limit", "ioc": "market limit"}},
		{"over the counter", "TCEHY", `"qty":1`, false, map[string]string{
			"day": "market limit stop stop_limit", "gtc": "market limit stop stop_limit",
		}},
		{"options", call270, `"qty":1`, false, map[string]string{"day": "market limit"}},
	}
	for _, c := range cases {
		for kind, prices := range kinds {
			for _, timeInForce := range times {
				t.Run(c.name+"/"+kind+"/"+timeInForce, func(t *testing.T) {
					t.Parallel()
					f := trader(t)
					prices := prices
					if timeInForce == "opg" {
						f.at("2026-11-23T14:00:00Z")
					}
					if c.symbol == "BTC/USD" {
						prices = strings.NewReplacer("9.50", "9000", "900", "900000").Replace(prices)
						f.pinAt("BTC/USD", "50000")
					}
					body := `{"symbol":"` + c.symbol + `","side":"buy","type":"` + kind + `","time_in_force":"` + timeInForce + `",` + c.size + prices
					if c.extended {
						body += `,"extended_hours":true`
					}
					allowed := strings.Contains(" "+c.allowed[timeInForce]+" ", " "+kind+" ")
					if _, err := f.try(body + `}`); (err == nil) != allowed {
						t.Errorf("error = %v, want taken: %t", err, allowed)
					}
				})
			}
		}
	}
}

// TestComplexTerms: brackets, OCO and OTO are for the day or good till canceled; multi-leg orders at the market or with a limit.
func TestComplexTerms(t *testing.T) {
	t.Parallel()
	const legs = `"order_class":"bracket","take_profit":{"limit_price":"290"},"stop_loss":{"stop_price":"250"}}`
	for timeInForce, allowed := range map[string]bool{"day": true, "gtc": true, "ioc": false, "fok": false, "opg": false, "cls": false} {
		f := trader(t)
		_, err := f.try(`{"symbol":"AAPL","side":"buy","type":"market","qty":1,"time_in_force":"` + timeInForce + `",` + legs)
		expect(t, "bracket "+timeInForce, err == nil, allowed)
		_, err = f.try(strings.Replace(debitSpread("1", mlegMarket), `"day"`, `"`+timeInForce+`"`, 1))
		expect(t, "mleg "+timeInForce, err == nil, timeInForce == "day")
	}
}

// TestHeldEvents shows both readings: by default nothing says that legs wait, with the switch an event does for each.
func TestHeldEvents(t *testing.T) {
	t.Parallel()
	for _, wanted := range []bool{false, true} {
		f := newFloor(t, session.Real, exchange.Settings{
			FillLatency: -1, PartialFillProbability: -1, Disputed: exchange.Disputed{HeldEvents: wanted},
		}, "100000")
		order := f.place(bracketBody)
		f.expectLegs(order.ID, exchange.StatusHeld, exchange.StatusHeld)
		want := "pending_new new"
		if wanted {
			want = "held held pending_new new"
		}
		expect(t, "events before the entry", strings.Join(f.events(), " "), want)
		f.price("98") // the stop goes on waiting
		f.expectLegs(order.ID, exchange.StatusNew, exchange.StatusHeld)
		expect(t, "after it", strings.Join(f.events(), " "), want+" fill new")
	}
}

// TestOfferedStock: before its first trade limit orders are taken and wait.
func TestOfferedStock(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.note(f.exchange.Offer("AAPL"))
	order := f.place(`{"symbol":"AAPL","qty":5,"side":"buy","type":"limit","limit_price":"120","time_in_force":"day"}`)
	expect(t, "before", order.FilledQty.String(), "0")
	f.exchange.FirstTrade("AAPL")
	expect(t, "after", f.get(order.ID).Status, exchange.StatusFilled)
	if err := f.exchange.Offer("NOSUCH"); err == nil {
		t.Error("a stock that does not exist was offered")
	}
}

// TestShortsAreRecalled: orders that sell short what became hard to borrow end before the next open, those that close stay.
func TestShortsAreRecalled(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"F","qty":5,"side":"buy","type":"market","time_in_force":"day"}`)
	const resting = `"side":"sell","type":"limit","limit_price":"300","time_in_force":"gtc"}`
	short := f.place(`{"symbol":"AAPL","qty":5,` + resting)
	closing := f.place(`{"symbol":"F","qty":5,` + resting)
	f.note(f.exchange.MakeHardToBorrow("AAPL"))
	f.note(f.exchange.MakeHardToBorrow("F"))
	f.exchange.Sweep()
	expect(t, "in the session", f.get(short.ID).Status, exchange.StatusNew)
	f.at("2026-11-24T14:00:00Z")
	expect(t, "before the open", f.get(short.ID).Status, exchange.StatusCanceled)
	expect(t, "the order to close", f.get(closing.ID).Status, exchange.StatusNew)
	f.exchange.MakeEasyToBorrow("AAPL")
	f.place(`{"symbol":"AAPL","qty":5,` + resting)
	f.note(f.exchange.MakeHardToBorrow("AAPL"))
	f.at("2026-11-25T15:00:00Z") // nobody looked at night
	expect(t, "open orders", len(f.account.CancelAll()), 1)
}

// TestConcentrationIsLifted: an account that went beyond six times its equity stays restricted until somebody lifts it.
func TestConcentrationIsLifted(t *testing.T) {
	t.Parallel()
	f := instant(t)
	const other = `{"symbol":"F","side":"buy","qty":1,"type":"market","time_in_force":"day"}`
	f.place(`{"symbol":"AAPL","side":"buy","qty":3900,"type":"market","time_in_force":"day"}`)
	f.price("77")
	for range 2 {
		_, err := f.try(other)
		expectFailure(t, err, 403, 40310000, "account is restricted to liquidation only")
		f.price("100")
	}
	f.restrict(exchange.Restriction{})
	f.place(other)
}

package exchange_test

import (
	"slices"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
)

const bracketBody = `{"symbol":"AAPL","qty":10,"side":"buy","type":"limit","limit_price":"99","time_in_force":"gtc",
	"order_class":"bracket","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"90"}}`

func (f *floor) view(id string) exchange.Order {
	f.t.Helper()
	order, err := f.account.OrderView(id, true)
	if err != nil {
		f.t.Fatal(err)
	}
	return order
}

func (f *floor) legs(id string) (profit, stop exchange.Order) {
	f.t.Helper()
	order := f.view(id)
	if len(order.Legs) != 2 {
		f.t.Fatalf("legs = %d, want 2", len(order.Legs))
	}
	return order.Legs[0], order.Legs[1]
}

func (f *floor) expectLegs(id string, profitStatus, stopStatus exchange.Status) {
	f.t.Helper()
	profit, stop := f.legs(id)
	expect(f.t, "take-profit", profit.Status, profitStatus)
	expect(f.t, "stop-loss", stop.Status, stopStatus)
}

func TestBracketLife(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name         string
		prices       []string
		entry        exchange.Status
		profit, stop exchange.Status
		cash         string
	}{
		{"waits", nil, exchange.StatusNew, exchange.StatusHeld, exchange.StatusHeld, "100000"},
		{"entered", []string{"98"}, exchange.StatusFilled, exchange.StatusNew, exchange.StatusHeld, "99019.9"},
		{"takes the profit", []string{"98", "111"}, exchange.StatusFilled, exchange.StatusFilled, exchange.StatusCanceled, "100129.8"},
		{"stops the loss", []string{"98", "90"}, exchange.StatusFilled, exchange.StatusCanceled, exchange.StatusFilled, "99919.8"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := instant(t)
			order := f.place(bracketBody)
			for _, price := range c.prices {
				f.price(price)
			}
			expect(t, "entry", f.get(order.ID).Status, c.entry)
			f.expectLegs(order.ID, c.profit, c.stop)
			expect(t, "cash", f.account.Cash().String(), c.cash)
		})
	}
}

func TestCancelingAMemberCancelsTheRest(t *testing.T) {
	t.Parallel()
	for _, member := range []int{-1, 0, 1} {
		for _, entered := range []bool{false, true} {
			f := instant(t)
			order := f.place(bracketBody)
			if entered {
				f.price("98")
			}
			id := order.ID
			if member >= 0 {
				id = f.view(order.ID).Legs[member].ID
			} else if entered {
				continue
			}
			if err := f.account.Cancel(id); err != nil {
				t.Fatal(err)
			}
			f.expectLegs(order.ID, exchange.StatusCanceled, exchange.StatusCanceled)
			if !entered {
				expect(t, "entry", f.get(order.ID).Status, exchange.StatusCanceled)
			}
			expect(t, "buying power is free or in shares", len(f.account.CancelAll()), 0)
		}
	}
}

func TestOneCancelsTheOther(t *testing.T) {
	t.Parallel()
	f := instant(t)
	f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"day"}`)
	const body = `{"symbol":"AAPL","qty":10,"side":"sell","type":"limit","time_in_force":"gtc","order_class":"oco",
		"take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"95","limit_price":"94"}}`
	order := f.place(body)
	_, err := f.try(body)
	expectFailure(t, err, 403, 40310000, "insufficient qty available for order (requested: 10, available: 0)")
	nested, err := f.account.Orders(exchange.Filter{Status: "open", Limit: 50, Nested: true})
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "open, nested", len(nested), 1)
	expect(t, "legs", len(nested[0].Legs), 1)
	f.price("94.5")
	expect(t, "profit", f.get(order.ID).Status, exchange.StatusCanceled)
	expect(t, "stop", f.view(order.ID).Legs[0].Status, exchange.StatusFilled)
	if got := f.events(); !slices.Equal(got[3:], []string{"pending_new", "new", "canceled", "new", "fill"}) {
		t.Errorf("events = %v", got)
	}
}

func TestOneTriggersTheOther(t *testing.T) {
	t.Parallel()
	f := instant(t)
	order := f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"gtc","order_class":"oto",
		"stop_loss":{"stop_price":"95"}}`)
	leg := f.view(order.ID).Legs[0]
	expect(t, "stop", leg.Status, exchange.StatusNew)
	f.price("94")
	expect(t, "stop", f.get(leg.ID).Status, exchange.StatusFilled)
	expect(t, "positions", len(f.account.Positions()), 0)
}

func TestReplaceHeldLeg(t *testing.T) {
	t.Parallel()
	f := instant(t)
	order := f.place(bracketBody)
	_, stop := f.legs(order.ID)
	change, err := exchange.DecodeReplace([]byte(`{"stop_price":"95"}`))
	if err != nil {
		t.Fatal(err)
	}
	replacement, err := f.account.Replace(stop.ID, change)
	if err != nil {
		t.Fatal(err)
	}
	expect(t, "status", replacement.Status, exchange.StatusHeld)
	f.price("98")
	f.price("94")
	expect(t, "new stop", f.get(replacement.ID).Status, exchange.StatusFilled)
	change, _ = exchange.DecodeReplace([]byte(`{"qty":"5"}`))
	second := f.place(`{"symbol":"AAPL","qty":10,"side":"buy","type":"limit","limit_price":"80","time_in_force":"gtc",
		"order_class":"bracket","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"70"}}`)
	_, err = f.account.Replace(second.ID, change)
	expectFailure(t, err, 422, 42210000, "qty cannot be changed for advanced orders")
}

func TestComplexOrderRules(t *testing.T) {
	t.Parallel()
	const entry = `"symbol":"AAPL","qty":10,"side":"buy","type":"market","time_in_force":"gtc",`
	cases := []struct {
		name, body string
		code       int
		message    string
	}{
		{"no profit", entry + `"order_class":"bracket","stop_loss":{"stop_price":"90"}`, 40010001, "bracket orders require take_profit.limit_price"},
		{"no stop", entry + `"order_class":"bracket","take_profit":{"limit_price":"110"}`, 40010001, "bracket orders require stop_loss.stop_price"},
		{"crossed", entry + `"order_class":"bracket","take_profit":{"limit_price":"80"},"stop_loss":{"stop_price":"90"}`, 42210000, "take_profit.limit_price must be > stop_loss.stop_price"},
		{"stop above market", entry + `"order_class":"bracket","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"101"}`, 42210000, "stop price must be less than current price"},
		{"both in oto", entry + `"order_class":"oto","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"90"}`, 40010001, "oto orders require exactly one of take_profit.limit_price or stop_loss.stop_price"},
		{"legs of a simple order", entry + `"stop_loss":{"stop_price":"90"}`, 40010001, "simple orders must not have take_profit or stop_loss"},
		{"fraction", `"symbol":"AAPL","qty":1.5,"side":"buy","type":"market","time_in_force":"day","order_class":"bracket","take_profit":{"limit_price":"110"},"stop_loss":{"stop_price":"90"}`, 42210000, "fractional orders must be simple orders"},
		{"oco that opens", `"symbol":"AAPL","qty":1,"side":"sell","type":"limit","time_in_force":"day","order_class":"oco","take_profit":{"limit_price":"90"},"stop_loss":{"stop_price":"110"}`, 42210000, "oco orders must be exit orders"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := instant(t).try(`{` + c.body + `}`)
			expectFailure(t, err, 422, c.code, c.message)
		})
	}
	f := instant(t)
	f.place(`{` + entry + `"client_order_id":"x"}`)
	_, err := f.try(bracketBody)
	expectFailure(t, err, 422, 42210000, "bracket orders must be entry orders")
}

func TestAuctions(t *testing.T) {
	t.Parallel()
	f := instant(t) // 10:00 in New York
	_, err := f.try(`{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"opg"}`)
	expectFailure(t, err, 403, 40310000, "opg orders must be submitted after 7:00pm and before 9:28am")
	closing := f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"100","time_in_force":"cls"}`)
	away := f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"99","time_in_force":"cls"}`)
	expect(t, "before the close", closing.Status, exchange.StatusNew)
	f.clock.Advance(5*time.Hour + 55*time.Minute)
	_, err = f.try(`{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"cls"}`)
	expectFailure(t, err, 403, 40310000, "cls orders must be submitted after 7:00pm and before 3:55pm")
	f.clock.Advance(5 * time.Minute)
	f.exchange.Sweep()
	expect(t, "at the close", f.get(closing.ID).Status, exchange.StatusFilled)
	closing = f.get(closing.ID)
	expect(t, "price of the auction", closing.FilledAveragePrice().String(), "100")
	expect(t, "limit not reached", f.get(away.ID).Status, exchange.StatusCanceled)
	f.clock.Advance(4 * time.Hour) // 20:00
	opening := f.place(`{"symbol":"AAPL","qty":1,"side":"buy","type":"market","time_in_force":"opg"}`)
	expect(t, "before the open", opening.Status, exchange.StatusAccepted)
	f.clock.Advance(13*time.Hour + 30*time.Minute)
	f.exchange.Sweep()
	expect(t, "at the open", f.get(opening.ID).Status, exchange.StatusFilled)
}

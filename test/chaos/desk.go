package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// desk is somebody who has an account to himself: he buys, leaves orders in the book, and cancels or closes everything.
type desk struct {
	run    *chaos
	trader *trader
	number int
	cycle  int
	dice   *rand.Rand
	client *client
}

// turnsOfCycle is how many turns of the listing a cycle uses: each has its symbol and quantity.
const turnsOfCycle = 10

// trades runs one cycle after the other until the storm is over.
func (r *chaos) trades(ctx, over context.Context, number int) {
	d := &desk{run: r, trader: &r.world.desks[number], number: number}
	for ; over.Err() == nil && ctx.Err() == nil; d.cycle++ {
		d.dice = rand.New(rand.NewPCG(r.world.settings.Seed, uint64(1_000_000+1000*number+d.cycle)))
		d.client = &client{
			intent: &intent{trader: d.trader, name: d.name("desk"), dice: d.dice}, run: r, at: d.dice.IntN(orderFunctions), loyal: true,
		}
		d.work(ctx)
		r.absorb(d.client.intent)
	}
}

func (d *desk) name(what string) string {
	return fmt.Sprintf("chaos-%d-%s-%d-%d", d.run.world.settings.Seed, what, d.number, d.cycle)
}

// work is one cycle: buy, leave orders in the book, cancel or close all, and be flat at its end.
func (d *desk) work(ctx context.Context) {
	var held, open []*intent
	for n := range 2 + d.dice.IntN(2) {
		held = append(held, d.place(ctx, n, "buy", shares))
	}
	for n := range d.dice.IntN(3) {
		open = append(open, d.place(ctx, 4+n, "buy", resting))
	}
	// A cancel-all of the cycle before that was held up on its way may have canceled what was just bought.
	held = slices.DeleteFunc(held, func(i *intent) bool {
		_, ok := d.client.await(ctx, i.known().orderID, filled)
		return !ok
	})
	if len(held) > 0 && d.dice.IntN(2) == 0 { // an order to sell that holds a position
		open = append(open, d.place(ctx, 0, "sell", resting))
	}
	switch d.dice.IntN(3) {
	case 0:
		d.cancelAll(ctx, open)
	case 1:
		held = d.closeAll(ctx, "some", false, held)
	}
	d.closeAll(ctx, "all", true, held)
}

// place is one order of the desk, pursued to its end.
func (d *desk) place(ctx context.Context, n int, side string, what kind) *intent {
	i := &intent{
		number: d.cycle, trader: d.trader, kind: what, name: fmt.Sprintf("%s-%d%s", d.name("desk"), n, side), dice: d.dice,
		class: event.AssetClassUSEquity, request: d.run.world.listing.stock(d.cycle*turnsOfCycle + n),
	}
	i.request.Side = side
	if what == resting {
		price := amount(1)
		if side == "sell" {
			price = amount(2000)
		}
		i.request.Type, i.request.TimeInForce, i.request.LimitPrice = "limit", "gtc", price
	}
	i.mark = markOfRequest(&i.request)
	d.run.add(i)
	c := &client{intent: i, run: d.run, at: d.client.at, loyal: true}
	c.pursue(ctx)
	return i
}

// cancelAll cancels all open orders, and looks whether the answer is true and complete.
func (d *desk) cancelAll(ctx context.Context, open []*intent) {
	first := true
	for {
		a := d.client.send(ctx, http.MethodDelete, "/api/v1/orders", "", nil)
		if a.status == http.StatusOK {
			d.checkCanceled(&a, open, first)
			return
		}
		if a.last() {
			d.client.claim("cancel all: %d %s", a.status, a.body)
			return
		}
		first = false
		if pause(ctx, a.due(100*time.Millisecond)) != nil {
			d.client.claim("cancel all was never answered")
			return
		}
		d.client.wander()
	}
}

func (d *desk) checkCanceled(a *answer, open []*intent, first bool) {
	var all struct {
		Orders []struct {
			OrderID string `json:"order_id"`
			Status  int    `json:"status"`
		} `json:"orders"`
	}
	if err := json.Unmarshal(a.data, &all); err != nil {
		d.client.claim("cancel all: %s: %v", a.body, err)
		return
	}
	told := make(map[string]int)
	for _, one := range all.Orders {
		told[one.OrderID] = one.Status
		if one.Status == http.StatusOK {
			d.run.canceled(d.trader, one.OrderID)
		}
	}
	for _, i := range open {
		id := i.known().orderID
		if id == "" {
			continue
		}
		if first && told[id] == 0 {
			d.client.claim("cancel all does not tell of order %s: %s", id, a.body)
		}
		d.run.canceled(d.trader, id) // also what the answer leaves out was canceled by an attempt before
	}
}

// closedOne is what became of one position of a close-all, closedAll the answer to it.
type (
	closedOne struct {
		Symbol string       `json:"symbol"`
		Status int          `json:"status"`
		Order  *order.Order `json:"order"`
	}
	closedAll struct {
		Positions []closedOne `json:"positions"`
	}
)

// final reports whether no position's answer may change when the request is repeated.
func (c *closedAll) final() bool {
	return !slices.ContainsFunc(c.Positions, func(p closedOne) bool {
		one := answer{status: p.Status}
		return !one.last()
	})
}

// closeAll closes all positions, by the same request until each has its last answer, and returns those that are left.
func (d *desk) closeAll(ctx context.Context, label string, cancelOrders bool, held []*intent) []*intent {
	key, first := d.name(label), true
	for {
		a := d.client.send(ctx, http.MethodDelete, fmt.Sprintf("/api/v1/positions?cancel_orders=%t", cancelOrders), key, nil)
		var all closedAll
		switch {
		case a.status == http.StatusOK && json.Unmarshal(a.data, &all) != nil:
			d.client.claim("close all: %s", a.body)
			return nil
		case a.status == http.StatusOK && all.final():
			return d.checkClosed(ctx, label, &all, held, first, cancelOrders)
		case a.status != http.StatusOK && a.last():
			d.client.claim("close all: %d %s", a.status, a.body)
			return held
		}
		first = false
		if pause(ctx, a.due(100*time.Millisecond)) != nil {
			d.client.claim("close all was never answered for good: %d %s", a.status, a.body)
			return held
		}
		d.client.wander()
	}
}

// checkClosed compares the answer with what Alpaca has: one order for each position, or none where it was refused.
func (d *desk) checkClosed(ctx context.Context, label string, all *closedAll, held []*intent, first, cancelOrders bool) (rest []*intent) {
	told := make(map[string]closedOne)
	for _, one := range all.Positions {
		told[one.Symbol] = one
	}
	for _, i := range held {
		one, ok := told[i.request.Symbol]
		mark := markOf("sell", "market", i.request.Symbol, plain(i.request.Qty), nil)
		closing := &intent{number: d.cycle, trader: d.trader, kind: liquidated, name: d.name(label) + " " + i.request.Symbol, mark: mark}
		switch {
		case ok && one.Order != nil:
			closing.end(placed, one.Order.OrderID, "")
			if found := markOfAnswer(one.Order); found != mark {
				closing.claim("answered %s", found)
			}
		case !ok && first:
			d.client.claim("close all does not tell of %s", mark)
			continue
		case !ok: // closed by an attempt whose answer was lost
			closing.end(done, "", "")
		default:
			rest = append(rest, i)
			if cancelOrders {
				d.client.surprise("close all: %s: %d", mark, one.Status)
			}
			d.mustNotHave(ctx, mark)
			continue
		}
		d.run.add(closing)
		d.run.settled.Add(1)
	}
	d.settle(ctx)
	return rest
}

// mustNotHave looks whether Alpaca has an order that was refused.
func (d *desk) mustNotHave(ctx context.Context, mark string) {
	orders, err := d.run.world.alpaca.audit(ctx, d.trader.keyID)
	if err != nil {
		return // the run is over
	}
	for _, o := range marked(orders) {
		if o.mark == mark {
			d.client.claim("the close %s was refused, and Alpaca has order %s", mark, o.ID)
		}
	}
}

// settle waits until no order at the market is under way.
func (d *desk) settle(ctx context.Context) {
	for {
		orders, err := d.run.world.alpaca.audit(ctx, d.trader.keyID)
		if err == nil && !slices.ContainsFunc(orders, func(o accepted) bool { return o.Type == "market" && !o.ended() }) {
			return
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return
		}
	}
}

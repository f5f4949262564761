package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// sequel is what the client does with its order, by the order's kind.
func (c *client) sequel(ctx context.Context, orderID string) {
	switch c.kind {
	case resting:
		c.cancel(ctx, orderID)
	case moved:
		c.move(ctx, orderID)
	case chased:
		c.replace(ctx, orderID, 1, decimal.FromInt(c.furtherPrice(1)))
	case bracket:
		c.adjust(ctx, orderID)
	case exited:
		c.exit(ctx, orderID)
	default:
	}
}

// furtherPrice is the price of an order's n-th replacement.
func (c *client) furtherPrice(n int64) int64 {
	price, err := c.request.LimitPrice.Int64()
	if err != nil {
		panic(err)
	}
	return price + n
}

// move replaces a resting order once or twice, each time the newest one, and cancels the last.
func (c *client) move(ctx context.Context, orderID string) {
	for n := range 1 + c.dice.IntN(2) {
		if _, ok := c.await(ctx, orderID, func(o *order.Order) bool { return o.Status == "new" }); !ok {
			return
		}
		next := c.replace(ctx, orderID, n+1, decimal.FromInt(c.furtherPrice(int64(n+1))))
		if next == "" {
			return
		}
		orderID = next
	}
	c.cancel(ctx, orderID)
}

// replace is a new intent: the order that takes the place of another one. It returns the new order's ID, or empty when
// there is none, or the client left.
func (c *client) replace(ctx context.Context, orderID string, n int, price decimal.Decimal) string {
	i := c.further(change, n)
	i.replaces, i.change.LimitPrice, i.mark = orderID, &decimal.Number{Decimal: price}, markOfChange(orderID, &price)
	if c.dice.IntN(3) == 0 {
		i.way, i.change.ClientOrderID = byOwnID, i.name
	}
	return c.pursueFurther(ctx, i)
}

// further is another intent of the same client.
func (c *client) further(what kind, n int) *intent {
	return &intent{
		number: c.number, trader: c.trader, kind: what, name: fmt.Sprintf("%s-%d", c.name, n), class: c.class, request: c.request, dice: c.dice,
	}
}

// pursueFurther pursues a further intent to its order's ID.
func (c *client) pursueFurther(ctx context.Context, i *intent) string {
	c.run.add(i)
	f := &client{intent: i, run: c.run, at: c.at, loyal: c.loyal}
	f.place(ctx)
	return i.known().orderID
}

// adjust replaces the take-profit leg of a filled bracket order, or leaves it as it is.
func (c *client) adjust(ctx context.Context, orderID string) {
	if c.dice.IntN(2) == 0 {
		return
	}
	found, ok := c.await(ctx, orderID, func(o *order.Order) bool {
		return o.Status == "filled" && slices.ContainsFunc(o.Legs, func(leg order.Order) bool { return leg.OrderType == "limit" && leg.Status == "new" })
	})
	if !ok {
		return
	}
	for n := range found.Legs {
		if leg := &found.Legs[n]; leg.OrderType == "limit" && leg.Status == "new" {
			c.replace(ctx, leg.OrderID, 1, decimal.FromInt(9001))
			return
		}
	}
}

// exit closes what the order bought: all of it, or first a share and then the rest, or first the half.
func (c *client) exit(ctx context.Context, orderID string) {
	if _, ok := c.await(ctx, orderID, filled); !ok {
		return
	}
	all, err := c.request.Qty.Int64()
	if err != nil {
		panic(err)
	}
	part, query := int64(0), ""
	switch c.dice.IntN(3) {
	case 0:
		part, query = 1, "?qty=1"
	case 1:
		part, query = all/2, "?percentage=50"
	}
	if part > 0 {
		first := c.close(ctx, 1, part, query)
		if first == "" {
			return
		}
		if _, ok := c.await(ctx, first, filled); !ok {
			return
		}
	}
	if all-part == part {
		return // the second order would look like the first
	}
	c.close(ctx, 2, all-part, "")
}

func filled(o *order.Order) bool { return o.Status == "filled" }

// close is a new intent: the order that closes a quantity of the position.
func (c *client) close(ctx context.Context, n int, qty int64, query string) string {
	i := c.further(exit, n)
	i.way, i.shut = byKey, "/api/v1/positions/"+c.request.Symbol+query
	i.mark = markOf("sell", "market", c.request.Symbol, plain(amount(qty)), nil)
	return c.pursueFurther(ctx, i)
}

// await looks at the order until it is as wanted; false when it came to another end, or the run's did.
func (c *client) await(ctx context.Context, orderID string, wanted func(*order.Order) bool) (order.Order, bool) {
	for {
		a := c.send(ctx, http.MethodGet, "/api/v1/orders/"+orderID, "", nil)
		switch {
		case a.status == http.StatusOK && wanted(&a.order):
			return a.order, true
		case a.status == http.StatusOK && slices.Contains([]string{"canceled", "expired", "rejected", "replaced"}, a.order.Status),
			a.status == http.StatusOK && filled(&a.order) && len(a.order.Legs) == 0: // with legs: they go to the venue next
			return a.order, false
		case a.last() && a.status != http.StatusOK:
			c.claim("order %s was read as %d %s", orderID, a.status, a.body)
			return a.order, false
		}
		if pause(ctx, a.due(100*time.Millisecond)) != nil {
			return a.order, false
		}
		c.wander()
	}
}

// cancel asks until the order is canceled, or can't be any more.
func (c *client) cancel(ctx context.Context, orderID string) {
	for {
		a := c.send(ctx, http.MethodDelete, "/api/v1/orders/"+orderID, "", nil)
		switch {
		case a.status/100 == 2:
			c.run.canceled(c.trader, orderID)
			return
		case a.status == http.StatusUnprocessableEntity:
			return
		case a.last():
			c.claim("cancel of order %s: %d %s", orderID, a.status, a.body)
			return
		}
		if pause(ctx, a.due(200*time.Millisecond)) != nil {
			return
		}
		c.wander()
	}
}

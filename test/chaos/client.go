package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// client is somebody who places one order over HTTP, and repeats himself until he knows what became of it.
type client struct {
	*intent
	world *world
	http  *http.Client
	at    int // the instance that he talks to
	// doubt says that an order may exist: an attempt was not answered, or with "unknown".
	doubt bool
}

// answer is what an instance said; status 0 is nothing at all.
type answer struct {
	status     int
	retryAfter time.Duration
	body       []byte
	order      order.Order
	code       string
	unknown    bool
}

// place sends the intent until it is answered for good, or the client gives up.
func (c *client) place(ctx context.Context) {
	patient := c.dice.IntN(100) >= 4
	wait := 50 * time.Millisecond
	for attempt := 0; ; attempt++ {
		a := c.ask(ctx, c.request)
		if c.ends(a) {
			break
		}
		c.doubt = c.doubt || a.status == 0 || a.unknown || a.status >= http.StatusInternalServerError && a.code == ""
		if !patient && attempt == 0 {
			c.giveUp(a)
			return
		}
		if pause(ctx, min(max(wait, a.retryAfter/2), time.Second)) != nil {
			return
		}
		wait = min(2*wait, time.Second)
		if c.dice.IntN(3) == 0 { // a load balancer, or a client that looks for a better one
			c.at = c.dice.IntN(orderFunctions)
		}
	}
	c.afterwards(ctx)
}

// ends settles the intent if the answer is a last one.
func (c *client) ends(a answer) bool {
	switch {
	case a.status == http.StatusCreated || a.status == http.StatusOK:
		if a.order.OrderID == "" {
			c.claim("%d without an order: %s", a.status, a.body)
		}
		c.check(a.order)
		c.end(placed, a.order.OrderID, "")
		return true
	case a.status == 0 || a.status == http.StatusConflict || a.status == http.StatusTooManyRequests || a.status >= http.StatusInternalServerError:
		return false
	}
	c.end(refused, "", fmt.Sprintf("%d %s", a.status, a.code))
	return true
}

// giveUp leaves. A client that was told that nothing was sent may take it that there is no order.
func (c *client) giveUp(a answer) {
	if !c.doubt && a.status == http.StatusTooManyRequests {
		c.end(refused, "", "429 "+a.code)
		return
	}
	c.end(gaveUp, "", "")
}

// check compares what the answer says of the order with what was asked for.
func (c *client) check(o order.Order) {
	if o.Symbol != c.request.Symbol || o.Side != c.request.Side || o.OrderType != c.request.Type ||
		o.Qty == nil || !o.Qty.Equal(c.request.Qty.Decimal) || c.way == byOwnID && o.ClientOrderID != c.name {
		c.claim("asked for %s, answered %s %s %s, client order ID %s", c.identity(), o.Side, o.Symbol, o.OrderType, o.ClientOrderID)
	}
}

// afterwards does what clients do with an answer: send the request again, by mistake another one under the same name, or
// cancel the order.
func (c *client) afterwards(ctx context.Context) {
	what, orderID, _, _ := c.known()
	if c.dice.IntN(100) < 15 {
		c.replay(ctx, what, orderID)
	}
	if what == placed && c.dice.IntN(100) < 4 {
		c.mistake(ctx)
	}
	if what == placed && c.purpose == resting {
		c.cancel(ctx, orderID)
	}
}

// replay wants the answer again, from another instance.
func (c *client) replay(ctx context.Context, what outcome, orderID string) {
	for range 40 {
		c.at = c.dice.IntN(orderFunctions)
		a := c.ask(ctx, c.request)
		switch {
		case a.status/100 == 2:
			if what != placed || a.order.OrderID != orderID {
				c.claim("was told %q of order %q, then of order %q", map[outcome]string{placed: "placed", refused: "refused"}[what], orderID, a.order.OrderID)
			}
			return
		case a.status/100 == 4 && a.status != http.StatusConflict && a.status != http.StatusTooManyRequests:
			if what == placed {
				c.claim("was told of order %s, then %d %s", orderID, a.status, a.body)
			}
			return
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return
		}
	}
}

// mistake sends another order under the same name: never may it be taken.
func (c *client) mistake(ctx context.Context) {
	other := c.request
	other.Qty = amount(500_000 + int64(c.number))
	for range 5 {
		a := c.ask(ctx, other)
		if a.status/100 == 2 {
			c.claim("another body under the same name was answered with order %s", a.order.OrderID)
		}
		if a.status/100 == 4 && a.status != http.StatusConflict && a.status != http.StatusTooManyRequests {
			if a.status != http.StatusUnprocessableEntity || a.code != "IDEMPOTENCY_CONFLICT" {
				c.claim("another body under the same name was answered %d %s", a.status, a.body)
			}
			return
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return
		}
	}
}

// cancel asks until the order is canceled, or can't be any more.
func (c *client) cancel(ctx context.Context, orderID string) {
	for {
		a := c.send(ctx, http.MethodDelete, "/api/v1/orders/"+orderID, nil)
		if a.status/100 == 2 || a.status == http.StatusUnprocessableEntity {
			return
		}
		if a.status == http.StatusNotFound {
			c.claim("cancel of order %s: %s", orderID, a.body)
			return
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return
		}
		c.at = c.dice.IntN(orderFunctions)
	}
}

func (c *client) ask(ctx context.Context, r order.OrderRequest) answer {
	body, err := json.Marshal(r)
	if err != nil {
		panic(err)
	}
	return c.send(ctx, http.MethodPost, "/api/v1/stocks/order", body)
}

// send makes one request with the patience of one of several kinds of clients.
func (c *client) send(ctx context.Context, method, path string, body []byte) answer {
	limits := []time.Duration{400 * time.Millisecond, 2 * time.Second, 8 * time.Second, 8 * time.Second}
	ctx, cancel := context.WithTimeout(ctx, limits[c.dice.IntN(len(limits))])
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.world.orders[c.at].url()+path, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.trader.token)
	request.Header.Set("Content-Type", "application/json")
	if c.way == byKey && method == http.MethodPost {
		request.Header.Set("Idempotency-Key", c.name)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}
	}
	return decode(response, content)
}

func decode(response *http.Response, content []byte) answer {
	a := answer{status: response.StatusCode, body: content}
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil {
		a.retryAfter = time.Duration(seconds) * time.Second
	}
	var envelope struct {
		Data  json.RawMessage `json:"data"`
		Error struct {
			Code    string         `json:"code"`
			Details map[string]any `json:"details"`
		} `json:"error"`
	}
	if json.Unmarshal(content, &envelope) != nil {
		return a
	}
	_ = json.Unmarshal(envelope.Data, &a.order) // not every answer holds an order
	a.code, a.unknown = envelope.Error.Code, envelope.Error.Details["outcome"] == "unknown"
	return a
}

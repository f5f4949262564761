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

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// client is somebody who sends one intent over HTTP, and repeats himself until he knows what became of it.
type client struct {
	*intent
	run *chaos
	at  int // the instance that he talks to
	// loyal clients never leave without an answer.
	loyal bool
	// doubt says that an order may exist: an attempt was not answered, or with "unknown".
	doubt bool
}

// answer is what an instance said; status 0 is nothing at all.
type answer struct {
	status     int
	retryAfter time.Duration
	body       []byte
	data       json.RawMessage
	order      order.Order
	code       string
	limit      string // of a 429: which one
	unknown    bool
}

// last reports whether the answer is one that repeating the request does not change.
func (a *answer) last() bool {
	switch a.status {
	case 0, http.StatusConflict, http.StatusTooManyRequests:
		return false
	}
	return a.status < http.StatusInternalServerError
}

// longestWait bounds a client's wait between two attempts, also when it is told to wait longer.
const longestWait = 5 * time.Second

// due is when a client comes back who would wait so long otherwise: after 429 when it says so, else a little hastily.
func (a *answer) due(wait time.Duration) time.Duration {
	if a.status == http.StatusTooManyRequests {
		return min(max(wait, a.retryAfter), longestWait)
	}
	return min(max(wait, a.retryAfter/2), time.Second)
}

// place sends the intent until it is answered for good, or the client gives up, and then does what clients do with an
// answer.
func (c *client) place(ctx context.Context) {
	if c.pursue(ctx) {
		c.afterwards(ctx)
	}
}

// pursue sends the intent and reports whether it was answered for good.
func (c *client) pursue(ctx context.Context) bool {
	defer c.run.settled.Add(1)
	patient := c.dice.IntN(100) >= 4 || c.loyal
	wait := 50 * time.Millisecond
	for attempt := 0; ; attempt++ {
		a := c.ask(ctx, c.body())
		if c.ends(&a) {
			return true
		}
		c.doubt = c.doubt || a.status == 0 || a.unknown || a.status >= http.StatusInternalServerError && a.code == ""
		if !patient && attempt == 0 {
			c.giveUp(&a)
			return false
		}
		if pause(ctx, a.due(wait)) != nil {
			return false
		}
		wait = min(2*wait, time.Second)
		c.wander()
	}
}

// wander changes the instance at times, as a load balancer does, or a client that looks for a better one.
func (c *client) wander() {
	if c.dice.IntN(3) == 0 {
		c.at = c.dice.IntN(orderFunctions)
	}
}

// ends settles the intent if the answer is a last one.
func (c *client) ends(a *answer) bool {
	switch {
	case a.status == http.StatusCreated || a.status == http.StatusOK:
		if a.order.OrderID == "" {
			c.claim("%d without an order: %s", a.status, a.body)
		}
		c.check(&a.order)
		c.end(placed, a.order.OrderID, "")
		return true
	case !a.last():
		return false
	}
	c.end(refused, "", fmt.Sprintf("%d %s", a.status, a.code))
	return true
}

// giveUp leaves. A client that was told that nothing was sent may take it that there is no order.
func (c *client) giveUp(a *answer) {
	if !c.doubt && a.status == http.StatusTooManyRequests {
		c.end(left, "", "429 "+a.code)
		return
	}
	c.end(gaveUp, "", "")
}

// check compares what the answer says of the order with what was asked for.
func (c *client) check(o *order.Order) {
	if mark := markOfAnswer(o); mark != c.mark || c.way == byOwnID && o.ClientOrderID != c.name {
		c.claim("answered %s, client order ID %s", mark, o.ClientOrderID)
	}
}

// afterwards does what clients do with an answer: send the request again, by mistake another one under the same name, or
// go on with the order.
func (c *client) afterwards(ctx context.Context) {
	known := c.known()
	if c.dice.IntN(100) < 15 {
		c.replay(ctx, &known)
	}
	if known.outcome == placed && c.dice.IntN(100) < 4 {
		c.mistake(ctx)
	}
	if known.outcome == placed {
		c.sequel(ctx, known.orderID)
	}
}

// replay wants the answer again, from another instance.
func (c *client) replay(ctx context.Context, known *knowledge) {
	for range 40 {
		c.at = c.dice.IntN(orderFunctions)
		a := c.ask(ctx, c.body())
		switch {
		case a.status/100 == 2:
			if known.outcome != placed || a.order.OrderID != known.orderID {
				c.claim("was told %q of order %q, then of order %q", map[outcome]string{placed: "placed", refused: "refused"}[known.outcome], known.orderID, a.order.OrderID)
			}
			return
		case a.last():
			if known.outcome == placed {
				c.claim("was told of order %s, then %d %s", known.orderID, a.status, a.body)
			}
			return
		}
		if pause(ctx, a.due(100*time.Millisecond)) != nil {
			return
		}
	}
}

// mistake sends another request under the same name: never may it be taken.
func (c *client) mistake(ctx context.Context) {
	var body any
	switch {
	case c.replaces != "":
		other := c.change
		other.LimitPrice = amount(500_000 + int64(c.number))
		body = other
	case c.shut != "":
		return // what it closes is in its path; the order's function has its own tests for that
	default:
		other := c.request
		other.Qty, other.Notional = amount(500_000+int64(c.number)), nil
		if c.class == event.AssetClassUSOption {
			other.Qty = amount(500)
		}
		body = other
	}
	for range 5 {
		a := c.ask(ctx, body)
		if a.status/100 == 2 {
			c.claim("another body under the same name was answered with order %s", a.order.OrderID)
		}
		if a.last() {
			if a.status != http.StatusUnprocessableEntity || a.code != "IDEMPOTENCY_CONFLICT" {
				c.claim("another body under the same name was answered %d %s", a.status, a.body)
			}
			return
		}
		if pause(ctx, a.due(100*time.Millisecond)) != nil {
			return
		}
	}
}

// ask sends the intent's request with a body.
func (c *client) ask(ctx context.Context, body any) answer {
	method, path := c.path()
	key := ""
	if c.way == byKey {
		key = c.name
	}
	return c.send(ctx, method, path, key, body)
}

// send makes one request with the patience of one of several kinds of clients.
func (c *client) send(ctx context.Context, method, path, key string, body any) answer {
	limits := []time.Duration{400 * time.Millisecond, 2 * time.Second, 8 * time.Second, 8 * time.Second}
	ctx, cancel := context.WithTimeout(ctx, limits[c.dice.IntN(len(limits))])
	defer cancel()
	var content []byte
	if body != nil {
		var err error
		if content, err = json.Marshal(body); err != nil {
			panic(err)
		}
	}
	request, err := http.NewRequestWithContext(ctx, method, c.run.world.orders[c.at].url()+path, bytes.NewReader(content))
	if err != nil {
		panic(err)
	}
	request.Header.Set("Authorization", "Bearer "+c.trader.token)
	request.Header.Set("Content-Type", "application/json")
	if key != "" {
		request.Header.Set("Idempotency-Key", key)
	}
	response, err := c.run.http.Do(request)
	if err != nil {
		return answer{}
	}
	defer response.Body.Close()
	told, err := io.ReadAll(response.Body)
	if err != nil {
		return answer{}
	}
	a := decode(response, told)
	c.run.note(c.intent, method+" "+path, &a)
	return a
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
	a.data = envelope.Data
	_ = json.Unmarshal(envelope.Data, &a.order) // not every answer holds an order
	a.code, a.unknown = envelope.Error.Code, envelope.Error.Details["outcome"] == "unknown"
	if limit, ok := envelope.Error.Details["limit"].(string); ok {
		a.limit = limit
	}
	if _, own := envelope.Error.Details["allowed"]; a.limit == "alpaca" && !own {
		a.limit = "Alpaca's own"
	}
	return a
}

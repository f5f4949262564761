package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// courier is a broker that delivers commands at least once: twice or three times, late, in any order, to any instance.
type courier struct {
	run   *chaos
	world *world
	http  *http.Client
}

// proofLife covers every redelivery of a run.
const proofLife = auth.MaximumProofTTL

// brokerPatience is longer than any broker's, and shorter than a proof lives.
const brokerPatience = proofLife - 30*time.Second

// request delivers the command to place an intent's order, and then perhaps the one to cancel it.
func (c *courier) request(ctx context.Context, i *intent) {
	made, err := c.command(i, event.TypeOrderRequested, i.name, event.OrderRequested{AccountID: i.trader.id, AssetClass: i.class, Order: i.request})
	if err != nil {
		panic(err)
	}
	status, text := c.deliver(ctx, i, made)
	switch {
	case status == 0: // the run ended, or the command became too old for a broker to keep
		i.end(gaveUp, "", "")
		return
	case status/100 == 2:
		i.end(handled, "", "")
	default:
		i.end(refused, "", fmt.Sprintf("%d %s", status, text))
		return
	}
	if i.kind != resting {
		return
	}
	orderID, clientOrderID := c.orderOf(ctx, i)
	if orderID == "" {
		return
	}
	cancel, err := c.command(i, event.TypeOrderCancelRequested, i.name+"-cancel",
		event.OrderCancelRequested{AccountID: i.trader.id, ClientOrderID: clientOrderID})
	if err != nil {
		panic(err)
	}
	switch status, text := c.deliver(ctx, i, cancel); status / 100 {
	case 2:
		c.run.canceled(i.trader, orderID)
	case 4:
		i.claim("cancel command: %d %s", status, text)
	}
}

// orderOf waits until the accepted event says which order the command led to.
func (c *courier) orderOf(ctx context.Context, i *intent) (orderID, clientOrderID string) {
	for {
		for _, e := range c.world.collector.of(i.trader.id) {
			if e.kind == event.TypeOrderAccepted && e.order.Symbol == i.request.Symbol && e.order.Qty != nil && e.order.Qty.Equal(i.request.Qty.Decimal) {
				return e.order.OrderID, e.order.ClientOrderID
			}
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return "", ""
		}
	}
}

// command is the event with a proof; every copy of it is the same.
func (c *courier) command(i *intent, kind, id string, data any) (event.Event, error) {
	return event.New(kind, "/chaos", i.trader.id, data, event.WithID(id), event.WithProof(
		func(eventID, eventType string, payload []byte) (string, error) {
			return c.world.issuer.SignProof(i.trader.id, []auth.Permission{auth.PermissionTrade}, eventID, eventType, payload, proofLife)
		}))
}

// deliver brings the copies to their end and returns the status that ended the first of them, 0 when there was none in
// brokerPatience.
func (c *courier) deliver(ctx context.Context, i *intent, e event.Event) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, brokerPatience)
	defer cancel()
	type copyOf struct {
		at, delay int
	}
	copies := []copyOf{{i.dice.IntN(orderFunctions), 0}}
	for range i.dice.IntN(3) {
		copies = append(copies, copyOf{i.dice.IntN(orderFunctions), i.dice.IntN(1500)})
	}
	statuses, texts := make([]int, len(copies)), make([]string, len(copies))
	var all sync.WaitGroup
	for n, each := range copies {
		all.Go(func() {
			if pause(ctx, time.Duration(each.delay)*time.Millisecond) == nil {
				statuses[n], texts[n] = c.bring(ctx, each.at, i, e)
			}
		})
	}
	all.Wait()
	for n := range copies {
		if statuses[n] != 0 && statuses[n]/100 != statuses[0]/100 {
			i.claim("one command, two ends: %d %s and %d %s", statuses[0], texts[0], statuses[n], texts[n])
		}
	}
	return statuses[0], texts[0]
}

// bring delivers one copy by Knative's rules: again after 5xx, 404, 408, 409, 429 and no answer.
func (c *courier) bring(ctx context.Context, at int, i *intent, e event.Event) (int, string) {
	wait := 100 * time.Millisecond
	for ; ; at = (at + 1) % orderFunctions {
		status, text := c.post(ctx, at, i, e)
		switch status {
		case 0, http.StatusNotFound, http.StatusRequestTimeout, http.StatusConflict, http.StatusTooManyRequests:
		default:
			if status < http.StatusInternalServerError {
				return status, text
			}
		}
		if pause(ctx, wait) != nil {
			return 0, ""
		}
		wait = min(2*wait, 2*time.Second)
	}
}

func (c *courier) post(ctx context.Context, at int, i *intent, e event.Event) (int, string) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.world.orders[at].url()+"/events", http.NoBody)
	if err != nil {
		panic(err)
	}
	if err := cehttp.WriteRequest(binding.WithForceBinary(ctx), binding.ToMessage(&e), request); err != nil {
		panic(err)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, ""
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	if i != nil {
		a := decode(response, text)
		c.run.note(i, "command", &a)
		if a.code != "" {
			return response.StatusCode, a.code
		}
	}
	return response.StatusCode, string(text)
}

// tick is the event of a cron that wakes the sweeper.
func (c *courier) tick(ctx context.Context, number int) {
	e, err := event.New(event.TypeSweepTick, "/chaos", "", json.RawMessage(`{}`), event.WithID(fmt.Sprint("tick-", number)))
	if err != nil {
		panic(err)
	}
	c.post(ctx, number%orderFunctions, nil, e)
}

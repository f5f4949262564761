package stream

import (
	"context"
	"slices"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// tradeUpdates is the one stream that the trading WebSocket has.
const tradeUpdates = "trade_updates"

// updatesClient is one connection to the trading WebSocket. One goroutine reads; the one that runs does everything else, so
// that answers and events leave in the order in which they arose, and a client that reads slowly holds up only itself.
type updatesClient struct {
	owner    *TradeUpdates
	socket   *socket.Socket
	incoming chan []byte

	account      *exchange.Account
	subscription *exchange.Subscription // nil while the client does not listen
	buffer       []byte
}

func (c *updatesClient) read(ctx context.Context) {
	for {
		message, err := c.socket.Read(ctx)
		if err != nil {
			return
		}
		if len(message) == 1 && message[0] == 1 { // a heartbeat of Alpaca's old protocol
			continue
		}
		select {
		case c.incoming <- message:
		case <-ctx.Done():
			return
		}
	}
}

func (c *updatesClient) run(ctx context.Context) {
	defer c.deafen()
	for {
		var signal <-chan struct{}
		if c.subscription != nil {
			signal = c.subscription.Signal()
		}
		var alive bool
		select {
		case <-ctx.Done():
			return
		case message := <-c.incoming:
			alive = c.handle(ctx, message)
		case <-signal:
			alive = c.forward(ctx)
		}
		if !alive {
			return
		}
	}
}

// forward sends the events that have happened. There is no replay: a client that was away asks the REST API.
func (c *updatesClient) forward(ctx context.Context) bool {
	for {
		events, _ := c.subscription.Take(batch)
		for _, event := range events {
			c.buffer = append(c.buffer[:0], `{"stream":"trade_updates","data":`...)
			c.buffer = append(event.Append(c.buffer, ""), '}')
			if !c.send(ctx, c.buffer) {
				return false
			}
		}
		if len(events) < batch {
			return true
		}
	}
}

func (c *updatesClient) handle(ctx context.Context, message []byte) bool {
	wanted, err := decodeCommand(c.socket.Codec, message)
	if err != nil {
		return c.send(ctx, []byte(`{"stream":"listening","data":{"error":"invalid syntax"}}`))
	}
	switch wanted.Action {
	case "auth", "authenticate":
		return c.authenticate(ctx, &wanted)
	case "listen":
		return c.listen(ctx, wanted.Data.Streams)
	default:
		return c.send(ctx, []byte(`{"stream":"listening","data":{"error":"unknown action"}}`))
	}
}

// authenticate admits the client. Once it is in, further attempts change nothing.
func (c *updatesClient) authenticate(ctx context.Context, wanted *command) bool {
	if c.account == nil {
		account, _, ok := c.owner.Gate.Authenticate(wanted.credentials())
		if !ok {
			return c.send(ctx, authorization("unauthorized", "authenticate"))
		}
		c.account = account
		c.owner.arrive(c, account.KeyID)
	}
	return c.send(ctx, authorization("authorized", "authenticate"))
}

// listen replaces the list of streams; names that nobody knows are dropped, and an empty list stops all.
func (c *updatesClient) listen(ctx context.Context, streams []string) bool {
	if c.account == nil {
		return c.send(ctx, authorization("unauthorized", "listen"))
	}
	listening := slices.Contains(streams, tradeUpdates)
	list := `[]`
	if listening {
		list = `["` + tradeUpdates + `"]`
	}
	if listening && c.subscription == nil {
		c.subscription = c.account.Subscribe(exchange.Position{})
	}
	if !listening {
		c.deafen()
	}
	return c.send(ctx, []byte(`{"stream":"listening","data":{"streams":`+list+`}}`))
}

func (c *updatesClient) deafen() {
	if c.subscription != nil {
		c.subscription.Close()
		c.subscription = nil
	}
}

func authorization(status, action string) []byte {
	return []byte(`{"stream":"authorization","data":{"status":"` + status + `","action":"` + action + `"}}`)
}

// send sends a JSON document in the client's codec; false when the client is gone.
func (c *updatesClient) send(ctx context.Context, document []byte) bool {
	if c.socket.Codec == socket.MessagePack {
		packed, err := wire.MessagePack(nil, document)
		if err != nil {
			return false
		}
		document = packed
	}
	return c.socket.Write(ctx, document) == nil
}

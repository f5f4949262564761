package feed

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
)

// The actions of clients.
const (
	actionAuth        = "auth"
	actionSubscribe   = "subscribe"
	actionUnsubscribe = "unsubscribe"
)

// client is one connection. Requests are handled one after the other by the goroutine that reads them.
type client struct {
	hub    *Hub
	feed   *feed
	socket *socket.Socket
	outbox *outbox

	account string // empty until the client has authenticated
	keyID   string
	place   place
	timer   *time.Timer // runs until the client has authenticated

	interest interest    // guarded by feed.mu
	silent   atomic.Bool // data is kept from it, as by a feed that died without a word
}

// serve talks to the client until one of the two ends it.
func (c *client) serve(ctx context.Context, r *http.Request) {
	ctx, cancel := context.WithCancel(ctx)
	var writer sync.WaitGroup
	writer.Go(func() { c.write(ctx) })
	c.control(success(c.socket.Codec, "connected"))
	c.timer = time.AfterFunc(c.hub.settings.AuthTimeout, func() { c.end(ErrAuthTimeout) })
	if claim, ok := claimOf(r); ok {
		c.authenticate(claim)
	}
	c.outbox.flush()
	clean := c.read(ctx)
	c.timer.Stop()
	c.feed.leave(c)
	cancel()
	writer.Wait()
	if c.account != "" {
		c.hub.slots.free(c.place, clean || c.outbox.finished())
	}
}

// read handles requests until the connection ends; true when the client said goodbye.
func (c *client) read(ctx context.Context) bool {
	for {
		message, err := c.socket.Read(ctx)
		if err != nil {
			return socket.EndedCleanly(err)
		}
		if len(message) == 1 && message[0] == 1 { // a heartbeat of Alpaca's old protocol
			continue
		}
		c.handle(message)
		c.outbox.flush()
	}
}

func (c *client) handle(message []byte) {
	wanted, err := decodeRequest(c.socket.Codec, message)
	if err != nil {
		c.refuse(ErrSyntax)
		return
	}
	switch wanted.action {
	case actionAuth:
		if c.account != "" {
			c.refuse(ErrAuthenticated)
			return
		}
		c.authenticate(claimFrom(&wanted))
	case actionSubscribe, actionUnsubscribe:
		c.subscribe(&wanted)
	default:
		c.refuse(ErrSyntax)
	}
}

func (c *client) subscribe(wanted *request) {
	if c.account == "" {
		c.refuse(ErrNotAuthenticated)
		return
	}
	if err := c.check(wanted); err != nil {
		c.refuse(*err)
		return
	}
	next := c.interest.with(wanted) // only this goroutine changes it
	if !c.hub.rightsOf(c.keyID).allow(c.feed.class, &next, c.hub.settings.CountBars) {
		c.refuse(ErrSymbolLimit)
		return
	}
	c.hub.observe()
	c.feed.change(c, next, c.hub.Clock.Now(), c.hub.record.last())
	c.hub.stir()
}

// check refuses channels that the feed does not have, and symbols that cannot be.
func (c *client) check(wanted *request) *Refusal {
	for kind, symbols := range wanted.symbols {
		if len(symbols) > 0 && !c.feed.has(channel(kind)) {
			return &ErrAction
		}
		for _, symbol := range symbols {
			if !c.hub.patterns.valid(c.feed.class, symbol) {
				return &ErrSyntax
			}
			if symbol == star && c.feed.class == Options && channel(kind) == quotes && wanted.action == actionSubscribe {
				return &ErrStar
			}
		}
	}
	return nil
}

// control sends a message that travels alone.
func (c *client) control(body []byte) {
	if !c.outbox.put(body, true) {
		c.end(ErrSlowClient)
	}
}

// data sends a message that is shared with others; the writer wakes with the next flush. A client whose box is full is
// told that it is slow, if it still reads at all, and loses the connection.
func (c *client) data(body []byte) {
	if c.silent.Load() {
		return
	}
	if !c.outbox.put(body, false) {
		c.end(ErrSlowClient)
	}
}

func (c *client) refuse(why Refusal) { c.control(why.message(c.socket.Codec)) }

// end tells the client why, and ends the connection.
func (c *client) end(why Refusal) {
	c.outbox.finish(why.message(c.socket.Codec), websocket.StatusPolicyViolation, why.Text)
}

// write empties the outbox until the connection ends.
func (c *client) write(ctx context.Context) {
	var spare []letter
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.outbox.wake:
		}
		letters, end := c.outbox.take(spare)
		if !c.send(ctx, letters) {
			c.socket.Abort()
			return
		}
		if end != nil {
			c.socket.Close(end.code, end.reason)
			return
		}
		clear(letters)
		spare = letters
	}
}

func (c *client) send(ctx context.Context, letters []letter) bool {
	if len(letters) == 0 {
		return true
	}
	buffer := c.hub.frames.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer c.hub.frames.Put(buffer)
	for len(letters) > 0 {
		frame, taken := nextFrame((*buffer)[:0], c.socket.Codec, letters)
		*buffer = frame
		if c.socket.Write(ctx, frame) != nil {
			return false
		}
		letters = letters[taken:]
	}
	return true
}

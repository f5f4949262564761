package stream

import (
	"context"
	"strconv"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// The codes with which streams end, beside those of the protocol. 4400 to 4499 are ours, after the HTTP statuses.
const (
	codeRestart         = 1012 // come again: another instance serves you
	codePolicy          = 1008
	codeUnauthorized    = 4401
	codeForbidden       = 4403
	codeAuthTimeout     = 4408
	codeTooManyRequests = 4429
)

// transport is how a client is reached. Its methods are called by the goroutine of write only, but for abort.
type transport interface {
	// encode appends bodies in one frame.
	encode(frame []byte, bodies []letter) []byte
	// send sends one frame, within the write timeout.
	send(frame []byte) error
	// finish says goodbye.
	finish(code int, reason string)
	// ping makes a peer that is gone known; it may be called concurrently, and takes its time.
	ping(ctx context.Context) error
	// abort ends the connection at once; it may be called concurrently.
	abort()
}

// client is one stream.
type client struct {
	service   *Service
	id        string
	transport transport
	outbox    *outbox
	logger    *zap.Logger

	// held are the subscriptions. The goroutine that reads requests changes them, under the hub's lock.
	held map[tick.Topic]*subscription
	// classes counts them by class, for notices.
	classes [3]atomic.Int32
	// claims are nil until the client has authenticated.
	claims atomic.Pointer[auth.Claims]
	// admitted: a place of the account is taken.
	admitted bool
	// done is closed when the stream has ended.
	done chan struct{}
	// opened is when it began, relieved when it is asked to come again; zero is never.
	opened, relieved time.Time
}

func (s *Service) newClient(id string, t transport) *client {
	now := s.clock.Now()
	return &client{
		service: s, id: id, transport: t, outbox: newOutbox(), held: make(map[tick.Topic]*subscription), done: make(chan struct{}),
		logger: s.logger, opened: now, relieved: s.config.relief(now),
	}
}

// notice sends an answer or a notice; a client that asks and never reads is ended.
func (c *client) notice(body []byte) {
	if !c.outbox.notice(body) {
		c.end(codePolicy, "answers are not read")
	}
}

// end ends the stream after a last word.
func (c *client) end(code int, reason string) {
	c.outbox.finish(Message{Type: "closing", Code: code, Reason: reason}.encode(), code, reason)
}

// write sends what waits until the stream ends. A stream that was quiet is sent to at once, a busy one at intervals, so
// that a frame carries many messages.
func (c *client) write() {
	pause := time.NewTimer(time.Hour)
	defer pause.Stop()
	var spare []letter
	var last time.Time
	for {
		select {
		case <-c.done:
			return
		case <-c.outbox.wake:
		}
		if wait := c.service.config.FlushInterval - time.Since(last); wait > 0 {
			pause.Reset(wait)
			select {
			case <-pause.C:
			case <-c.done:
				return
			}
		}
		t := c.outbox.take(spare)
		last = time.Now()
		if err := c.send(t); err != nil {
			c.logger.Debug("stream ended", zap.String("connection_id", c.id), zap.Error(err))
			c.transport.abort()
			return
		}
		if t.end != nil {
			c.service.metrics.closed.WithLabelValues(strconv.Itoa(t.end.code)).Inc()
			c.transport.finish(t.end.code, t.end.reason)
			return
		}
		clear(t.letters)
		spare = t.letters
		if cap(spare) > 4*roomy { // a burst must not be paid for forever
			spare = nil
		}
	}
}

// maxFrame bounds one frame: some clients take no more than 1 MiB, and a small one leaves sooner.
const maxFrame = 64 << 10

func (c *client) send(t taken) error {
	buffer := c.service.frames.Get().(*[]byte) //nolint:forcetypeassert // the pool holds nothing else
	defer c.service.frames.Put(buffer)
	if len(t.skipped) > 0 {
		t.letters = append(t.letters, letter{nil, skippedMessage(t.skipped)})
		for _, count := range t.skipped {
			c.service.metrics.skipped.Add(float64(count))
		}
	}
	for rest := t.letters; len(rest) > 0; {
		count, size := 0, 0
		for count < len(rest) && (count == 0 || size+len(rest[count].body) < maxFrame) {
			size += len(rest[count].body)
			count++
		}
		frame := c.transport.encode((*buffer)[:0], rest[:count])
		*buffer = frame
		if err := c.transport.send(frame); err != nil {
			return err
		}
		c.service.metrics.messages.Add(float64(count))
		c.service.metrics.frames.Inc()
		c.service.metrics.bytes.Add(float64(len(frame)))
		rest = rest[count:]
	}
	if cap(*buffer) > 4*maxFrame {
		*buffer = nil
	}
	return nil
}

// subscribe adds topics, gives their newest values, and answers.
func (c *client) subscribe(class tick.Class, ids []tick.Topic) {
	added := ids[:0]
	for _, id := range ids {
		if c.held[id] == nil {
			added = append(added, id)
		}
	}
	c.classes[class].Add(int32(len(added)))
	unknown := c.service.hub.subscribe(c, added)
	c.notice(subscriptionMessage(class, c.held))
	if said := c.service.status.Load(); said != nil {
		c.notice(statusMessage(class, said.Classes[class]))
	} else if c.service.listener.silent() {
		c.notice(staleMessage(class, time.Time{}))
	}
	c.service.fetch(unknown)
}

func (c *client) unsubscribe(class tick.Class, ids []tick.Topic) {
	before := len(c.held)
	c.service.hub.unsubscribe(c, ids)
	c.classes[class].Add(int32(len(c.held) - before))
	c.notice(subscriptionMessage(class, c.held))
}

// watches reports whether the client has a topic of the class.
func (c *client) watches(class tick.Class) bool { return c.classes[class].Load() > 0 }

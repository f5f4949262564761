package feed

import (
	"sync"

	"github.com/coder/websocket"
)

// outbox holds what waits to be sent to one client. Data is shared with other clients' boxes and never changed. It may be
// used concurrently.
type outbox struct {
	wake  chan struct{} // readable when there is something to take
	limit int

	mu      sync.Mutex
	pending []letter
	end     *goodbye
}

// letter is one message, written already. Control messages travel alone, data may share a frame.
type letter struct {
	body    []byte
	control bool
}

// goodbye is how a connection ends after everything before it was sent.
type goodbye struct {
	code   websocket.StatusCode
	reason string
}

func newOutbox(limit int) *outbox { return &outbox{wake: make(chan struct{}, 1), limit: limit} }

// put adds a message without waking the writer; false when the box is full. After finish it is ignored.
func (o *outbox) put(body []byte, control bool) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.end != nil {
		return true
	}
	if len(o.pending) >= o.limit {
		return false
	}
	o.pending = append(o.pending, letter{body, control})
	return true
}

// finish drops what waits, and ends the connection after a last message. Only the first call counts.
func (o *outbox) finish(last []byte, code websocket.StatusCode, reason string) {
	o.mu.Lock()
	if o.end == nil {
		clear(o.pending)
		o.pending = append(o.pending[:0], letter{last, true})
		o.end = &goodbye{code, reason}
	}
	o.mu.Unlock()
	o.flush()
}

// flush wakes the writer.
func (o *outbox) flush() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take returns what waits, and how to end afterwards, if at all. spare is where the next messages will wait.
func (o *outbox) take(spare []letter) ([]letter, *goodbye) {
	o.mu.Lock()
	defer o.mu.Unlock()
	taken := o.pending
	o.pending = spare[:0]
	return taken, o.end
}

// empty reports whether nothing waits.
func (o *outbox) empty() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.pending) == 0
}

// finished reports whether the server ended the connection.
func (o *outbox) finished() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.end != nil
}

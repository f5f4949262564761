package stream

import "sync"

const (
	// roomy is how many messages may wait for a client, beside one for each of its topics, before it is slow: from then
	// on only the newest of each topic waits.
	roomy = 256
	// maxNotices bounds the answers and notices that wait: a client that asks and never reads is ended.
	maxNotices = 64
)

// letter is one message that waits. Bodies are shared by all clients and never changed.
type letter struct {
	from *subscription // nil for an answer or a notice
	body []byte
}

// outbox holds what waits to be sent to one client. Its memory is bounded by the number of topics. It may be used
// concurrently.
type outbox struct {
	wake chan struct{} // readable when there is something to take

	mu      sync.Mutex
	waiting []letter
	notices int
	// slow: only the newest of each topic waits.
	slow bool
	room int
	// skipped counts the messages of each topic that a newer one replaced, since it was last told.
	skipped map[*subscription]int
	// end is set when the stream is to end after what waits; nothing more is taken.
	end *ending
}

// ending is why and how a stream ends.
type ending struct {
	code   int
	reason string
}

func newOutbox() *outbox { return &outbox{wake: make(chan struct{}, 1), room: roomy} }

// grow makes room for the messages of more topics.
func (o *outbox) grow(topics int) {
	o.mu.Lock()
	o.room += topics
	o.mu.Unlock()
}

// put adds the news of a topic; in a slow client's box it replaces what waits of the same topic.
func (o *outbox) put(from *subscription, body []byte) {
	o.mu.Lock()
	if o.end != nil {
		o.mu.Unlock()
		return
	}
	if !o.slow && len(o.waiting) >= o.room {
		o.conflate()
	}
	first := len(o.waiting) == 0
	switch {
	case o.slow && from.waits:
		o.waiting[from.at].body = body
		o.skip(from)
	default:
		from.at, from.waits = len(o.waiting), true
		o.waiting = append(o.waiting, letter{from, body})
	}
	o.mu.Unlock()
	if first {
		o.signal()
	}
}

// putFirst adds the value of a topic that is known already, unless something newer waits or was sent.
func (o *outbox) putFirst(from *subscription, body []byte) {
	o.mu.Lock()
	fresh := !from.sent && !from.waits
	o.mu.Unlock()
	if fresh {
		o.put(from, body)
	}
}

// notice adds an answer or a notice; false when too many wait.
func (o *outbox) notice(body []byte) bool {
	o.mu.Lock()
	if o.end == nil {
		if o.notices >= maxNotices {
			o.mu.Unlock()
			return false
		}
		o.notices++
		o.waiting = append(o.waiting, letter{nil, body})
	}
	o.mu.Unlock()
	o.signal()
	return true
}

// conflate keeps the newest of each topic, in the order of their times, and all notices.
func (o *outbox) conflate() {
	o.slow = true
	kept := o.waiting[:0]
	for i, waiting := range o.waiting {
		if from := waiting.from; from != nil {
			if from.at != i {
				o.skip(from)
				continue
			}
			from.at = len(kept) // never beyond i: what was is not overwritten before it is looked at
		}
		kept = append(kept, waiting)
	}
	clear(o.waiting[len(kept):])
	o.waiting = kept
}

func (o *outbox) skip(from *subscription) {
	if o.skipped == nil {
		o.skipped = make(map[*subscription]int)
	}
	o.skipped[from]++
}

// drop forgets what waits of a topic that was unsubscribed from.
func (o *outbox) drop(from *subscription) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.room--
	delete(o.skipped, from)
	if !from.waits {
		return
	}
	kept := o.waiting[:0]
	for _, waiting := range o.waiting {
		if waiting.from == from {
			continue
		}
		if waiting.from != nil {
			waiting.from.at = len(kept)
		}
		kept = append(kept, waiting)
	}
	clear(o.waiting[len(kept):])
	o.waiting = kept
	from.waits = false
}

// finish ends the stream: what waits of market data is dropped, last is sent, and nothing is taken any more. Only the
// first call counts.
func (o *outbox) finish(last []byte, code int, reason string) {
	o.mu.Lock()
	if o.end == nil {
		clear(o.waiting)
		o.waiting = o.waiting[:0]
		if last != nil {
			o.waiting = append(o.waiting, letter{nil, last})
		}
		o.end = &ending{code, reason}
	}
	o.mu.Unlock()
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// taken is what the writer sends next.
type taken struct {
	letters []letter
	skipped map[*subscription]int
	end     *ending
}

// take empties the box. spare is where the next messages will wait.
func (o *outbox) take(spare []letter) taken {
	o.mu.Lock()
	defer o.mu.Unlock()
	t := taken{letters: o.waiting, skipped: o.skipped, end: o.end}
	o.waiting, o.skipped, o.slow, o.notices = spare[:0], nil, false, 0
	for _, waiting := range t.letters {
		if waiting.from != nil {
			waiting.from.waits, waiting.from.sent = false, true
		}
	}
	return t
}

package broker

import (
	"context"
	"sync"

	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// delivery is one event on its way to one Trigger.
type delivery struct {
	trigger *Trigger
	event   event.Event
	// hops is how many replies led to this event.
	hops int
}

// lane is what keeps its order: the events of one partition key for one Trigger. An event without a key has a lane
// of its own.
type lane struct {
	trigger *Trigger
	key     string
	alone   uint64
}

// queue runs deliveries: in order within a lane, in parallel between lanes. A lane has a goroutine only while it
// has work, so an idle queue has none.
type queue struct {
	deliver func(ctx context.Context, d delivery)
	drop    func(d delivery)
	limit   int

	ctx    context.Context //nolint:containedctx // of the deliveries, which outlive the request that brought the event
	cancel context.CancelFunc
	lanes  sync.WaitGroup

	mu       sync.Mutex
	waiting  map[lane][]delivery
	pending  int
	unkeyed  uint64
	draining bool
}

func newQueue(limit int, deliver func(context.Context, delivery), drop func(delivery)) *queue {
	ctx, cancel := context.WithCancel(context.Background())
	return &queue{
		deliver: deliver, drop: drop, limit: limit, ctx: ctx, cancel: cancel, waiting: make(map[lane][]delivery),
	}
}

// add takes all of the deliveries or, when they do not fit or the queue is being drained, none. Replies, which
// deliveries themselves cause, are still taken while draining.
func (q *queue) add(deliveries []delivery, reply bool) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if (q.draining && !reply) || q.ctx.Err() != nil || q.pending+len(deliveries) > q.limit {
		return false
	}
	q.pending += len(deliveries)
	for _, d := range deliveries {
		q.append(q.laneOf(d), d)
	}
	return true
}

func (q *queue) laneOf(d delivery) lane {
	result := lane{trigger: d.trigger, key: event.Extension(d.event, event.ExtensionPartitionKey)}
	if result.key == "" {
		q.unkeyed++
		result.alone = q.unkeyed
	}
	return result
}

func (q *queue) append(to lane, d delivery) {
	line, running := q.waiting[to]
	q.waiting[to] = append(line, d)
	if !running {
		q.lanes.Go(func() { q.run(to) })
	}
}

// run works through one lane until it is empty.
func (q *queue) run(mine lane) {
	for {
		d, more := q.next(mine)
		if !more {
			return
		}
		if q.ctx.Err() != nil {
			q.drop(d)
		} else {
			q.deliver(q.ctx, d)
		}
		q.mu.Lock()
		q.pending--
		q.mu.Unlock()
	}
}

func (q *queue) next(mine lane) (delivery, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	line := q.waiting[mine]
	if len(line) == 0 {
		delete(q.waiting, mine)
		return delivery{}, false
	}
	d := line[0]
	line[0] = delivery{}
	q.waiting[mine] = line[1:]
	return d, true
}

func (q *queue) size() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.pending
}

// drain takes nothing new and waits until everything is delivered or ctx ends; what is left then is dropped.
func (q *queue) drain(ctx context.Context) {
	q.mu.Lock()
	q.draining = true
	q.mu.Unlock()
	done := make(chan struct{})
	go func() {
		q.lanes.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	q.cancel()
	<-done
}

package cache

import (
	"sync"
	"time"
)

// batch gathers the flights of a few milliseconds, so that different symbols share one upstream call. Safe for
// concurrent use.
type batch struct {
	window time.Duration
	most   int
	stop   <-chan struct{}
	run    func(func())
	send   func([]*flight)

	mu      sync.Mutex
	pending []*flight
	waiting bool
}

// add sends flights within the window, and at once when a call's worth of them is there.
func (b *batch) add(flights []*flight) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.pending = append(b.pending, flights...)
	for len(b.pending) >= b.most {
		full := b.pending[:b.most:b.most]
		b.pending = b.pending[b.most:]
		b.run(func() { b.send(full) })
	}
	if len(b.pending) > 0 && !b.waiting {
		b.waiting = true
		b.run(b.waitAndSend)
	}
}

func (b *batch) waitAndSend() {
	if b.window > 0 {
		timer := time.NewTimer(b.window)
		select {
		case <-timer.C:
		case <-b.stop:
			timer.Stop()
		}
	}
	b.mu.Lock()
	gathered := b.pending
	b.pending, b.waiting = nil, false
	b.mu.Unlock()
	if len(gathered) > 0 {
		b.send(gathered)
	}
}

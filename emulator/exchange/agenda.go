package exchange

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// agenda runs what is due at a moment: the steps that the venue takes some milliseconds for. It lives by the machine's
// monotonic clock, because latency stays real while the emulator's clock may stand or race.
type agenda struct {
	mu     sync.Mutex
	steps  stepHeap
	number uint64
	signal chan struct{}
}

type step struct {
	due    time.Time
	number uint64 // keeps steps of one moment in order
	run    func()
}

func newAgenda() *agenda { return &agenda{signal: make(chan struct{}, 1)} }

// after runs a step once delay is over, on the goroutine of serve.
func (a *agenda) after(delay time.Duration, run func()) {
	a.mu.Lock()
	a.number++
	added := step{due: time.Now().Add(delay), number: a.number, run: run}
	heap.Push(&a.steps, added)
	first := a.steps[0].number == added.number
	a.mu.Unlock()
	if !first {
		return
	}
	select {
	case a.signal <- struct{}{}:
	default:
	}
}

// serve runs steps until ctx ends.
func (a *agenda) serve(ctx context.Context) {
	const idle = time.Hour
	timer := time.NewTimer(idle)
	defer timer.Stop()
	for {
		wait := idle
		if next, ok := a.runDue(time.Now()); ok {
			wait = time.Until(next)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-a.signal:
		case <-timer.C:
		}
	}
}

// runDue runs all steps up to now and returns when the next one is due.
func (a *agenda) runDue(now time.Time) (time.Time, bool) {
	for {
		a.mu.Lock()
		if len(a.steps) == 0 {
			a.mu.Unlock()
			return time.Time{}, false
		}
		if next := a.steps[0]; next.due.After(now) {
			a.mu.Unlock()
			return next.due, true
		}
		due, _ := heap.Pop(&a.steps).(step)
		a.mu.Unlock()
		due.run()
	}
}

type stepHeap []step

func (h stepHeap) Len() int      { return len(h) }
func (h stepHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h stepHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].number < h[j].number
	}
	return h[i].due.Before(h[j].due)
}

// Push is for container/heap.
func (h *stepHeap) Push(x any) {
	if added, ok := x.(step); ok {
		*h = append(*h, added)
	}
}

// Pop is for container/heap.
func (h *stepHeap) Pop() any {
	last := len(*h) - 1
	popped := (*h)[last]
	(*h)[last] = step{}
	*h = (*h)[:last]
	return popped
}

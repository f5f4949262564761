package cache

import (
	"sync"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// flight is one read of one key that is under way. Its entry is set before done is closed.
type flight struct {
	key  Key
	life Life
	done chan struct{}
	// former is what was known before, nil for nothing; record the same as Redis has it. They belong to whoever lands it.
	former *entry
	record *Record
	// leased says that this instance holds the lease on fetching.
	leased bool
	entry  *entry
}

// flights makes readers that want the same key at the same time share one read, be it asked for alone or in a list:
// golang.org/x/sync/singleflight can't start one upstream call for several keys. Safe for concurrent use.
type flights struct {
	mu      sync.Mutex
	open    map[Key]*flight
	stopped bool
	running sync.WaitGroup
}

// join returns the flight of each key. Those that were not under way yet are handed to start, on a goroutine of its
// own that no reader can cancel; it must land each of them.
func (f *flights) join(keys []Key, life func(Key) Life, start func([]*flight)) ([]*flight, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return nil, problem.Unavailable.New("the server is stopping")
	}
	if f.open == nil {
		f.open = make(map[Key]*flight)
	}
	joined := make([]*flight, len(keys))
	var own []*flight
	for i, key := range keys {
		under, ok := f.open[key]
		if !ok {
			under = &flight{key: key, life: life(key), done: make(chan struct{})}
			f.open[key] = under
			own = append(own, under)
		}
		joined[i] = under
	}
	if len(own) > 0 {
		f.running.Go(func() { start(own) })
	}
	return joined, nil
}

// land gives everybody who waits for landed its entry.
func (f *flights) land(landed *flight, e *entry) {
	f.mu.Lock()
	delete(f.open, landed.key)
	f.mu.Unlock()
	landed.entry = e
	close(landed.done)
}

// stop refuses further flights and waits for those under way.
func (f *flights) stop() {
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.running.Wait()
}

package quote

import (
	"context"
	"sync"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// flight is one read of one symbol that is under way. Its answer is set before done is closed.
type flight struct {
	symbol string
	done   chan struct{}
	answer answer
}

// flights makes readers that want the same symbol at the same time share one read, be it asked for alone or in a
// list: golang.org/x/sync/singleflight can't start one upstream call for several keys. Safe for concurrent use.
type flights struct {
	mu      sync.Mutex
	open    map[string]*flight
	stopped bool
	running sync.WaitGroup
}

// join returns the flight of each symbol. Those that were not under way yet are handed to start, on a goroutine of
// its own that no reader can cancel; it must land each of them.
func (f *flights) join(symbols []string, start func([]*flight)) ([]*flight, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.stopped {
		return nil, problem.Unavailable.New("the server is stopping")
	}
	if f.open == nil {
		f.open = make(map[string]*flight)
	}
	joined := make([]*flight, len(symbols))
	var own []*flight
	for i, symbol := range symbols {
		under, ok := f.open[symbol]
		if !ok {
			under = &flight{symbol: symbol, done: make(chan struct{})}
			f.open[symbol] = under
			own = append(own, under)
		}
		joined[i] = under
	}
	if len(own) > 0 {
		f.running.Go(func() { start(own) })
	}
	return joined, nil
}

// land gives everybody who waits for landed its answer.
func (f *flights) land(landed *flight, a answer) {
	f.mu.Lock()
	delete(f.open, landed.symbol)
	f.mu.Unlock()
	landed.answer = a
	close(landed.done)
}

// wait returns the flight's answer, or an error when the reader's own time is over first.
func (fl *flight) wait(ctx context.Context) (answer, error) {
	select {
	case <-fl.done:
		return fl.answer, fl.answer.err
	case <-ctx.Done():
		return answer{}, problem.Unavailable.New("the request ended before its quote arrived").Because(ctx.Err())
	}
}

// stop refuses further flights and waits for those under way.
func (f *flights) stop() {
	f.mu.Lock()
	f.stopped = true
	f.mu.Unlock()
	f.running.Wait()
}

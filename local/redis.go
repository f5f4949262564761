package local

import (
	"fmt"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// tick is how often the embedded Redis moves its clock: the exactness of its expiries.
const tick = 20 * time.Millisecond

// embeddedRedis is a Redis in this process. Its keys expire because we tell it that time passes.
type embeddedRedis struct {
	server *miniredis.Miniredis
	done   chan struct{}
	ended  sync.WaitGroup
}

func startEmbeddedRedis() (*embeddedRedis, error) {
	server, err := miniredis.Run()
	if err != nil {
		return nil, fmt.Errorf("embedded redis: %w", err)
	}
	e := &embeddedRedis{server: server, done: make(chan struct{})}
	e.ended.Go(e.passTime)
	return e, nil
}

func (e *embeddedRedis) passTime() {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	last := time.Now()
	for {
		select {
		case <-e.done:
			return
		case now := <-ticker.C:
			e.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

func (e *embeddedRedis) url() string { return "redis://" + e.server.Addr() }

func (e *embeddedRedis) stop() {
	close(e.done)
	e.ended.Wait()
	e.server.Close()
}

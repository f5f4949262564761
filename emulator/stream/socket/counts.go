package socket

import (
	"maps"
	"sync"
)

// Counts holds how many streams of each kind are open. The zero value is ready; it may be used concurrently.
type Counts struct {
	mu   sync.Mutex
	open map[string]int
}

// Add counts one stream of the kind until the function it returns is called.
func (c *Counts) Add(kind string) (done func()) {
	c.change(kind, 1)
	return func() { c.change(kind, -1) }
}

func (c *Counts) change(kind string, by int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open = make(map[string]int)
	}
	c.open[kind] += by
	if c.open[kind] == 0 {
		delete(c.open, kind)
	}
}

// Open returns the number of open streams of each kind that has any.
func (c *Counts) Open() map[string]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		return map[string]int{}
	}
	return maps.Clone(c.open)
}

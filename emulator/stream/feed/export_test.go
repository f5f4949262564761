package feed

import "time"

// Tick looks at the market once on behalf of one endpoint, for benchmarks.
func (h *Hub) Tick(path string, now time.Time) {
	for _, f := range h.feeds {
		if f.path == path {
			f.tick(now)
		}
	}
}

package bucket

import (
	"net/http"
	"sync"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
)

// local is what this instance knows by itself of one account's budget: what Alpaca said last, and what was taken while
// Redis was away. Safe for concurrent use.
type local struct {
	mu sync.Mutex
	// taken are the times of the requests that Redis does not know of, oldest first.
	taken   []time.Time
	blocked time.Time
	refused int // 429s in a row
	// said is the last that Alpaca said.
	said alpaca.RateLimit
}

// take takes one request from this instance's share, leaving reserve of it; it returns how long to wait when there is
// none.
func (l *local) take(now time.Time, window time.Duration, share, reserve int) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now, window)
	if wait := l.blocked.Sub(now); wait > 0 {
		return wait
	}
	if wait := l.said.Reset.Sub(now); l.said.Known() && l.said.Remaining == 0 && wait > 0 {
		return wait
	}
	if len(l.taken) >= share-reserve {
		if len(l.taken) == 0 {
			return window
		}
		return max(time.Millisecond, l.taken[0].Add(window).Sub(now))
	}
	l.taken = append(l.taken, now)
	return 0
}

// debt is how many requests Redis does not know of yet.
func (l *local) debt(now time.Time, window time.Duration) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.forget(now, window)
	return len(l.taken)
}

// paid says that Redis knows of the oldest n by now.
func (l *local) paid(n int) {
	if n == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.taken = l.taken[min(n, len(l.taken)):]
}

func (l *local) forget(now time.Time, window time.Duration) {
	old := 0
	for old < len(l.taken) && now.Sub(l.taken[old]) >= window {
		old++
	}
	l.taken = l.taken[old:]
}

// answered notes what Alpaca said, and returns until when nothing may be sent after a 429; zero without one.
func (l *local) answered(now time.Time, limit alpaca.RateLimit, status int) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit.Known() {
		l.said = limit
	}
	if status != http.StatusTooManyRequests {
		l.refused = 0
		return time.Time{}
	}
	l.refused++
	minute := now.Truncate(time.Minute).Add(time.Minute)
	switch {
	case limit.Known() && limit.Remaining == 0 && limit.Reset.After(now):
		l.blocked = limit.Reset
	default: // it does not say: longer and longer, at most until the next minute begins
		l.blocked = now.Add(firstPause << min(l.refused-1, 6))
		if l.blocked.After(minute) {
			l.blocked = minute
		}
	}
	return l.blocked
}

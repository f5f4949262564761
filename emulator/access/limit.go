package access

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limiter counts requests per key in windows of a minute. It may be used concurrently.
type Limiter struct {
	// Rolling makes the window the last sixty seconds instead of the minute of the clock; set it before the first request.
	Rolling bool

	limitOf func(key string) int // a minute; negative: unlimited
	now     func() time.Time

	mu      sync.Mutex
	windows map[string]*window
}

type window struct {
	minute  int64
	used    int
	refused int64
	recent  []time.Time // requests of the last sixty seconds, of a rolling window
}

// NewLimiter returns a limiter of so many requests a minute and key; a negative limit allows everything.
func NewLimiter(limit int, now func() time.Time) *Limiter {
	return NewLimiterByKey(func(string) int { return limit }, now)
}

// NewLimiterByKey is NewLimiter with a limit for each key, which may change.
func NewLimiterByKey(limitOf func(key string) int, now func() time.Time) *Limiter {
	return &Limiter{limitOf: limitOf, now: now, windows: make(map[string]*window)}
}

// verdict is the outcome for one request.
type verdict struct {
	allowed   bool
	remaining int
	reset     int64 // UNIX seconds
}

func (l *Limiter) take(key string, limit int) verdict {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[key]
	if w == nil {
		w = &window{}
		l.windows[key] = w
	}
	count := w.enter
	if l.Rolling {
		count = w.roll
	}
	v := count(now, limit)
	if !v.allowed {
		w.refused++
	}
	return v
}

// enter counts a request in the minute of the clock.
func (w *window) enter(now time.Time, limit int) verdict {
	minute := now.Unix() / 60
	if w.minute != minute {
		w.minute, w.used = minute, 0
	}
	allowed := w.used < limit
	if allowed {
		w.used++
	}
	return verdict{allowed: allowed, remaining: max(0, limit-w.used), reset: (minute + 1) * 60}
}

// roll counts a request in the last sixty seconds.
func (w *window) roll(now time.Time, limit int) verdict {
	const length = time.Minute
	gone := 0
	for gone < len(w.recent) && now.Sub(w.recent[gone]) >= length {
		gone++
	}
	w.recent = w.recent[gone:]
	allowed := len(w.recent) < limit
	if allowed {
		w.recent = append(w.recent, now)
	}
	reset := now.Add(length)
	if len(w.recent) > 0 {
		reset = w.recent[0].Add(length)
	}
	return verdict{allowed: allowed, remaining: max(0, limit-len(w.recent)), reset: reset.Add(time.Second - 1).Unix()}
}

// Reset forgets all that was counted.
func (l *Limiter) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	clear(l.windows)
}

// Refused returns how often each key got 429.
func (l *Limiter) Refused() map[string]int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	counts := make(map[string]int64, len(l.windows))
	for key, w := range l.windows {
		if w.refused > 0 {
			counts[key] = w.refused
		}
	}
	return counts
}

// Allow counts a request of the key and writes the X-RateLimit headers; false when it must be refused.
func (l *Limiter) Allow(header http.Header, key string) bool {
	limit := l.limitOf(key)
	if limit < 0 {
		return true
	}
	v := l.take(key, limit)
	header["X-Ratelimit-Limit"] = []string{strconv.Itoa(limit)}
	header["X-Ratelimit-Remaining"] = []string{strconv.Itoa(v.remaining)}
	header["X-Ratelimit-Reset"] = []string{strconv.FormatInt(v.reset, 10)}
	return v.allowed
}

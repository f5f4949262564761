package access

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limiter counts requests per key in windows of a minute. It may be used concurrently.
type Limiter struct {
	limitOf func(key string) int // a minute; negative: unlimited
	now     func() time.Time

	mu      sync.Mutex
	windows map[string]*window
}

type window struct {
	minute  int64
	used    int
	refused int64
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
	minute := l.now().Unix() / 60
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.windows[key]
	if w == nil {
		w = &window{}
		l.windows[key] = w
	}
	if w.minute != minute {
		w.minute, w.used = minute, 0
	}
	v := verdict{allowed: w.used < limit, reset: (minute + 1) * 60}
	if v.allowed {
		w.used++
	} else {
		w.refused++
	}
	v.remaining = max(0, limit-w.used)
	return v
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

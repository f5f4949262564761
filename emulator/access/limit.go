package access

import (
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Limiter counts requests per key in windows of a minute. It may be used concurrently.
type Limiter struct {
	limit int // a minute; negative: unlimited
	now   func() time.Time

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
	return &Limiter{limit: limit, now: now, windows: make(map[string]*window)}
}

// verdict is the outcome for one request.
type verdict struct {
	allowed   bool
	remaining int
	reset     int64 // UNIX seconds
}

func (l *Limiter) take(key string) verdict {
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
	v := verdict{allowed: w.used < l.limit, reset: (minute + 1) * 60}
	if v.allowed {
		w.used++
	} else {
		w.refused++
	}
	v.remaining = l.limit - w.used
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
	if l.limit < 0 {
		return true
	}
	v := l.take(key)
	header["X-Ratelimit-Limit"] = []string{strconv.Itoa(l.limit)}
	header["X-Ratelimit-Remaining"] = []string{strconv.Itoa(v.remaining)}
	header["X-Ratelimit-Reset"] = []string{strconv.FormatInt(v.reset, 10)}
	return v.allowed
}

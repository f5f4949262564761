package alpaca

import (
	"net/http"
	"strconv"
	"time"
)

// The two APIs, whose rate limits Alpaca counts apart.
const (
	APITrading = "trading"
	APIData    = "data"
)

// RateLimit is what Alpaca said about an account's budget with one answer. The zero value means that it said nothing.
type RateLimit struct {
	// API is APITrading or APIData: which of the two budgets this is.
	API string
	// Limit is the number of requests a minute, Remaining how many are left until Reset.
	Limit, Remaining int
	Reset            time.Time
}

// Known reports whether the answer carried rate-limit headers.
func (r RateLimit) Known() bool { return r.Limit > 0 }

func parseRateLimit(api string, header http.Header) RateLimit {
	limit, err := strconv.Atoi(header.Get("X-Ratelimit-Limit"))
	if err != nil || limit <= 0 {
		return RateLimit{}
	}
	remaining, err := strconv.Atoi(header.Get("X-Ratelimit-Remaining"))
	if err != nil {
		return RateLimit{}
	}
	parsed := RateLimit{API: api, Limit: limit, Remaining: max(remaining, 0)}
	if seconds, err := strconv.ParseInt(header.Get("X-Ratelimit-Reset"), 10, 64); err == nil && seconds > 0 {
		parsed.Reset = time.Unix(seconds, 0)
	}
	return parsed
}

// retryAfter reads the Retry-After header, seconds or a date; 0 when there is none, at most an hour.
func retryAfter(header http.Header, now time.Time) time.Duration {
	text := header.Get("Retry-After")
	if seconds, err := strconv.Atoi(text); err == nil {
		return boundWait(time.Duration(min(max(seconds, 0), 3600)) * time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return boundWait(at.Sub(now))
	}
	return 0
}

// untilReset is how long the limit stays used up; 0 when Alpaca didn't say, at most an hour.
func untilReset(limit RateLimit, now time.Time) time.Duration {
	if limit.Reset.IsZero() {
		return 0
	}
	return boundWait(limit.Reset.Sub(now))
}

func boundWait(wait time.Duration) time.Duration {
	return min(max(wait, 0), time.Hour)
}

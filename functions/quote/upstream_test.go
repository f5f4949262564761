package quote_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestAccountsTakeTurns(t *testing.T) {
	t.Parallel()
	b := start(t)
	for range 4 {
		b.quote(apple)
		b.advance(2 * time.Second)
	}
	keys := b.alpaca.keyIDs()
	slices.Sort(keys)
	mustEqual(t, "keys", strings.Join(keys, " "), "PK1 PK1 PK2 PK2")
}

func TestAnotherAccountHelps(t *testing.T) {
	t.Parallel()
	for _, status := range []int{http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests} {
		t.Run(http.StatusText(status), func(t *testing.T) {
			t.Parallel()
			b := start(t)
			refused := replyStatus(status, "no")
			b.alpaca.answers(func(w http.ResponseWriter, key string, symbols []string) {
				if key == "PK1" {
					refused(w, key, symbols)
					return
				}
				replyKnown(w, key, symbols)
			})
			for range 2 { // one of them begins with the refused account
				b.quote(apple)
				b.advance(2 * time.Second)
			}
			mustEqual(t, "upstream calls", len(b.alpaca.calls()), 3)
		})
	}
}

func TestUpstreamFailures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name   string
		reply  func(http.ResponseWriter, string, []string)
		status int
		code   string
		calls  int
	}{
		{"credentials refused", replyStatus(401, "request is not authorized"), 502, "UPSTREAM_UNAVAILABLE", 2},
		{"data plan", replyStatus(403, "subscription does not permit querying recent SIP data"), 502, "UPSTREAM_UNAVAILABLE", 2},
		{"rate limit", replyStatus(429, "too many requests."), 503, "UPSTREAM_UNAVAILABLE", 2},
		{"server error", replyStatus(500, "internal server error occurred"), 502, "UPSTREAM_UNAVAILABLE", 1},
		{"no JSON", func(w http.ResponseWriter, _ string, _ []string) { _, _ = w.Write([]byte("<html>")) }, 502, "UPSTREAM_UNAVAILABLE", 1},
		{"symbol that Alpaca calls invalid", replyStatus(400, "invalid symbol: AAPL"), 404, "SYMBOL_NOT_FOUND", 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			b.alpaca.answers(c.reply)
			for range 3 { // a failure is remembered for the TTL, so that a failing Alpaca is not flooded
				got := b.get(apple)
				b.mustFail(got, c.status, c.code)
				if c.name == "rate limit" && got.Header.Get("Retry-After") == "" {
					t.Error("no Retry-After")
				}
			}
			mustEqual(t, "upstream calls", len(b.alpaca.calls()), c.calls)
		})
	}
}

func TestAlpacaAway(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.alpaca.server.Close()
	b.mustFail(b.get(apple), http.StatusServiceUnavailable, "UPSTREAM_UNAVAILABLE")
}

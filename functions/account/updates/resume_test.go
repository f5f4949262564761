package updates

import (
	"fmt"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"

	"github.com/prometheus/client_golang/prometheus"
)

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{1: 100 * time.Millisecond, 2: 200 * time.Millisecond, 5: 1600 * time.Millisecond, 8: longestWait, 1000: longestWait} {
		for range 100 {
			if wait := backoff(failures); wait < want/2 || wait > want {
				t.Fatalf("after %d failures: %s, want %s to %s", failures, wait, want/2, want)
			}
		}
	}
}

func TestSkipLosesNothingAtFirst(t *testing.T) {
	t.Parallel()
	for malformed, want := range map[int]time.Duration{1: 1, 2: time.Second, 3: 2 * time.Second, 18: 65536 * time.Second, 99: 65536 * time.Second} {
		if got := skip(malformed); got != want {
			t.Errorf("%d: %s, want %s", malformed, got, want)
		}
	}
}

func TestHowLongToWaitAfterAFailure(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		err      error
		least    time.Duration
		most     time.Duration
		failures int
	}{
		{"ended", alpaca.ErrStreamEnded, 50 * time.Millisecond, 100 * time.Millisecond, 1},
		{"unauthorized", fmt.Errorf("x: %w", alpaca.ErrUnauthorized), refusedWait, refusedWait, 1},
		{"account gone", vault.ErrAccountNotFound, refusedWait, refusedWait, 1},
		{"asked to wait", &alpaca.Error{RetryAfter: 7 * time.Second}, 7 * time.Second, 7 * time.Second, 1},
		{"no budget", problem.RateLimitExceeded.New("").After(300 * time.Millisecond), 300 * time.Millisecond, 300 * time.Millisecond, 0},
		{"no budget for long", problem.RateLimitExceeded.New("").After(time.Hour), longestWait, longestWait, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := &follower{source: &source{metrics: newMetrics(prometheus.NewRegistry())}, logger: zap.NewNop()}
			if wait := f.failed(test.err, 0); wait < test.least || wait > test.most || f.failures != test.failures {
				t.Fatalf("waits %s after %d failures", wait, f.failures)
			}
		})
	}
}

func TestAStreamThatLivedStartsTheBackoffAnew(t *testing.T) {
	t.Parallel()
	f := &follower{source: &source{metrics: newMetrics(prometheus.NewRegistry())}, logger: zap.NewNop(), failures: 50}
	if wait := f.failed(alpaca.ErrStreamEnded, time.Hour); wait > firstWait {
		t.Fatalf("waits %s", wait)
	}
}

// TestLostCursorAfterAnUnreadableEvent: the cursor may expire over a weekend or go with a failover while the last event
// was one that nobody can read. The account's next events are told nevertheless, without a stream after the other.
func TestLostCursorAfterAnUnreadableEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	source := w.start(func(c *Config) { c.LeaseLife = 10 * time.Second })
	w.order(alice)
	now := time.Now()
	w.alpaca.send(alice, trade("new", "o1", now.Add(-10*time.Second)))
	w.expect(alice, "order.accepted o1:accepted")
	w.alpaca.sendRaw(alice, now.Add(-8*time.Second), `{"event":`)
	// Until the stream begins behind the event that can't be read.
	eventually(t, "the stream behind the unreadable event", func() bool {
		return source.metric(t, "account_update_failures_total", failureMalformed) >= 3 && w.alpaca.streaming(alice) == 1
	})
	w.redis.Del(store.CursorKey(alice))
	opened := w.alpaca.timesOpened(alice)
	w.alpaca.send(alice, trade("new", "o2", now.Add(-time.Second)))
	w.expect(alice, "order.accepted o1:accepted", "order.accepted o2:accepted")
	if streams := w.alpaca.timesOpened(alice) - opened; streams > 20 {
		t.Errorf("%d streams opened", streams)
	}
}

func TestRedisThatForgotIsAskedAgain(t *testing.T) {
	t.Parallel()
	f := &follower{
		source: &source{metrics: newMetrics(prometheus.NewRegistry())}, logger: zap.NewNop(),
		malformed: 3, failures: 5, last: start(),
	}
	if wait := f.failed(errForgotten, 0); wait != 0 || f.malformed != 0 || !f.last.IsZero() {
		t.Fatalf("waits %s, malformed %d, last %s", wait, f.malformed, f.last)
	}
	for again := 1; again <= 8; again++ {
		if wait, least := f.failed(errForgotten, 0), min(firstWait<<(again-1), longestWait)/2; wait < least {
			t.Fatalf("waits %s the next time, want %s at least", wait, least)
		}
	}
}

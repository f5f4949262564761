package updates

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/oklog/ulid/v2"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// The waits between two streams, the last for an account whose credentials Alpaca refuses.
const (
	firstWait   = 100 * time.Millisecond
	longestWait = 10 * time.Second
	refusedWait = time.Minute
)

// sayEvery keeps a long outage from filling the log: the first failure is said, and then every so many.
const sayEvery = 10

// since is where the next stream begins: some time before the cursor or, without one, as far back as events are looked
// for of an account of which Redis knows nothing. After an event that nobody can read it is a step behind the last good
// event, a larger one each time, so that no such event can keep the account's later fills from being heard.
func (f *follower) since(ctx context.Context) (time.Time, error) {
	if f.malformed > 0 {
		return f.last.Add(skip(f.malformed)), nil
	}
	cursor, err := f.journal.position(ctx, f.accountID)
	if err != nil {
		return time.Time{}, err
	}
	if cursor != f.cursor { // Redis lost some of what this follower wrote, or it wrote nothing yet
		clear(f.known)
	}
	f.cursor = cursor
	now := f.platform.Clock.Now()
	from := now.Add(-f.config.Backfill)
	if id, err := ulid.ParseStrict(cursor); err == nil {
		from = id.Timestamp()
	}
	if from.After(now) {
		from = now
	}
	from = from.Add(-overlap)
	if f.last.IsZero() {
		f.last = from
	}
	return from, nil
}

// skip is how far behind the last good event to begin after so many streams in a row that ended on a malformed one:
// first right behind it, which loses nothing, then 1 s, 2 s, 4 s and so on.
func skip(malformed int) time.Duration {
	if malformed == 1 {
		return time.Nanosecond
	}
	return time.Second << min(malformed-2, 16)
}

// failed counts and says why a stream ended, and returns how long to wait before the next.
func (f *follower) failed(err error, lived time.Duration) time.Duration {
	var ours *problem.Error
	if errors.As(err, &ours) && ours.Kind == problem.RateLimitExceeded { // not a failure: the account is busy
		return min(ours.RetryAfter, longestWait)
	}
	if lived >= longestWait {
		f.failures = 0
	}
	f.failures++
	reason, wait := failureStream, backoff(f.failures)
	var answer *alpaca.Error
	switch {
	case errors.Is(err, alpaca.ErrUnauthorized), errors.Is(err, alpaca.ErrForbidden), errors.Is(err, vault.ErrAccountNotFound):
		reason, wait = failureUnauthorized, refusedWait
		f.logger.Error("trade updates refused", zap.Error(err))
	case errors.Is(err, alpaca.ErrMalformedEvent):
		f.malformed++
		reason = failureMalformed
		f.logger.Error("trade update that can't be read; later ones are looked for", zap.Int("attempt", f.malformed), zap.Error(err))
	case errors.Is(err, errForgotten):
		// Back to Redis's cursor, and not behind the last good event, which is behind what was lost too.
		f.malformed, f.last = 0, time.Time{}
		f.forgotten++
		reason, wait = failureForgotten, 0
		if f.forgotten > 1 { // the cursor did not help: streams count against the account's budget
			wait = backoff(f.forgotten - 1)
		}
		f.logger.Warn("trade updates are taken over again from where Redis has them", zap.Error(err))
	case errors.As(err, &answer) && answer.RetryAfter > wait:
		wait = answer.RetryAfter
	case f.failures%sayEvery == 1:
		f.logger.Warn("trade update stream ended", zap.Int("failures", f.failures), zap.Error(err))
	}
	f.metrics.failed(reason)
	return wait
}

// backoff doubles from failure to failure; half of it is random so that accounts don't return at the same moment.
func backoff(failures int) time.Duration {
	wait := min(firstWait<<min(failures-1, 10), longestWait)
	return wait/2 + rand.N(wait/2+1)
}

func (f *follower) wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

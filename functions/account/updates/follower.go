package updates

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
)

const (
	// overlap is how much earlier than the last known event a stream begins. ULIDs of one millisecond are not in the
	// order of their events, and Alpaca's documentation of its event streams asks to begin early and to deduplicate.
	overlap = 2 * time.Minute
	// releaseTimeout bounds giving a lease back.
	releaseTimeout = time.Second
)

var (
	// errQuiet ends a stream on which nothing happened for a while.
	errQuiet = errors.New("nothing happened on the account")
	// errBusy: an event came at the very moment in which the stream was to end.
	errBusy = errors.New("the account is not quiet")
)

// follower follows one account as long as it has the lease and the account is active. Its fields belong to the
// goroutine of run.
type follower struct {
	*source
	accountID string
	held      lease.Lease
	logger    *zap.Logger

	// cursor is the account's cursor as this follower left it.
	cursor string
	// known are the trade events that this follower wrote down and that a new stream may repeat.
	known heard
	// last is the time of the newest event so far, or where the first stream began.
	last time.Time
	// leaving is when the account had had its last order when it was found to have none open; zero otherwise.
	leaving time.Time
	// failures, malformed and forgotten count the streams in a row that ended badly, by an event that nobody can read, or
	// because Redis lost the cursor.
	failures, malformed, forgotten int
}

func newFollower(s *source, accountID string, held lease.Lease) *follower {
	return &follower{
		source: s, accountID: accountID, held: held, known: make(heard),
		logger: s.platform.Logger.With(zap.String("account_id", accountID)),
	}
}

// run follows the account until ctx ends, the lease is lost, or the account has no open orders.
func (f *follower) run(ctx context.Context) {
	f.metrics.streams.Inc()
	defer f.metrics.streams.Dec()
	own, cancel := context.WithCancelCause(ctx)
	renewed := make(chan struct{})
	go func() {
		defer close(renewed)
		f.renew(own, cancel)
	}()
	reason := f.follow(own)
	cancel(reason)
	<-renewed
	f.logger.Debug("account no longer followed", zap.NamedError("reason", reason))
	released, done := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer done()
	if err := f.platform.Leases.Release(released, f.held); err != nil {
		f.logger.Warn("lease not released", zap.Error(err))
	}
}

// renew keeps the lease until ctx ends; when it is lost the stream ends at once.
func (f *follower) renew(ctx context.Context, cancel context.CancelCauseFunc) {
	ticker := time.NewTicker(f.config.LeaseLife * 3 / 10)
	defer ticker.Stop()
	good := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked := time.Now()
		err := f.platform.Leases.Renew(ctx, f.held, f.config.LeaseLife)
		if err == nil {
			good = asked
			continue
		}
		if errors.Is(err, lease.ErrLost) || time.Since(good) >= f.config.LeaseLife {
			f.logger.Warn("lease lost", zap.Error(err))
			cancel(lease.ErrLost)
			return
		}
	}
}

// follow opens one stream after the other and returns why it stopped, nil when the account is no longer active.
func (f *follower) follow(ctx context.Context) error {
	for ctx.Err() == nil {
		opened := time.Now()
		err := f.stream(ctx)
		switch {
		case ctx.Err() != nil, errors.Is(err, errBusy):
		case errors.Is(err, errFenced):
			return lease.ErrLost
		case errors.Is(err, errQuiet):
			f.failures = 0
			if f.left(ctx) {
				return nil
			}
		default:
			f.wait(ctx, f.failed(err, time.Since(opened)))
		}
	}
	return context.Cause(ctx)
}

// stream reads the account's trade events from where they were left until something ends it; errQuiet after a time
// without news.
func (f *follower) stream(ctx context.Context) error {
	account, err := f.platform.Accounts.Account(ctx, f.accountID) // anew each time: keys are rotated
	if err != nil {
		return err
	}
	since, err := f.since(ctx)
	if err != nil {
		return err
	}
	own, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	quiet := time.AfterFunc(f.patience(), func() { cancel(errQuiet) })
	defer quiet.Stop()
	late := false
	err = f.platform.Alpaca.TradeEvents(own, account.Credentials, alpaca.TradeEventsQuery{Since: since},
		func(trade alpaca.TradeEvent) error {
			// A repeat is no quiet either: what is new comes behind it, however long Redis takes over each.
			late = !quiet.Stop() || late
			news, err := f.take(ctx, &trade)
			if news {
				f.leaving, f.failures, f.malformed, f.forgotten = time.Time{}, 0, 0, 0
			}
			quiet.Reset(f.patience())
			return err
		})
	if late && errors.Is(err, errQuiet) {
		f.leaving = time.Time{}
		return errBusy
	}
	return err
}

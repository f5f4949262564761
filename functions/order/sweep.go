package order

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// sweepBatch is how many abandoned intents of a shard are read at a time, sweepBatches how often in one sweep;
// sweepsAtOnce is how many are settled in parallel.
const (
	sweepBatch   = 50
	sweepBatches = 100
	sweepsAtOnce = 8
)

// errLeft: the account of an abandoned intent is not in the accounts file. It may come back with the next one.
var errLeft = errors.New("an intent's account is unknown")

// sweepRegularly settles at start, and then again and again, what dead instances left behind.
func (f *Function) sweepRegularly(ctx context.Context) {
	tick := time.NewTicker(f.config.SweepEvery)
	defer tick.Stop()
	for {
		if err := f.sweep(ctx); err != nil && ctx.Err() == nil {
			f.Logger.Warn("sweep", zap.Error(err))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// sweep settles the abandoned intents of all shards.
func (f *Function) sweep(ctx context.Context) error {
	var failed []error
	for shard := range store.Shards {
		unsettled, err := f.sweepShard(ctx, shard)
		if err != nil {
			return err // Redis is away: the next shard would fail as well
		}
		failed = append(failed, unsettled...)
	}
	return errors.Join(slices.DeleteFunc(failed, func(err error) bool { return errors.Is(err, errLeft) })...)
}

// sweepShard goes through the shard's abandoned intents batch by batch, so that those that can't be settled now, of an
// account whose keys Alpaca refuses for example, don't keep it from the others. It returns why some are left.
func (f *Function) sweepShard(ctx context.Context, shard int) ([]error, error) {
	var failed []error
	for range sweepBatches {
		abandoned, err := f.intents.Abandoned(ctx, shard, len(failed), sweepBatch)
		if err != nil || len(abandoned) == 0 {
			return failed, err
		}
		results := make([]error, len(abandoned))
		var group errgroup.Group
		group.SetLimit(sweepsAtOnce)
		for i, a := range abandoned {
			group.Go(func() error {
				results[i] = f.settleAbandoned(ctx, a)
				return nil
			})
		}
		_ = group.Wait() // each has its own result
		for _, err := range results {
			if err != nil {
				failed = append(failed, err)
			}
		}
		if ctx.Err() != nil {
			return failed, ctx.Err()
		}
	}
	return failed, nil
}

// settleAbandoned takes one intent over and finds out what became of it. An order that Alpaca does not have is not
// sent by us: its caller got no answer, or an error, and may have gone another way since. The intent is forgotten, so
// that a repeat of the request starts anew, with the same client order ID.
func (f *Function) settleAbandoned(ctx context.Context, a intent.Abandoned) error {
	account, err := f.Accounts.Account(ctx, a.AccountID)
	if errors.Is(err, vault.ErrAccountNotFound) {
		return fmt.Errorf("%w: %s", errLeft, a.AccountID)
	}
	if err != nil {
		return err
	}
	p := &placement{account: account, fingerprint: a.Fingerprint, arrived: f.Clock.Now(), causation: "sweep"}
	if err := p.decode(a.Body); err != nil {
		return err
	}
	reservation, err := f.reserve(ctx, p)
	switch {
	case err != nil:
		return err
	case reservation.Outcome == intent.New: // somebody forgot it in the meantime
		return f.intents.Forget(ctx, p.id(), reservation.Token)
	case reservation.Outcome != intent.Resume: // settled or taken over in the meantime
		return nil
	}
	p.idempotencyKey = a.IdempotencyKey
	found, err := f.lookup(ctx, p)
	switch {
	case err == nil:
		_, _ = f.adopt(ctx, p, reservation.Token, found) // another order has the ID: settled as well
		return nil
	case errors.Is(err, alpaca.ErrNotFound):
		return f.intents.Forget(ctx, p.id(), reservation.Token)
	}
	f.yield(ctx, p, reservation.Token)
	return err
}

package order

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// sweepBatch is how many abandoned intents of a shard one sweep settles.
const sweepBatch = 50

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
		if ctx.Err() != nil {
			return ctx.Err()
		}
		abandoned, err := f.intents.Abandoned(ctx, shard, sweepBatch)
		if err != nil {
			return err // Redis is away: the next shard would fail as well
		}
		for _, a := range abandoned {
			if err := f.settleAbandoned(ctx, a); err != nil {
				failed = append(failed, err)
			}
		}
	}
	return errors.Join(failed...)
}

// settleAbandoned takes one intent over and finds out what became of it. An order that Alpaca does not have is not
// sent by us: its caller got no answer, or an error, and may have gone another way since. The intent is forgotten, so
// that a repeat of the request starts anew, with the same client order ID.
func (f *Function) settleAbandoned(ctx context.Context, a intent.Abandoned) error {
	account, err := f.Accounts.Account(ctx, a.AccountID)
	if errors.Is(err, vault.ErrAccountNotFound) {
		return nil // the account may come back with the next accounts file
	}
	if err != nil {
		return err
	}
	p := &placement{account: account, fingerprint: a.Fingerprint, arrived: f.Clock.Now(), causation: "sweep"}
	if err := p.decode(a.Body); err != nil {
		return err
	}
	reservation, err := f.reserve(ctx, p)
	if err != nil || reservation.Outcome != intent.Resume {
		return err // settled or taken over in the meantime
	}
	found, err := f.lookup(ctx, p)
	switch {
	case err == nil:
		_, err = f.adopt(ctx, p, reservation.Token, found)
		if settled(err) {
			return nil // another order has the ID: settled as well
		}
		return err
	case errors.Is(err, alpaca.ErrNotFound):
		return f.intents.Forget(ctx, p.id(), reservation.Token)
	}
	f.yield(ctx, p, reservation.Token)
	return err
}

package account

import (
	"context"
	"errors"

	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// consumerSnapshots names who remembers having handled an event; it never changes.
const consumerSnapshots = "account-snapshots"

// change is all that is read of an event about an account.
type change struct {
	AccountID string `json:"account_id"`
}

func (f *Function) handleEvents() {
	receiver := f.platform.NewReceiver()
	for _, eventType := range []string{
		event.TypeOrderAccepted, event.TypeOrderRejected, event.TypeOrderPartiallyFilled, event.TypeOrderFilled,
		event.TypeOrderCanceled, event.TypeOrderExpired, event.TypeOrderReplaced,
		event.TypePositionOpened, event.TypePositionChanged, event.TypePositionClosed,
	} {
		receiver.Handle(eventType, consumerSnapshots, f.accountChanged)
	}
	receiver.Handle(event.TypePing, consumerTicks, f.sessions.tick)
	platform.Events(f.router, receiver)

	letters := f.platform.NewReceiver()
	letters.HandleRest("account-dead-letters", f.deadLetters.keep)
	f.router.Mount("POST /events/dead-letters", letters)
}

// accountChanged takes an event as a hint that the account changed. Nothing in it is believed: the next read asks
// Alpaca.
func (f *Function) accountChanged(ctx context.Context, e event.Event) error {
	hint, err := event.Decode[change](e)
	if err != nil {
		return err
	}
	if hint.AccountID == "" {
		return problem.InvalidRequest.New("account_id is required").Field("account_id")
	}
	if _, err := f.platform.Accounts.Account(ctx, hint.AccountID); err != nil {
		if errors.Is(err, vault.ErrAccountNotFound) {
			return problem.AccountNotFound.New("no account has this ID").Field("account_id")
		}
		return problem.Unavailable.New("accounts can't be looked up right now").Because(err)
	}
	if err := f.snapshots.invalidate(ctx, hint.AccountID); err != nil {
		return problem.Unavailable.New("the snapshot can't be dropped right now").Because(err)
	}
	return nil
}

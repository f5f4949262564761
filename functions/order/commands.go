package order

import (
	"context"
	"errors"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// consumer names this function to the deduplication of events. It must never change.
const consumer = "order"

// receiver handles the commands that come as CloudEvents.
func (f *Function) receiver() *event.Receiver {
	receiver := f.NewReceiver()
	receiver.Handle(event.TypeOrderRequested, consumer, f.orderRequested)
	receiver.Handle(event.TypeOrderCancelRequested, consumer, f.cancelRequested)
	receiver.Handle(event.TypeSweepTick, consumer, f.sweepTicked)
	receiver.Handle(event.TypePing, consumer, func(ctx context.Context, _ event.Event) error { return f.sweep(ctx) })
	return receiver
}

// sweepTicked settles what dead instances left behind, and has their events published.
func (f *Function) sweepTicked(ctx context.Context, _ event.Event) error {
	return errors.Join(f.sweep(ctx), f.Relay.Look(ctx))
}

// orderRequested places the order of a command. A refusal by Alpaca is a result, told by its own event; the command is
// done. Only what may go better later is an error that the broker retries.
func (f *Function) orderRequested(ctx context.Context, e event.Event) error {
	command, err := event.Decode[event.OrderRequested](e)
	if err != nil {
		return err
	}
	account, err := f.authorized(ctx, e, command.AccountID)
	if err != nil {
		return err
	}
	r := command.Order
	if r.ClientOrderID == "" {
		if err := f.bindProof(ctx, e, account.ID); err != nil {
			return err
		}
		r.ClientOrderID = derivedID(fromEvent, account.ID, e.Source(), e.ID())
	}
	p, err := f.newPlacement(account, command.AssetClass, "", e.ID(), &r)
	if err != nil {
		return err
	}
	_, _, err = f.place(ctx, p)
	if settled(err) {
		return nil // the rejected event tells it
	}
	return err
}

func (f *Function) cancelRequested(ctx context.Context, e event.Event) error {
	command, err := event.Decode[event.OrderCancelRequested](e)
	if err != nil {
		return err
	}
	account, err := f.authorized(ctx, e, command.AccountID)
	if err != nil {
		return err
	}
	orderID := command.OrderID
	if orderID == "" {
		found, err := f.lookup(ctx, &placement{account: account, request: alpaca.OrderRequest{ClientOrderID: command.ClientOrderID}})
		if err != nil {
			return commandProblem(err)
		}
		orderID = found.ID
	}
	if !isOrderID(orderID) {
		return invalid("order_id", "order_id is not the ID of an order")
	}
	err = f.Alpaca.CancelOrder(ctx, account.Credentials, orderID)
	if errors.Is(err, alpaca.ErrRejected) || errors.Is(err, alpaca.ErrInvalid) {
		return nil // it is filled or canceled already: what was asked for can't get any truer
	}
	return commandProblem(err)
}

// commandProblem maps Alpaca's errors, and leaves ours and nil as they are.
func commandProblem(err error) error {
	var ours *problem.Error
	if err == nil || errors.As(err, &ours) {
		return err
	}
	return alpaca.Problem(err)
}

// authorized checks a command's proof: reaching the broker is not enough to trade.
func (f *Function) authorized(ctx context.Context, e event.Event, accountID string) (vault.Account, error) {
	token := event.Extension(e, event.ExtensionProof)
	if token == "" {
		return vault.Account{}, problem.InvalidToken.New("the command carries no proof").Field(event.ExtensionProof)
	}
	proof, err := f.proofs.Verify(ctx, token, e.ID(), e.Type(), e.Data())
	if err != nil {
		return vault.Account{}, err
	}
	claims := auth.Claims{AccountID: proof.AccountID, Permissions: proof.Permissions}
	if !claims.Allows(auth.PermissionTrade) || !claims.CanReach(accountID) {
		return vault.Account{}, problem.Forbidden.New("the proof does not allow to trade for this account").Field("account_id")
	}
	return f.account(ctx, accountID)
}

package order

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// resume finds out what became of a submit whose outcome is unknown, and submits again, with the same client order
// ID, only when Alpaca says that it has no such order. Should the first submit arrive after all, Alpaca refuses the
// second one as a duplicate.
func (f *Function) resume(ctx context.Context, p *placement, token int64) (order.Order, error) {
	ctx = alpaca.Urgent(context.WithoutCancel(ctx))
	found, err := f.lookup(ctx, p)
	if err == nil {
		return f.adopt(ctx, p, token, found)
	}
	if !errors.Is(err, alpaca.ErrNotFound) {
		return f.unknown(ctx, p, token, err)
	}
	if err := f.hold(ctx, p, token, ""); err != nil {
		return f.unknown(ctx, p, token, err)
	}
	if err := f.prepare(ctx, p, token); err != nil {
		return f.confirm(ctx, p, token, err)
	}
	if err := f.recheck(ctx, p); err != nil {
		return f.unknown(ctx, p, token, err)
	}
	placed, err := f.send(ctx, p)
	switch {
	case err == nil:
		return f.acknowledge(ctx, p, token, placed)
	case errors.Is(err, alpaca.ErrDuplicateClientOrderID):
		if found, err := f.lookup(ctx, p); err == nil {
			return f.adopt(ctx, p, token, found)
		}
	case rejection(err):
		return f.confirm(ctx, p, token, err)
	}
	// Also when this submit certainly did not arrive: the first one may still be on its way.
	return f.unknown(ctx, p, token, err)
}

// recheck applies the risk controls to an order that another owner left behind, perhaps before it had checked them. What
// they refuse now is not settled: the former owner's submit may still be on its way. The sweeper forgets the intent when
// Alpaca does not have the order, and a repeat is refused for good then.
func (f *Function) recheck(ctx context.Context, p *placement) error {
	if p.checked {
		return nil
	}
	if err := f.checkRisk(ctx, p); err != nil {
		return err
	}
	p.checked = true
	return nil
}

// errNotHeld: the intent could not be held, by the loss of its lease or of Redis.
var errNotHeld = errors.New("intent not held")

// hold keeps the intent for a submit and a look-up more: that is what INTENT_LEASE covers, and an owner that was paused
// for longer must not go on when another has the order in hand.
func (f *Function) hold(ctx context.Context, p *placement, token int64, what string) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.RedisTimeout)
	defer cancel()
	if err := f.intents.Hold(ctx, p.id(), token, p.closes != nil, what); err != nil {
		return fmt.Errorf("%w: %w", errNotHeld, err)
	}
	return nil
}

// confirm settles a refusal that may not be true. When an earlier submit arrived that nobody here remembers (Redis lost
// it, or it was slow), its repeat can be refused for want of the very buying power, shares, position or order that it
// took. Only when Alpaca shows no such order the refusal holds; what is no refusal stays unknown.
func (f *Function) confirm(ctx context.Context, p *placement, token int64, refusal error) (order.Order, error) {
	found, err := f.lookup(ctx, p)
	switch {
	case err == nil:
		return f.adopt(ctx, p, token, found)
	case errors.Is(err, alpaca.ErrNotFound) && (rejection(refusal) || unprepared(refusal)):
		return f.conclude(ctx, p, token, nil, refusal)
	case errors.Is(err, alpaca.ErrNotFound):
		return f.unknown(ctx, p, token, refusal)
	}
	return f.unknown(ctx, p, token, err)
}

// lookup asks Alpaca for the order; it may use what is kept for cancels, because an unknown order is as urgent.
func (f *Function) lookup(ctx context.Context, p *placement) (*alpaca.Order, error) {
	defer f.upstreamSince(p, f.Clock.Now())
	return f.Alpaca.OrderByClientOrderID(alpaca.Urgent(ctx), p.account.Credentials, p.request.ClientOrderID)
}

// adopt acknowledges an order that was found, if it is what was asked for. If it is not, the client order ID is another
// request's, or was used elsewhere by the account's owner: this request is refused and leaves nothing behind, so that
// the one whose order it is still gets its answer.
func (f *Function) adopt(ctx context.Context, p *placement, token int64, found *alpaca.Order) (order.Order, error) {
	if p.isMetBy(found) {
		return f.acknowledge(ctx, p, token, found)
	}
	f.disown(ctx, p, token)
	f.observe(p, "rejected")
	return order.Order{}, problem.IdempotencyMismatch.New("the account has another order with this client_order_id").
		With("client_order_id", p.request.ClientOrderID).With("order_id", found.ID)
}

// disown removes the intent and the memory of its key. Failing to is harmless: its lease ends by itself, and whoever
// comes next finds the same.
func (f *Function) disown(ctx context.Context, p *placement, token int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), f.config.RedisTimeout)
	defer cancel()
	if err := f.intents.Disown(ctx, p.intent(nil), token); err != nil {
		f.Logger.Warn("intent keeps its lease", zap.String("account_id", p.account.ID),
			zap.String("client_order_id", p.request.ClientOrderID), zap.Error(err))
	}
}

// unknown tells the caller the truth: the order may exist, and repeating the request is safe.
func (f *Function) unknown(ctx context.Context, p *placement, token int64, cause error) (order.Order, error) {
	f.yield(ctx, p, token)
	f.observe(p, "unknown")
	f.Logger.Warn("outcome of an order is unknown", zap.String("account_id", p.account.ID),
		zap.String("client_order_id", p.request.ClientOrderID), zap.Error(cause))
	return order.Order{}, problem.UpstreamTimeout.New("Alpaca did not say what became of the order; repeat the request to learn it").
		With("client_order_id", p.request.ClientOrderID).With("outcome", "unknown").After(retrySoon).Because(cause)
}

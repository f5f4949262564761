package order

import (
	"context"
	"errors"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// resume finds out what became of a submit whose outcome is unknown, and submits again, with the same client order
// ID, only when Alpaca says that it has no such order. Should the first submit arrive after all, Alpaca refuses the
// second one as a duplicate.
func (f *Function) resume(ctx context.Context, p *placement, token int64) (order.Order, error) {
	ctx = context.WithoutCancel(ctx)
	found, err := f.lookup(ctx, p)
	if err == nil {
		return f.adopt(ctx, p, token, found)
	}
	if !errors.Is(err, alpaca.ErrNotFound) {
		return f.unknown(ctx, p, token, err)
	}
	if err := f.takeUpstream(ctx, p.account.ID, 0); err != nil {
		return f.unknown(ctx, p, token, err) // whoever repeats the request looks it up once more
	}
	if err := f.prepare(ctx, p); err != nil {
		return f.confirm(ctx, p, token, err)
	}
	placed, err := f.send(ctx, p)
	switch {
	case doubtful(p, err):
		return f.confirm(ctx, p, token, err)
	case errors.Is(err, alpaca.ErrDuplicateClientOrderID):
		if found, err := f.lookup(ctx, p); err == nil {
			return f.adopt(ctx, p, token, found)
		}
		return f.unknown(ctx, p, token, err)
	case errors.Is(err, alpaca.ErrOutcomeUnknown):
		return f.unknown(ctx, p, token, err)
	}
	return f.conclude(ctx, p, token, placed, err)
}

// confirm settles a refusal that may not be true: replacing an order was refused, or what was to be replaced or closed is
// gone, and one reason for that is an earlier submit of ours that arrived after all.
func (f *Function) confirm(ctx context.Context, p *placement, token int64, refusal error) (order.Order, error) {
	found, err := f.lookup(ctx, p)
	switch {
	case err == nil:
		return f.adopt(ctx, p, token, found)
	case errors.Is(err, alpaca.ErrNotFound):
		return f.conclude(ctx, p, token, nil, refusal)
	}
	return f.unknown(ctx, p, token, err)
}

// lookup asks Alpaca for the order, within what Alpaca allows; it may use what is reserved for cancels, because an
// unknown order is as urgent.
func (f *Function) lookup(ctx context.Context, p *placement) (*alpaca.Order, error) {
	if err := f.takeUpstream(ctx, p.account.ID, 0); err != nil {
		return nil, err
	}
	defer f.upstreamSince(p, f.Clock.Now())
	return f.Alpaca.OrderByClientOrderID(ctx, p.account.Credentials, p.request.ClientOrderID)
}

// adopt acknowledges an order that was found, if it is what was asked for: the account's owner can have used the same
// client order ID elsewhere.
func (f *Function) adopt(ctx context.Context, p *placement, token int64, found *alpaca.Order) (order.Order, error) {
	if !p.isMetBy(found) {
		conflict := problem.IdempotencyMismatch.New("the account has another order with this client_order_id").
			With("client_order_id", p.request.ClientOrderID).With("order_id", found.ID)
		return order.Order{}, f.reject(ctx, p, token, conflict)
	}
	return f.acknowledge(ctx, p, token, found)
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

// takeUpstream takes one request from what Alpaca allows the account, leaving reserve for others. While Redis is away
// it lets the request through: what is at stake are cancels and look-ups, and Alpaca counts by itself.
func (f *Function) takeUpstream(ctx context.Context, accountID string, reserve int) error {
	ctx, cancel := context.WithTimeout(ctx, f.config.RedisTimeout)
	defer cancel()
	grant, err := f.Bucket.Take(ctx, store.UpstreamBucketKey(accountID), f.config.UpstreamRate(), 1, reserve)
	if err != nil {
		f.Logger.Warn("upstream budget not checked: redis is away", zap.String("account_id", accountID), zap.Error(err))
		return nil
	}
	if grant.Granted == 0 {
		return problem.RateLimitExceeded.New("what Alpaca allows the account, %d requests a minute, is used up", f.config.TradingRequestsPerMinute).
			With("limit", "alpaca").With("allowed", f.config.TradingRequestsPerMinute).After(grant.RetryAfter)
	}
	return nil
}

package updates

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
)

// An account is left in two steps, so that no last fill is missed: after a quiet time Alpaca is asked for open orders,
// and if there are none, the stream is opened once more. It repeats whatever ended the last order; only when it brings
// nothing new either is the account taken out, and only if no order came meanwhile.

// patience is how long a stream may bring nothing at all, neither news nor repeats.
func (f *follower) patience() time.Duration {
	if f.leaving.IsZero() {
		return f.config.QuietPeriod
	}
	// Opening may take as long as a call; what is left is for hearing what is repeated.
	return f.platform.Config.UpstreamTimeout + f.config.QuietPeriod/4
}

// left goes one step towards leaving a quiet account and reports whether it was left.
func (f *follower) left(ctx context.Context) bool {
	if !f.leaving.IsZero() {
		seen := f.leaving
		f.leaving = time.Time{}
		removed, err := f.active.remove(ctx, f.accountID, seen)
		if err != nil {
			f.logger.Warn("quiet account not left", zap.Error(err))
		}
		return removed
	}
	// Before the orders are looked at: an order that comes after this changes it.
	last, err := f.active.last(ctx, f.accountID)
	if err != nil {
		f.logger.Warn("quiet account not looked at", zap.Error(err))
		return false
	}
	if last.IsZero() {
		return true
	}
	if !f.hasOpenOrders(ctx) {
		f.leaving = last
	}
	return false
}

// hasOpenOrders is true when in doubt.
func (f *follower) hasOpenOrders(ctx context.Context) bool {
	account, err := f.platform.Accounts.Account(ctx, f.accountID)
	if err != nil {
		f.logger.Info("open orders not counted", zap.Error(err))
		return true
	}
	open, err := f.platform.Alpaca.Orders(ctx, account.Credentials, alpaca.OrdersQuery{Status: "open", Limit: 1})
	if err != nil {
		f.logger.Info("open orders not counted", zap.Error(err))
		return true
	}
	return len(open) > 0
}

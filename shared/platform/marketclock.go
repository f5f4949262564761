package platform

import (
	"context"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/hours"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// marketClock reads Alpaca's clock and calendar with the first of the accounts whose keys serve market data, within what
// Alpaca allows that account.
type marketClock struct{ platform *Platform }

var _ hours.Source = marketClock{}

// MarketClock reads Alpaca's clock and calendar anew; Hours is what to ask where a reading of some minutes will do.
func (p *Platform) MarketClock() hours.Source { return marketClock{p} }

// Clock reads Alpaca's clock.
func (m marketClock) Clock(ctx context.Context) (*alpaca.Clock, error) {
	account, err := m.account(ctx)
	if err != nil {
		return nil, err
	}
	return m.platform.Alpaca.Clock(ctx, account.Credentials)
}

// Calendar reads the trading days from start to end.
func (m marketClock) Calendar(ctx context.Context, start, end time.Time) ([]alpaca.CalendarDay, error) {
	account, err := m.account(ctx)
	if err != nil {
		return nil, err
	}
	return m.platform.Alpaca.Calendar(ctx, account.Credentials, start, end)
}

// account is the account to ask with.
func (m marketClock) account(ctx context.Context) (vault.Account, error) {
	accounts, err := m.platform.Accounts.MarketData(ctx)
	if err != nil {
		return vault.Account{}, err
	}
	return accounts[0], nil
}

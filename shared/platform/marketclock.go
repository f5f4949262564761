package platform

import (
	"context"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/hours"
)

// classClock is what a key pair rests for that Alpaca does not let read its clock.
const classClock alpaca.Class = "clock"

// marketClock reads Alpaca's clock and calendar with the key pairs that serve market data, within what Alpaca allows them.
type marketClock struct{ platform *Platform }

var _ hours.Source = marketClock{}

// MarketClock reads Alpaca's clock and calendar anew; Hours is what to ask where a reading of some minutes will do.
func (p *Platform) MarketClock() hours.Source { return marketClock{p} }

// Clock reads Alpaca's clock.
func (m marketClock) Clock(ctx context.Context) (read *alpaca.Clock, err error) {
	err = m.platform.DataKeys.Do(ctx, classClock, func(keys alpaca.Credentials) error {
		read, err = m.platform.Alpaca.Clock(ctx, keys)
		return err
	})
	return read, err
}

// Calendar reads the trading days from start to end.
func (m marketClock) Calendar(ctx context.Context, start, end time.Time) (days []alpaca.CalendarDay, err error) {
	err = m.platform.DataKeys.Do(ctx, classClock, func(keys alpaca.Credentials) error {
		days, err = m.platform.Alpaca.Calendar(ctx, keys, start, end)
		return err
	})
	return days, err
}

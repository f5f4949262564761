package market

import (
	"math"
	"time"

	"github.com/quagmt/udecimal"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Bar is open, high, low and close of a span of time, in USD a share, with the volume in shares.
type Bar struct {
	Start                  time.Time
	Open, High, Low, Close decimal.Decimal
	VWAP                   decimal.Decimal
	Volume, Trades         int64
}

// samples is how many moments of a span a bar looks at.
const samples = 30

// Bar returns the bar from start to end. A span that is not over yet must end at the present.
func (m *Market) Bar(a *asset.Asset, start, end time.Time) Bar {
	bar := Bar{Start: start}
	total := decimal.FromInt(0)
	width := end.Sub(start)
	for i := range samples {
		price := m.Price(a, start.Add(width*time.Duration(i)/samples))
		if i == 0 {
			bar.Open, bar.High, bar.Low = price, price, price
		}
		bar.High, bar.Low = udecimal.Max(bar.High, price), udecimal.Min(bar.Low, price)
		bar.Close = price
		total = total.Add(price)
	}
	if mean, err := total.Div64(samples); err == nil {
		bar.VWAP = mean.RoundHAZ(4)
	}
	dice := mix(m.key(a.Symbol)+2, uint64(start.UnixNano()))
	busy := 1 + float64(dice%1000)/500
	bar.Volume = int64(math.Max(1, busy*width.Seconds()*40))
	bar.Trades = max(1, bar.Volume/85)
	return bar
}

// cents returns units of the given decimal place.
func cents(units int64, places uint8) decimal.Decimal { return udecimal.MustFromInt64(units, places) }

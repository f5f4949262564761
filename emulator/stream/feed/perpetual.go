package feed

import (
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// fundingPeriod is how often perpetual futures pay funding.
const fundingPeriod = 8 * time.Hour

// pricing publishes the index and mark price of a perpetual future with its funding once a second.
func (c *cryptoFeed) pricing(f *feed, w *watch, from, to time.Time) {
	if !c.perpetual || !f.wants(pricing, w.symbol) {
		return
	}
	for at := range steps(from, to, time.Second) {
		mark := c.Market.Price(w.asset, at)
		index := mark
		if spot, ok := c.Catalogue.Find(w.asset.Pair.Base + "/" + w.asset.Pair.Quote); ok {
			index = c.Market.Price(spot, at)
		}
		interest := 1_000 + int64(mix(c.Seed, uint64(at.Truncate(time.Hour).Unix()))%9_000)
		f.publish(pricing, c.message.Reset().String("T", "p").String("S", w.symbol).Time("t", at).String("x", w.asset.Exchange).
			Number("ip", index).Number("mp", mark).Number("fr", decimal.MustParse("0.0001")).
			Number("oi", decimal.FromInt(interest)).Time("ft", at.Truncate(fundingPeriod).Add(fundingPeriod)), w.symbol)
	}
}

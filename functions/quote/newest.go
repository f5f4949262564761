package quote

import (
	"context"

	"github.com/opitios-ai/alpaca-knative/functions/quote/stream"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// newest gives streams their first values from what all reads share, at the price of the same upstream calls.
func newest(classes []*class) stream.Latest {
	byName := make(map[alpaca.Class]*class, len(classes))
	for _, c := range classes {
		byName[c.name] = c
	}
	names := map[tick.Class]alpaca.Class{
		tick.Stock: alpaca.ClassStocks, tick.Option: alpaca.ClassOptions, tick.Crypto: alpaca.ClassCrypto,
	}
	return func(ctx context.Context, wanted tick.Class, symbols []string) []*alpaca.Snapshot {
		keys := make([]cache.Key, len(symbols))
		for i, symbol := range symbols {
			keys[i] = cache.Latest(symbol)
		}
		snapshots := make([]*alpaca.Snapshot, len(symbols))
		for i, outcome := range byName[names[wanted]].latest.GetAll(ctx, keys) {
			if known, ok := outcome.Value.(*latest); ok && outcome.Err == nil {
				snapshots[i] = known.snapshot
			}
		}
		return snapshots
	}
}

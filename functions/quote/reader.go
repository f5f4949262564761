package quote

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// The kinds of the cache metrics.
const (
	kindMemory   = "quote_l1"
	kindRedis    = "quote_l2"
	kindUpstream = "quote"
)

// memory is the part of an otter cache that is used. It is an interface because every package that can reach the
// concrete type compiles all of its generic code again, three seconds each.
type memory interface {
	GetIfPresent(symbol string) (*entry, bool)
	Set(symbol string, value *entry) (*entry, bool)
}

// reader finds quotes in memory, then in Redis, then at Alpaca. Safe for concurrent use.
type reader struct {
	memory   memory
	shared   *sharedCache
	upstream *upstream
	flights  flights
	config   Config
	clock    clock.Clock
	metrics  *telemetry.Cache
	stale    prometheus.Counter

	life   context.Context //nolint:containedctx // of the reads under way: they end with stop, not with the request that began them
	cancel context.CancelFunc
}

// one returns the quote of a canonical symbol. An error is a *problem.Error.
func (r *reader) one(ctx context.Context, symbol string) (answer, error) {
	if found, ok := r.memory.GetIfPresent(symbol); ok && found.fresh(r.clock.Now()) {
		r.metrics.Hit(kindMemory)
		return answer{entry: found}, found.err
	}
	joined, err := r.flights.join([]string{symbol}, r.fly)
	if err != nil {
		return answer{}, err
	}
	return r.landed(ctx, joined[0])
}

// outcome is one symbol's share of the answer to a list.
type outcome struct {
	answer answer
	err    error
}

// many returns an outcome for each canonical symbol, in their order. What is in no cache costs one upstream call.
func (r *reader) many(ctx context.Context, symbols []string) []outcome {
	outcomes := make([]outcome, len(symbols))
	var missing []string
	var places []int
	now := r.clock.Now()
	for i, symbol := range symbols {
		if found, ok := r.memory.GetIfPresent(symbol); ok && found.fresh(now) {
			r.metrics.Hit(kindMemory)
			outcomes[i] = outcome{answer{entry: found}, found.err}
			continue
		}
		missing, places = append(missing, symbol), append(places, i)
	}
	if len(missing) == 0 {
		return outcomes
	}
	joined, err := r.flights.join(missing, r.fly)
	for i, place := range places {
		if err != nil {
			outcomes[place].err = err
			continue
		}
		outcomes[place].answer, outcomes[place].err = r.landed(ctx, joined[i])
	}
	return outcomes
}

// landed waits for a flight and counts where its answer came from.
func (r *reader) landed(ctx context.Context, waited *flight) (answer, error) {
	a, err := waited.wait(ctx)
	if a.entry == nil {
		return a, err
	}
	switch a.origin {
	case fromMemory:
		r.metrics.Hit(kindMemory)
	case fromRedis:
		r.metrics.Hit(kindRedis)
	case fromUpstream:
		r.metrics.Miss(kindUpstream)
	}
	return a, err
}

// fly lands all flights, from the cheapest place that has the answer.
func (r *reader) fly(own []*flight) {
	ctx, cancel := context.WithTimeout(r.life, r.config.UpstreamTimeout)
	defer cancel()
	own, former := r.fromCaches(ctx, own)
	if len(own) == 0 {
		return
	}
	symbols := symbolsOf(own)
	found, err := r.upstream.read(ctx, symbols)
	if err != nil {
		r.landFailed(own, former, err)
		return
	}
	r.shared.write(ctx, r.landFound(own, found))
}

// fromCaches lands what a cache has fresh, and returns the other flights with what is known of them from before.
// Memory is looked at once more: another flight may have landed since the reader looked.
func (r *reader) fromCaches(ctx context.Context, own []*flight) (rest []*flight, former []*entry) {
	now := r.clock.Now()
	for _, fl := range own {
		known, ok := r.memory.GetIfPresent(fl.symbol)
		if ok && known.fresh(now) {
			r.flights.land(fl, answer{known, fromMemory})
			continue
		}
		rest, former = append(rest, fl), append(former, known)
	}
	if len(rest) == 0 {
		return nil, nil
	}
	own, known := rest, former
	rest, former = nil, nil
	for i, stored := range r.shared.read(ctx, symbolsOf(own)) {
		if stored != nil && stored.fresh(now) && stored.asOf.Sub(now) <= r.config.CacheTTL {
			r.land(own[i], answer{stored, fromRedis})
			continue
		}
		rest, former = append(rest, own[i]), append(former, newer(known[i], stored))
	}
	return rest, former
}

// landFound lands what Alpaca answered, and returns the quotes among it.
func (r *reader) landFound(own []*flight, found map[string]alpaca.Snapshot) map[string]*entry {
	now := r.clock.Now()
	quotes := make(map[string]*entry, len(own))
	for _, fl := range own {
		e := r.entryOf(fl.symbol, found, now)
		if e.data != nil {
			quotes[fl.symbol] = e
		}
		r.land(fl, answer{e, fromUpstream})
	}
	return quotes
}

func (r *reader) entryOf(symbol string, found map[string]alpaca.Snapshot, now time.Time) *entry {
	snapshot, known := found[symbol]
	if !known {
		return unknownEntry(symbol, now.Add(r.config.NegativeTTL))
	}
	data, err := newStockQuote(symbol, r.config.Feed, snapshot, now).encode()
	if err != nil {
		return failedEntry(problem.From(err), now.Add(r.config.CacheTTL))
	}
	return newEntry(data, now, r.config.CacheTTL)
}

// landFailed lands older quotes where there are any that are not too old, and the error elsewhere.
func (r *reader) landFailed(own []*flight, former []*entry, err error) {
	now := r.clock.Now()
	until := now.Add(r.config.CacheTTL)
	for i, fl := range own {
		if former[i].quotable(now, r.config.StaleFor) {
			r.stale.Inc()
			r.land(fl, answer{former[i].outdated(until), fromUpstream})
			continue
		}
		r.land(fl, answer{failedEntry(err, until), fromUpstream})
	}
}

// land remembers the entry before it lands the flight, so that no reader finds neither.
func (r *reader) land(fl *flight, a answer) {
	r.memory.Set(fl.symbol, a.entry)
	r.flights.land(fl, a)
}

// stop ends the reads under way.
func (r *reader) stop() {
	r.cancel()
	r.flights.stop()
}

func symbolsOf(own []*flight) []string {
	symbols := make([]string, len(own))
	for i, fl := range own {
		symbols[i] = fl.symbol
	}
	return symbols
}

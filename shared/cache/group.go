package cache

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// GroupConfig says how the values of one family are read: keys that one upstream call can answer together.
type GroupConfig struct {
	// Name is the kind in the metrics; Name_l1 and Name_l2 count the hits in memory and in Redis.
	Name string
	// Most is how many keys one upstream call takes, Window how long the first of them waits for others.
	Most   int
	Window time.Duration
	// Fetch reads keys from Alpaca. A key that it leaves out is unknown. It is called without locks, also concurrently.
	Fetch func(ctx context.Context, keys []Key) (map[Key]Fields, error)
	// Build makes the value that readers get; it may be the same for all readers, so that it must not change.
	Build func(key Key, record *Record) (any, error)
	// Life says how long a value that is read now may be used.
	Life func(key Key, now time.Time) Life
	// Unknown is the error for a key that Fetch left out.
	Unknown func(key Key) error
}

// Group reads the values of one family. Safe for concurrent use.
type Group struct {
	config GroupConfig
	cache  *Cache
	batch  *batch

	inMemory, inRedis, upstream prometheus.Counter
}

// Group returns a new group of the cache.
func (c *Cache) Group(config GroupConfig) *Group {
	g := &Group{
		config: config, cache: c,
		inMemory: c.metrics.HitCounter(config.Name + "_l1"), inRedis: c.metrics.HitCounter(config.Name + "_l2"),
		upstream: c.metrics.MissCounter(config.Name),
	}
	g.batch = &batch{window: config.Window, most: config.Most, stop: c.life.Done(), run: c.flights.running.Go, send: g.send}
	return g
}

// Get returns the value of key. An error is a *problem.Error.
func (g *Group) Get(ctx context.Context, key Key) (Answer, error) {
	now := g.cache.config.Clock.Now()
	known, found := g.fromMemory(key, now)
	if found {
		return known.answer(now), known.err
	}
	joined, err := g.cache.flights.join([]Key{key}, g.lifeNow(now), g.fly)
	if err != nil {
		return Answer{}, err
	}
	return g.landed(ctx, joined[0], known)
}

// GetAll returns an outcome for each of keys, in their order.
func (g *Group) GetAll(ctx context.Context, keys []Key) []Outcome {
	now := g.cache.config.Clock.Now()
	outcomes := make([]Outcome, len(keys))
	var missing []Key
	var places []int
	var former []*entry
	for i, key := range keys {
		known, found := g.fromMemory(key, now)
		if !found {
			missing, places, former = append(missing, key), append(places, i), append(former, known)
			continue
		}
		outcomes[i] = Outcome{known.answer(now), known.err}
	}
	if len(missing) == 0 {
		return outcomes
	}
	joined, err := g.cache.flights.join(missing, g.lifeNow(now), g.fly)
	for i, place := range places {
		if err != nil {
			outcomes[place].Err = err
			continue
		}
		outcomes[place].Answer, outcomes[place].Err = g.landed(ctx, joined[i], former[i])
	}
	return outcomes
}

// fromMemory finds what is fresh, and what just stopped being so while it is read anew. Without either it returns
// what is known from before.
func (g *Group) fromMemory(key Key, now time.Time) (known *entry, found bool) {
	known, ok := g.cache.memoryOf(key).GetIfPresent(key)
	if !ok {
		return nil, false
	}
	if known.fresh(now) {
		g.inMemory.Inc()
		return known, true
	}
	if !known.revalidating(now) {
		return known, false
	}
	if _, err := g.cache.flights.join([]Key{key}, g.lifeNow(now), g.fly); err != nil {
		return known, false
	}
	g.inMemory.Inc()
	return known, true
}

func (g *Group) lifeNow(now time.Time) func(Key) Life {
	return func(key Key) Life { return g.config.Life(key, now) }
}

// landed waits for a flight, not longer than patience when there is something older that will do.
func (g *Group) landed(ctx context.Context, waited *flight, known *entry) (Answer, error) {
	var patience <-chan time.Time
	if known.usable(g.cache.config.Clock.Now()) {
		timer := time.NewTimer(g.cache.config.WaitForOthers)
		defer timer.Stop()
		patience = timer.C
	}
	select {
	case <-waited.done:
		e := waited.entry
		return e.answer(g.cache.config.Clock.Now()), e.err
	case <-patience:
		g.cache.stale.Inc()
		old := known.answer(g.cache.config.Clock.Now())
		old.Stale = true
		return old, nil
	case <-ctx.Done():
		return Answer{}, problem.Unavailable.New("the request ended before its data arrived").Because(ctx.Err())
	}
}

// land remembers the entry before it lands the flight, so that no reader finds neither.
func (g *Group) land(fl *flight, e *entry) {
	g.cache.memoryOf(fl.key).Set(fl.key, e)
	g.cache.flights.land(fl, e)
}

// build makes the entry of a record that was current at asOf for another fresh.
func (g *Group) build(fl *flight, record *Record, until time.Time) *entry {
	if record.Unknown() {
		return &entry{err: g.config.Unknown(fl.key), asOf: record.AsOf, life: fl.life, until: until}
	}
	value, err := g.config.Build(fl.key, record)
	if err != nil {
		return &entry{err: problem.From(err), asOf: record.AsOf, life: fl.life, until: until}
	}
	return &entry{value: value, asOf: record.AsOf, life: fl.life, until: until}
}

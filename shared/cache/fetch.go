package cache

import (
	"context"
	"time"
)

// fly lands all flights, from the cheapest place that has the value.
func (g *Group) fly(own []*flight) {
	ctx, cancel := context.WithTimeout(g.cache.life, g.cache.config.FetchTimeout)
	defer cancel()
	own = g.fromMemoryAgain(own)
	if len(own) == 0 {
		return
	}
	busy := g.claim(ctx, own)
	if len(busy) > 0 {
		g.waitForOthers(ctx, busy)
	}
}

// fromMemoryAgain lands what is fresh in memory after all: another flight may have landed since the reader looked.
func (g *Group) fromMemoryAgain(own []*flight) []*flight {
	now := g.cache.config.Clock.Now()
	rest := own[:0]
	for _, fl := range own {
		known, ok := g.cache.memoryOf(fl.key).GetIfPresent(fl.key)
		if ok && known.fresh(now) {
			g.inMemory.Inc()
			g.cache.flights.land(fl, known)
			continue
		}
		fl.former = known
		rest = append(rest, fl)
	}
	return rest
}

// claim lands what Redis has fresh, hands what is this instance's to fetch to the batch, and returns what another
// instance is fetching.
func (g *Group) claim(ctx context.Context, own []*flight) (busy []*flight) {
	var mine []*flight
	lives := make([]Life, len(own))
	for i, fl := range own {
		lives[i] = fl.life
	}
	for i, c := range g.cache.config.Shared.claim(ctx, keysOf(own), lives, g.cache.config.FetchTimeout) {
		fl := own[i]
		fl.record = c.record
		switch {
		case c.state == stateFresh && c.record != nil && g.landShared(fl):
			g.inRedis.Inc()
		case c.state == stateBusy:
			busy = append(busy, fl)
		default:
			fl.leased = c.leased
			mine = append(mine, fl)
		}
	}
	if len(mine) > 0 {
		g.batch.add(mine)
	}
	return busy
}

// landShared lands a fresh record of Redis. What can't be read is fetched as if it were not there.
func (g *Group) landShared(fl *flight) bool {
	now := g.cache.config.Clock.Now()
	left := fl.life.Fresh
	if fl.record.Unknown() {
		left = fl.life.Negative
	}
	if fl.record.AsOf.After(now) {
		fl.record.AsOf = now // read by a clock that is ahead of this one
	}
	e := g.build(fl, fl.record, now.Add(left-fl.record.Age))
	if e.value == nil && !fl.record.Unknown() {
		fl.record = nil
		return false
	}
	g.land(fl, e)
	return true
}

// waitForOthers looks again and again whether the other instance is done. When the time for that is over, what is
// known from before has to do, or this instance fetches it too.
func (g *Group) waitForOthers(ctx context.Context, busy []*flight) {
	patience, cancel := context.WithTimeout(ctx, g.cache.config.WaitForOthers)
	defer cancel()
	const first, longest = 2 * time.Millisecond, 20 * time.Millisecond
	for pause := first; len(busy) > 0; pause = min(2*pause, longest) {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
			busy = g.claim(ctx, busy)
			continue
		case <-patience.Done():
			timer.Stop()
		}
		var rest []*flight
		for _, fl := range busy {
			if !g.landFormer(fl) {
				rest = append(rest, fl)
			}
		}
		if len(rest) > 0 {
			g.batch.add(rest)
		}
		return
	}
}

// send fetches what a batch gathered and lands it.
func (g *Group) send(own []*flight) {
	ctx, cancel := context.WithTimeout(g.cache.life, g.cache.config.FetchTimeout)
	defer cancel()
	found, err := g.config.Fetch(ctx, keysOf(own))
	if err != nil {
		g.landFailed(ctx, own, err)
		return
	}
	now := g.cache.config.Clock.Now()
	writes := make([]entryWrite, len(own))
	for i, fl := range own {
		fields, known := found[fl.key]
		span := fl.life.Fresh
		if !known {
			fields, span = unknownFields(), fl.life.Negative
		}
		g.upstream.Inc()
		g.land(fl, g.build(fl, fields.record(now), now.Add(span)))
		writes[i] = entryWrite{key: fl.key, fields: fields, asOf: now, keep: fl.life.keep(!known), release: fl.leased}
	}
	// Also when the time for the read is over. A failure is counted and logged there; readers have their answer.
	_ = g.cache.config.Shared.put(context.WithoutCancel(ctx), writes)
}

// landFailed lands older values where there are any that are not too old, and the error elsewhere.
func (g *Group) landFailed(ctx context.Context, own []*flight, err error) {
	now := g.cache.config.Clock.Now()
	var leased []Key
	for _, fl := range own {
		if fl.leased {
			leased = append(leased, fl.key)
		}
		if !g.landFormer(fl) {
			g.upstream.Inc()
			g.land(fl, &entry{err: err, life: fl.life, until: now.Add(fl.life.retry())})
		}
	}
	g.cache.config.Shared.release(context.WithoutCancel(ctx), leased)
}

// landFormer lands the newest of what was known before, as stale, when it is not too old.
func (g *Group) landFormer(fl *flight) bool {
	now := g.cache.config.Clock.Now()
	until := now.Add(fl.life.retry())
	former := fl.former
	if fl.record != nil && !fl.record.Unknown() && (former == nil || fl.record.AsOf.After(former.asOf)) {
		former = g.build(fl, fl.record, until)
	}
	if !former.usable(now) {
		return false
	}
	g.cache.stale.Inc()
	g.land(fl, former.outdated(until))
	return true
}

func keysOf(own []*flight) []Key {
	keys := make([]Key, len(own))
	for i, fl := range own {
		keys[i] = fl.key
	}
	return keys
}

package killswitch

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

const (
	// watchEvery is how often an instance reads the switches: with the time of the reading well under a second.
	watchEvery = 300 * time.Millisecond
	// readTimeout bounds one reading.
	readTimeout = 500 * time.Millisecond
	// unknownAfter is how long a shard may not have been read before its accounts get no new orders.
	unknownAfter = time.Second
)

// Watch is an instance's copy of the switches. Create it with NewWatch and run Run; the rest may be used concurrently.
type Watch struct {
	store   *Store
	logger  *zap.Logger
	engaged *prometheus.GaugeVec

	mu    sync.RWMutex
	known map[string]State // by scope
	// seen is when each shard was read last; zero before Run.
	seen [store.Shards]time.Time
}

// NewWatch returns a copy that knows nothing yet.
func NewWatch(s *Store, logger *zap.Logger, registerer prometheus.Registerer) *Watch {
	w := &Watch{store: s, logger: logger, known: make(map[string]State), engaged: prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "kill_switch_engaged", Help: "Kill switches that are engaged, as this instance knows: of all accounts (0 or 1), and of single ones.",
	}, []string{"scope"})}
	registerer.MustRegister(w.engaged)
	return w
}

// Stops returns the engaged switch that stops an order of the account, its own or that of all; exit says that the order
// closes a position.
func (w *Watch) Stops(accountID string, exit bool) (State, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	for _, scope := range []string{All, accountID} {
		if state := w.known[scope]; state.Engaged && (!exit || !state.AllowCloses) {
			return state, true
		}
	}
	return State{}, false
}

// Unknown reports that the account's switches could not be read for a second: Redis, or its part with the account, is
// away, and nobody needs to wait to find that out. It is false for a copy that is not kept by Run.
func (w *Watch) Unknown(accountID string) bool {
	w.mu.RLock()
	defer w.mu.RUnlock()
	seen := w.seen[store.Shard(accountID)]
	return !seen.IsZero() && time.Since(seen) > unknownAfter
}

// begin counts the time from which on the switches should be known.
func (w *Watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for shard := range w.seen {
		w.seen[shard] = time.Now()
	}
}

// Run keeps the copy until ctx ends.
func (w *Watch) Run(ctx context.Context) {
	w.begin()
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	away := false
	for {
		err := w.Refresh(ctx)
		if err != nil && !away && ctx.Err() == nil {
			w.logger.Warn("kill switches not read; the last known hold, and no order passes without Redis", zap.Error(err))
		}
		away = err != nil
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Refresh reads the switches once. What Redis lost of them it gets back.
func (w *Watch) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	found, err := w.store.Read(ctx)
	w.learn(found)
	for shard, switches := range found {
		if switches == nil { // not read
			continue
		}
		for scope, state := range w.lostBy(shard, switches) {
			parts := strings.SplitN(state.record, "|", 3)
			if restored := w.store.set(ctx, shard, scope, parts[0], parts[2], parts[1], "", nil); restored != nil {
				return restored
			}
			w.logger.Warn("kill switch restored: redis did not have it", zap.String("scope", scope), zap.Int("shard", shard))
		}
	}
	return err
}

// learn takes over what is later than what is known.
func (w *Watch) learn(found [store.Shards]map[string]State) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for shard, switches := range found {
		if switches != nil && !w.seen[shard].IsZero() {
			w.seen[shard] = time.Now()
		}
		for scope, state := range switches {
			if known, ok := w.known[scope]; !ok || state.version > known.version {
				w.known[scope] = state
				if known.At.Equal(state.At) { // the same, of another shard
					continue
				}
				w.logger.Warn("kill switch", zap.String("scope", scope), zap.Bool("engaged", state.Engaged),
					zap.String("reason", state.Reason), zap.String("by", state.By))
			}
		}
	}
	all, single := 0, 0
	for scope, state := range w.known {
		switch {
		case !state.Engaged:
		case scope == All:
			all = 1
		default:
			single++
		}
	}
	w.engaged.WithLabelValues("all").Set(float64(all))
	w.engaged.WithLabelValues("account").Set(float64(single))
}

// lostBy are the switches that a shard should have and has not, or has older.
func (w *Watch) lostBy(shard int, has map[string]State) map[string]State {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var lost map[string]State
	for scope, state := range w.known {
		if scope != All && store.Shard(scope) != shard {
			continue
		}
		// The records of all differ by microseconds from shard to shard: each is as good as the other when they say the same.
		if own, ok := has[scope]; ok && (own.version >= state.version || own.At.Equal(state.At)) {
			continue
		}
		if lost == nil {
			lost = make(map[string]State)
		}
		lost[scope] = state
	}
	return lost
}

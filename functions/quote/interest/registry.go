// Package interest is how the instances that serve streams tell the feed what their clients watch: each has a set of
// topics in Redis that lives as long as it repeats its word, so that what a dead instance wanted vanishes by itself.
package interest

import (
	"context"
	_ "embed"
	"fmt"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

//go:embed declare.lua
var declareLua string

const (
	// DefaultLife is how long an instance's word counts; it is repeated three times within it.
	DefaultLife = 15 * time.Second
	// gather is how long changes are gathered: clients subscribe to many symbols at once.
	gather = 5 * time.Millisecond
	// topicsPerCall bounds one script call.
	topicsPerCall = 2000
)

// Registry declares what one instance watches. Create one with NewRegistry and call Run; Add and Remove may be called
// concurrently.
type Registry struct {
	client   redis.Scripter
	instance string
	life     time.Duration
	logger   *zap.Logger
	script   *redis.Script
	wake     chan struct{}

	mu     sync.Mutex
	wanted map[tick.Topic]bool
	// changed are the topics to be told of: true to add, false to remove.
	changed map[tick.Topic]bool
}

// NewRegistry returns the registry of an instance, a name no other process has.
func NewRegistry(client redis.Scripter, instance string, life time.Duration, logger *zap.Logger) *Registry {
	return &Registry{
		client: client, instance: instance, life: life, logger: logger, script: redis.NewScript(declareLua),
		wake: make(chan struct{}, 1), wanted: make(map[tick.Topic]bool), changed: make(map[tick.Topic]bool),
	}
}

// Add says that somebody here watches the topics.
func (r *Registry) Add(topics ...tick.Topic) { r.change(topics, true) }

// Remove says that nobody here watches the topics any more.
func (r *Registry) Remove(topics ...tick.Topic) { r.change(topics, false) }

func (r *Registry) change(topics []tick.Topic, want bool) {
	r.mu.Lock()
	for _, topic := range topics {
		if r.wanted[topic] == want {
			continue
		}
		if want {
			r.wanted[topic] = true
		} else {
			delete(r.wanted, topic)
		}
		r.changed[topic] = want
	}
	pending := len(r.changed) > 0
	r.mu.Unlock()
	if !pending {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// Run tells the feed until ctx ends, and then withdraws.
func (r *Registry) Run(ctx context.Context) {
	repeat := time.NewTicker(r.life / 3)
	defer repeat.Stop()
	known, told := false, false // the latter stays: a failed call may have arrived
	for {
		select {
		case <-ctx.Done():
			r.withdraw(ctx, told)
			return
		case <-repeat.C:
		case <-r.wake:
			r.pause(ctx)
		}
		if !known && r.idle() {
			continue // an instance without clients says nothing
		}
		told = true
		var err error
		if known, err = r.tell(ctx, known); err != nil && ctx.Err() == nil {
			r.logger.Warn("interest not declared", zap.Error(err))
		}
	}
}

func (r *Registry) pause(ctx context.Context) {
	timer := time.NewTimer(gather)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

func (r *Registry) idle() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.wanted) == 0
}

// tell sends what changed, or everything when the feed's side has forgotten this instance or has another number of
// topics of it: a replica that became the master lacks what the former one acknowledged last. It reports whether the
// instance is known now; after a failure everything is told again.
func (r *Registry) tell(ctx context.Context, known bool) (bool, error) {
	if known {
		changed, total := r.takeChanged()
		stillKnown, err := r.declare(ctx, "delta", changed, total)
		if err != nil || stillKnown {
			return err == nil, err
		}
	}
	r.mu.Lock()
	clear(r.changed)
	all := make(map[tick.Topic]bool, len(r.wanted))
	for topic := range r.wanted {
		all[topic] = true
	}
	r.mu.Unlock()
	return r.declare(ctx, "full", all, len(all))
}

// takeChanged returns what is to be told, and how many topics there are after it.
func (r *Registry) takeChanged() (taken map[tick.Topic]bool, total int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken = r.changed
	r.changed = make(map[tick.Topic]bool)
	return taken, len(r.wanted)
}

// declare sends topics, and reports whether the feed's side knows this instance with total topics after that.
func (r *Registry) declare(ctx context.Context, mode string, topics map[tick.Topic]bool, total int) (bool, error) {
	add, remove := make([]any, 0, len(topics)), []any(nil)
	for topic, want := range topics {
		if want {
			add = append(add, topic.String())
		} else {
			remove = append(remove, topic.String())
		}
	}
	for {
		adding, removing := take(&add), take(&remove)
		args := []any{r.instance, r.life.Milliseconds(), mode, store.InterestChannel(), len(adding)}
		args = append(append(args, adding...), removing...)
		held, err := r.script.Run(ctx, r.client,
			[]string{store.InterestInstancesKey(), store.InterestVersionsKey(), store.InterestKey(r.instance)}, args...).Int()
		if err != nil {
			return false, fmt.Errorf("declare interest: %w", err)
		}
		if held < 0 || len(add)+len(remove) == 0 {
			return held == total, nil
		}
		mode = "delta"
	}
}

// take cuts the next call's share off.
func take(rest *[]any) []any {
	n := min(len(*rest), topicsPerCall)
	part := (*rest)[:n]
	*rest = (*rest)[n:]
	return part
}

// withdraw says at once that nothing is watched here any more.
func (r *Registry) withdraw(ctx context.Context, told bool) {
	if !told {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if _, err := r.declare(ctx, "full", nil, 0); err != nil {
		r.logger.Info("interest not withdrawn: it ends by itself", zap.Error(err))
	}
}

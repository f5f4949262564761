package feed

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

const (
	// symbolsPerPoll is how many stocks or pairs one call reads.
	symbolsPerPoll = 500
	// callsPerRound leaves the account's budget for the data API to others: with the default interval it is 60 a minute.
	callsPerRound = 5
)

// poller reads the latest values of what the data plan has no room for in the stream, every few seconds, so that its
// clients get something rather than nothing, and price watches fire.
type poller struct {
	*upstream
	seen map[tick.Topic]time.Time // the market time of the last value of each; it belongs to the goroutine of run

	mu     sync.Mutex
	topics []tick.Topic // guarded by mu
}

func newPoller(u *upstream) *poller {
	return &poller{upstream: u, seen: make(map[tick.Topic]time.Time)}
}

// set says what to read. It may be called concurrently.
func (p *poller) set(topics []tick.Topic) {
	p.mu.Lock()
	p.topics = topics
	p.mu.Unlock()
}

func (p *poller) now() []tick.Topic {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.topics
}

// run reads until ctx ends.
func (p *poller) run(ctx context.Context) {
	ticker := time.NewTicker(p.config.PollInterval)
	defer ticker.Stop()
	for round := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if topics := p.now(); len(topics) > 0 {
			p.round(ctx, topics, round)
			round++
		}
	}
}

// round makes the calls of one interval; with more to read than they have room for the next rounds go on.
func (p *poller) round(ctx context.Context, topics []tick.Topic, round int) {
	of := make(map[string][]tick.Topic, len(topics))
	for _, topic := range topics {
		of[topic.Symbol] = append(of[topic.Symbol], topic)
	}
	maps.DeleteFunc(p.seen, func(topic tick.Topic, _ time.Time) bool { return !slices.Contains(of[topic.Symbol], topic) })
	most := symbolsPerPoll
	if p.class == tick.Option {
		most = alpaca.MaxOptionSymbols
	}
	calls := slices.Collect(slices.Chunk(slices.Sorted(maps.Keys(of)), most))
	for i := range min(callsPerRound, len(calls)) {
		symbols := calls[(round*callsPerRound+i)%len(calls)]
		if err := p.read(ctx, symbols, of); err != nil && ctx.Err() == nil {
			p.metrics.failed(failurePoll)
			p.platform.Logger.Warn("feed: symbols beyond the plan's limit not read", zap.Stringer("class", p.class), zap.Error(err))
		}
	}
}

// read makes one call and publishes what is new.
func (p *poller) read(ctx context.Context, symbols []string, of map[string][]tick.Topic) error {
	credentials, err := p.credentials(ctx)
	if err != nil {
		return err
	}
	found, err := p.snapshots(ctx, credentials, symbols)
	if err != nil {
		return err
	}
	for symbol, snapshot := range found {
		for _, topic := range of[symbol] {
			if e, ok := tick.FromSnapshot(topic, &snapshot); ok && e.At.After(p.seen[topic]) {
				p.seen[topic] = e.At
				p.publish(&e)
			}
		}
	}
	return nil
}

func (p *poller) snapshots(ctx context.Context, credentials alpaca.Credentials, symbols []string) (map[string]alpaca.Snapshot, error) {
	source := p.sources[p.class][p.source].Name
	switch p.class {
	case tick.Option:
		return p.platform.Alpaca.OptionSnapshots(ctx, credentials, symbols, source)
	case tick.Crypto:
		return p.platform.Alpaca.CryptoSnapshots(ctx, credentials, symbols, source)
	default:
		return p.platform.Alpaca.Snapshots(ctx, credentials, symbols, restFeed(source))
	}
}

// restFeed is the feed parameter that belongs to a stream.
func restFeed(source string) string {
	if source == "test" {
		return "iex"
	}
	return source
}

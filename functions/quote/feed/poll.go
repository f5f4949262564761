package feed

import (
	"context"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// poller reads the latest values of the stocks that the data plan has no room for in the stream: one request for 500
// symbols every few seconds, so that their clients get something rather than nothing.
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

// run reads until ctx ends. Only stocks have a symbol limit that matters.
func (p *poller) run(ctx context.Context) {
	if p.class != tick.Stock {
		return
	}
	ticker := time.NewTicker(p.config.PollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		if topics := p.now(); len(topics) > 0 {
			p.read(ctx, topics)
		}
	}
}

func (p *poller) read(ctx context.Context, topics []tick.Topic) {
	credentials, err := p.credentials(ctx)
	if err == nil {
		err = p.readSnapshots(ctx, credentials, topics)
	}
	if err != nil && ctx.Err() == nil {
		p.metrics.failed(failurePoll)
		p.platform.Logger.Warn("feed: symbols beyond the plan's limit not read", zap.Error(err))
	}
}

func (p *poller) readSnapshots(ctx context.Context, credentials alpaca.Credentials, topics []tick.Topic) error {
	symbols := make(map[string]bool, len(topics))
	var list []string
	for _, topic := range topics {
		if !symbols[topic.Symbol] {
			symbols[topic.Symbol] = true
			list = append(list, topic.Symbol)
		}
	}
	found, err := p.platform.Alpaca.Snapshots(ctx, credentials, list, restFeed(p.sources[p.class][p.source].Name))
	if err != nil {
		return err
	}
	for _, topic := range topics {
		snapshot, ok := found[topic.Symbol]
		if !ok {
			continue
		}
		if e, ok := tick.FromSnapshot(topic, &snapshot); ok && e.At.After(p.seen[topic]) {
			p.seen[topic] = e.At
			p.publish(&e)
		}
	}
	return nil
}

// restFeed is the feed parameter that belongs to a stream.
func restFeed(source string) string {
	if source == "test" {
		return "iex"
	}
	return source
}

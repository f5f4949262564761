// Package feed is the event source of market data: on one instance at a time it holds the one connection that Alpaca
// allows to each of its market-data streams, subscribes to what clients of all instances watch, and publishes every
// tick to them. It also watches price levels, whose crossing it emits as CloudEvents.
package feed

import (
	"context"
	"fmt"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/marketfeed"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Function is the feed with the face of a function: probes and metrics over HTTP, its work in the background.
type Function struct {
	platform *platform.Platform
	router   *serve.Router
	feed     *feed
}

var _ serve.Function = (*Function)(nil)

// feed is what the parts of the feed share.
type feed struct {
	platform *platform.Platform
	config   Config
	sources  map[tick.Class][]marketfeed.Source
	dialer   *marketfeed.Dialer
	shared   *cache.Shared
	metrics  *metrics
}

// New builds the feed without touching the network.
func New(cfg Config, d platform.Dependencies) (*Function, error) {
	cfg = cfg.withDefaults()
	sources, err := cfg.sources()
	if err != nil {
		return nil, err
	}
	p, err := platform.New(cfg.Config, d)
	if err != nil {
		return nil, err
	}
	dialer, err := marketfeed.NewDialer(marketfeed.Config{DataURL: cfg.DataURL, Codec: cfg.Codec, Timeout: cfg.UpstreamTimeout})
	if err != nil {
		return nil, fmt.Errorf("ALPACA_DATA_URL or FEED_CODEC: %w", err)
	}
	f := &feed{
		platform: p, config: cfg, sources: sources, dialer: dialer, metrics: newMetrics(d.Registerer),
		shared: cache.NewShared(p.Redis, cache.DefaultRedisTimeout, d.Clock, d.Logger, d.Registerer),
	}
	return &Function{platform: p, router: p.NewRouter("Opitios Alpaca: market-data feed"), feed: f}, nil
}

// Start reads the accounts and begins to stand by.
func (f *Function) Start(ctx context.Context) error {
	if err := f.platform.Start(ctx); err != nil {
		return err
	}
	f.platform.Go(f.feed.run)
	return nil
}

// ServeHTTP answers /metrics.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.router.ServeHTTP(w, r) }

// Ready reports whether the feed is at work or stands by.
func (f *Function) Ready(ctx context.Context) (bool, error) { return f.platform.Ready(ctx) }

// Alive reports whether the process should go on.
func (f *Function) Alive(ctx context.Context) (bool, error) { return f.platform.Alive(ctx) }

// Stop closes the upstream sockets and gives the lease back, so that another instance goes on at once.
func (f *Function) Stop(ctx context.Context) error { return f.platform.Stop(ctx) }

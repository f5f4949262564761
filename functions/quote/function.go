package quote

import (
	"context"
	"fmt"
	"net/http"

	"github.com/maypok86/otter/v2"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// Function is the quote function. Its methods may be called concurrently once it is started.
type Function struct {
	platform *platform.Platform
	router   *serve.Router
	reader   *reader
}

var _ serve.Function = (*Function)(nil)

// New builds the function without touching the network.
func New(cfg Config, d platform.Dependencies) (*Function, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p, err := platform.New(cfg.Config, d)
	if err != nil {
		return nil, err
	}
	reader, err := newReader(cfg, p, d)
	if err != nil {
		return nil, err
	}
	f := &Function{platform: p, router: p.NewRouter("Opitios Alpaca: quotes"), reader: reader}
	f.register(cfg)
	return f, nil
}

func newReader(cfg Config, p *platform.Platform, d platform.Dependencies) (*reader, error) {
	memory, err := otter.New(&otter.Options[string, *entry]{MaximumSize: cfg.CacheSize})
	if err != nil {
		return nil, fmt.Errorf("make the quote cache: %w", err)
	}
	stale := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "quote_stale_total", Help: "Reads that failed upstream and were answered with an older quote.",
	})
	d.Registerer.MustRegister(stale)
	r := &reader{
		memory: memory, shared: newSharedCache(p.Redis, cfg, d.Logger, d.Registerer), config: cfg, clock: d.Clock,
		upstream: &upstream{client: p.Alpaca, accounts: p.Accounts, feed: cfg.Feed},
		metrics:  telemetry.NewCache(d.Registerer), stale: stale,
	}
	r.life, r.cancel = context.WithCancel(context.Background())
	return r, nil
}

// Start reads the accounts and opens the connections.
func (f *Function) Start(ctx context.Context) error { return f.platform.Start(ctx) }

// ServeHTTP answers one request.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.router.ServeHTTP(w, r) }

// Ready reports whether quotes can be answered.
func (f *Function) Ready(ctx context.Context) (bool, error) { return f.platform.Ready(ctx) }

// Alive reports whether the process should go on.
func (f *Function) Alive(ctx context.Context) (bool, error) { return f.platform.Alive(ctx) }

// Stop ends the reads under way and closes the connections.
func (f *Function) Stop(ctx context.Context) error {
	f.reader.stop()
	return f.platform.Stop(ctx)
}

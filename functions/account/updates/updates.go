// Package updates is the event source of the accounts: it holds a trade-update stream at Alpaca for every account
// that has open orders, and turns what it hears into CloudEvents. Leases decide which instance follows which account.
package updates

import (
	"context"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// Function is the event source with the face of a function: probes and metrics over HTTP, its work in the background.
type Function struct {
	platform *platform.Platform
	router   *serve.Router
	source   *source
}

var _ serve.Function = (*Function)(nil)

// New builds the event source without touching the network. Without a sink it fails.
func New(cfg Config, d platform.Dependencies) (*Function, error) {
	if cfg.Sink == "" {
		return nil, errSink
	}
	p, err := platform.New(cfg.Config, d)
	if err != nil {
		return nil, err
	}
	return &Function{
		platform: p, router: p.NewRouter("Opitios Alpaca: account updates"),
		source: newSource(p, cfg.withDefaults(), newMetrics(d.Registerer)),
	}, nil
}

// Start reads the accounts and begins to follow those that are active.
func (f *Function) Start(ctx context.Context) error {
	if err := f.platform.Start(ctx); err != nil {
		return err
	}
	f.platform.Go(f.source.run)
	return nil
}

// ServeHTTP answers /metrics.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.router.ServeHTTP(w, r) }

// Ready reports whether the source is at work.
func (f *Function) Ready(ctx context.Context) (bool, error) { return f.platform.Ready(ctx) }

// Alive reports whether the process should go on.
func (f *Function) Alive(ctx context.Context) (bool, error) { return f.platform.Alive(ctx) }

// Stop closes the streams, gives the leases back and publishes what is left in the outbox.
func (f *Function) Stop(ctx context.Context) error { return f.platform.Stop(ctx) }

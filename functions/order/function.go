// Package order is the order function. An order's life here (DESIGN section 7): validate, reserve the intent (one
// Redis round trip), submit once, settle the intent together with its event (the second), answer. A submit whose
// outcome is unknown is looked up before anything is sent again.
package order

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/intent"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// Config is the order function's configuration.
type Config struct {
	platform.Config
	// SweepEvery is how often intents that a dead instance left behind are looked for.
	SweepEvery time.Duration `env:"SWEEP_EVERY" envDefault:"5s"`
	// IntentLease is how long an instance has an order to itself, counted anew from each submit: it covers the submit
	// and one look-up. After it others settle the order.
	IntentLease time.Duration `env:"INTENT_LEASE" envDefault:"15s"`
	// IntentReplicas is how many replicas of Redis must have an order's intent before the order is sent; with fewer
	// it is refused with 503. 0 does not wait: a failover that loses the intent is then caught by Alpaca's own check
	// of client order IDs alone. IntentReplicaTimeout is how long the replicas have.
	IntentReplicas       int           `env:"INTENT_REPLICAS" envDefault:"0"`
	IntentReplicaTimeout time.Duration `env:"INTENT_REPLICA_TIMEOUT" envDefault:"100ms"`
	// RedisTimeout bounds each of an order's two round trips: without Redis an order is refused at once, never held.
	RedisTimeout time.Duration `env:"REDIS_TIMEOUT" envDefault:"150ms"`
}

// Validate checks what the types can't.
func (c *Config) Validate() error {
	if c.Sink == "" {
		return errors.New("K_SINK: required, the broker that order events go to")
	}
	if c.SweepEvery <= 0 {
		return errors.New("SWEEP_EVERY: must be greater than 0")
	}
	if c.RedisTimeout <= 0 {
		return errors.New("REDIS_TIMEOUT: must be greater than 0")
	}
	if c.IntentReplicas < 0 {
		return errors.New("INTENT_REPLICAS: must not be negative")
	}
	if c.IntentReplicas > 0 && (c.IntentReplicaTimeout <= 0 || c.IntentReplicaTimeout >= c.RedisTimeout) {
		return errors.New("INTENT_REPLICA_TIMEOUT: must be greater than 0 and less than REDIS_TIMEOUT")
	}
	if c.IntentLease <= 2*c.UpstreamTimeout+4*c.RedisTimeout {
		return errors.New("INTENT_LEASE: must be more than twice UPSTREAM_TIMEOUT and four times REDIS_TIMEOUT together, " +
			"or an order that is only slow is taken over")
	}
	return c.Config.Validate()
}

// Function is the order function. Create one with New; after Start it may be used concurrently.
type Function struct {
	*platform.Platform
	config  Config
	router  *serve.Router
	intents *intent.Store
	proofs  *auth.ProofVerifier
	metrics *telemetry.Orders

	kill     *killswitch.Watch
	ledger   *ledger
	ceilings *ceilings
	prices   *prices
	refusals *prometheus.CounterVec
}

var _ serve.Function = (*Function)(nil)

// New builds the function without touching the network.
func New(cfg Config, d platform.Dependencies) (*Function, error) {
	base, err := platform.New(cfg.Config, d)
	if err != nil {
		return nil, err
	}
	f := &Function{
		Platform: base, config: cfg,
		metrics: telemetry.NewOrders(d.Registerer, cfg.MetricsPerAccount),
	}
	f.kill = killswitch.NewWatch(killswitch.NewStore(base.Redis), d.Logger, d.Registerer)
	f.ledger, f.prices = newLedger(base), newPrices(base, cfg.RedisTimeout)
	f.ceilings = newCeilings(base, &cfg, d.Registerer)
	f.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "risk_refusals_total", Help: "Orders that a risk control refused, or that it could not check.",
	}, []string{"control"})
	d.Registerer.MustRegister(f.refusals)
	f.intents = intent.NewStore(base.Redis, f.intentConfig())
	if f.proofs, err = auth.NewProofVerifier(base.Keys, vault.Secrets{Accounts: base.Accounts}, d.Clock); err != nil {
		return nil, err
	}
	f.router = base.NewRouter("Opitios Alpaca: orders")
	f.routes()
	platform.Events(f.router, f.receiver())
	return f, nil
}

// Start begins the background work, the sweeper included.
func (f *Function) Start(ctx context.Context) error {
	if err := f.Platform.Start(ctx); err != nil {
		return err
	}
	f.Go(f.kill.Run)
	f.Go(f.sweepRegularly)
	f.Go(f.keepCeilings)
	return nil
}

// ServeHTTP answers one request.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.router.ServeHTTP(w, r) }

// OpenAPI returns the function's OpenAPI 3.1 document.
func (f *Function) OpenAPI() ([]byte, error) { return f.router.OpenAPI() }

package platform

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/controls"
	"github.com/opitios-ai/alpaca-knative/shared/datakeys"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/hours"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/outbox"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
	"github.com/opitios-ai/alpaca-knative/shared/tlsticket"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// Dependencies are what the process gives a function. All are required.
type Dependencies struct {
	Logger     *zap.Logger
	Registerer prometheus.Registerer
	// Gatherer is what the function's /metrics shows.
	Gatherer prometheus.Gatherer
	Clock    clock.Clock
	// HTTP are the metrics of the function's HTTP face, which its server shares.
	HTTP *telemetry.HTTP
}

// NewDependencies registers the HTTP metrics with registerer and returns the whole.
func NewDependencies(logger *zap.Logger, registerer prometheus.Registerer, gatherer prometheus.Gatherer, clk clock.Clock) Dependencies {
	return Dependencies{Logger: logger, Registerer: registerer, Gatherer: gatherer, Clock: clk, HTTP: telemetry.NewHTTP(registerer)}
}

// Platform is the common part of a function, ready to be used by its handlers after Start. Its fields don't change
// and may be used concurrently.
type Platform struct {
	Config   Config
	Logger   *zap.Logger
	Clock    clock.Clock
	Redis    store.Client
	Keys     *auth.Keys
	Verifier *auth.Verifier
	// Revocations are those that Verifier asks, kept by its Run.
	Revocations *auth.RedisRevocations
	Accounts    vault.Store
	// DataKeys are the key pairs for reads that are nobody's own.
	DataKeys *datakeys.Pool
	Alpaca   *alpaca.Client
	Bucket   *bucket.Bucket
	// Upstream is what Alpaca allows the accounts; the client takes every request from it.
	Upstream *bucket.Upstream
	// Controls are the limits and risk controls that operators set.
	Controls *controls.File
	Leases   *lease.Leases
	// Hours knows which session the exchange is in.
	Hours *hours.Watch
	// Publisher posts to the broker, and Relay drains the outbox through it; both are nil without a sink.
	Publisher *event.Publisher
	Relay     *outbox.Relay

	limits       *bucket.Limits
	sessions     *tlsticket.Cache // of TLS; nil where they are not shared
	sink         *http.Transport  // to the broker; nil without a sink
	dependencies Dependencies
	life         context.Context //nolint:containedctx // of the background work: it ends with Stop, not with a request
	cancel       context.CancelFunc
	background   sync.WaitGroup
}

// New builds everything without touching the network or a file other than the key set.
func New(cfg Config, d Dependencies) (*Platform, error) {
	p := &Platform{Config: cfg, Logger: d.Logger, Clock: d.Clock, dependencies: d}
	p.life, p.cancel = context.WithCancel(context.Background())
	var err error
	if p.Redis, err = store.Open(cfg.RedisURL.Reveal(), store.Options{}); err != nil {
		return nil, err
	}
	p.Keys, err = auth.LoadKeys(auth.KeyConfig{
		Secret: cfg.JWTSecret.Reveal(), KeysFile: cfg.JWTKeysFile, SigningKeyID: cfg.JWTSigningKey, Algorithms: cfg.JWTAlgorithms,
	})
	if err != nil {
		return nil, err
	}
	p.Revocations = auth.NewRedisRevocations(p.Redis, d.Clock)
	p.Verifier, err = auth.NewVerifier(p.Keys, p.Revocations, d.Clock, auth.WithLogger(d.Logger), auth.WithMetrics(d.Registerer))
	if err != nil {
		return nil, err
	}
	p.Controls = controls.NewFile(cfg.ControlsFile, cfg.MinCash, d.Clock, d.Logger, d.Registerer)
	p.Upstream = bucket.NewUpstream(p.Redis, bucket.UpstreamConfig{
		Allowance: p.Allowance, Lateness: cfg.UpstreamTimeout, Clock: d.Clock, Logger: d.Logger,
	})
	sessions, err := p.openSessions()
	if err != nil {
		return nil, err
	}
	p.Alpaca, err = alpaca.New(
		alpaca.Config{
			TLS:        sessions,
			TradingURL: cfg.TradingURL, DataURL: cfg.DataURL, AllowClearText: cfg.AllowClearText, Timeout: cfg.UpstreamTimeout, MetricsPerAccount: cfg.MetricsPerAccount,
		},
		alpaca.Dependencies{Logger: d.Logger, Registerer: d.Registerer, Clock: d.Clock, Budget: p.Upstream})
	if err != nil {
		return nil, err
	}
	p.Accounts = openAccounts(cfg, d)
	p.DataKeys = datakeys.New(p.Accounts, d.Clock, d.Logger, d.Registerer)
	p.Bucket = bucket.New(p.Redis)
	p.limits = bucket.NewLimits(p.Bucket, bucket.LimitsConfig{Rates: p.rate, Clock: d.Clock, Logger: d.Logger})
	p.Leases = lease.New(p.Redis, ulid.Make().String())
	p.Hours, err = hours.New(hours.Config{Source: marketClock{p}, Redis: p.Redis, Clock: d.Clock, Logger: d.Logger})
	if err != nil {
		return nil, err
	}
	return p, p.openRelay()
}

func (p *Platform) openRelay() error {
	if p.Config.Sink == "" {
		return nil
	}
	p.sink = &http.Transport{Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: outbox.Concurrency, IdleConnTimeout: time.Minute}
	publisher, err := event.NewPublisher(p.Config.Sink, &http.Client{Transport: p.sink, Timeout: event.DefaultPublishTimeout})
	if err != nil {
		return fmt.Errorf("K_SINK: %w", err)
	}
	p.Publisher = publisher
	p.Relay = outbox.New(p.Redis, p.Leases, publisher, p.Logger)
	return nil
}

// NewRouter returns a router for the function's operations that serves /metrics already.
func (p *Platform) NewRouter(title string) *serve.Router {
	router := serve.NewRouter(serve.RouterConfig{
		Title: title, Authenticator: p.Verifier, Limits: p.limits, Clock: p.Clock, Logger: p.Logger, Metrics: p.dependencies.HTTP,
	})
	router.Mount("GET /metrics", promhttp.HandlerFor(p.dependencies.Gatherer, promhttp.HandlerOpts{}))
	return router
}

// NewReceiver returns the receiver of the function's events, which recognises repeats.
func (p *Platform) NewReceiver() *event.Receiver {
	return event.NewReceiver(event.ReceiverConfig{
		Logger: p.Logger, Registerer: p.dependencies.Registerer, Clock: p.Clock,
		Deduper: event.NewDeduper(p.Redis, event.DeduperConfig{}),
	})
}

// Start reads the accounts and begins the background work. Connections are opened beside it: neither Redis nor
// Alpaca being away keeps a function from starting.
func (p *Platform) Start(context.Context) error {
	p.Go(p.warm)
	if err := errors.Join(p.Accounts.Load(), p.Controls.Load()); err != nil {
		return err
	}
	p.Go(func(ctx context.Context) {
		if err := p.Verifier.Run(ctx); err != nil && ctx.Err() == nil {
			p.Logger.Error("revocations are not watched", zap.Error(err))
		}
	})
	p.Go(p.Hours.Run)
	if p.Relay != nil {
		p.Go(p.Relay.Run)
	}
	return nil
}

// Go runs work in the background; its context ends with Stop, which waits for it.
func (p *Platform) Go(work func(context.Context)) {
	p.background.Go(func() { work(p.life) })
}

// warm opens the connections that the first request will want.
func (p *Platform) warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	var both sync.WaitGroup
	both.Go(func() {
		if err := p.Redis.Ping(ctx).Err(); err != nil && ctx.Err() == nil {
			p.Logger.Warn("redis does not answer yet", zap.Error(err))
		}
	})
	both.Go(func() {
		if p.sessions != nil {
			p.sessions.Prefetch(ctx) // milliseconds at the most, and no request waits for it
		}
		if err := p.Alpaca.Warm(ctx); err != nil && ctx.Err() == nil {
			p.Logger.Warn("alpaca does not answer yet", zap.Error(err))
		}
	})
	both.Wait()
}

// Stop ends the background work, publishes what is left in the outbox, and closes the connections.
func (p *Platform) Stop(ctx context.Context) error {
	p.cancel()
	done := make(chan struct{})
	go func() {
		p.background.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done(): // what does not end in time must not keep the process
	}
	if err := p.limits.Refund(ctx); err != nil {
		p.Logger.Warn("leased tokens not refunded, they expire by themselves", zap.Error(err))
	}
	var flushErr error
	if p.Relay != nil {
		flushErr = p.Relay.Flush(ctx)
		p.sink.CloseIdleConnections()
	}
	p.Alpaca.Close()
	if p.sessions != nil {
		p.sessions.Close(ctx)
	}
	return errors.Join(flushErr, p.Redis.Close())
}

// Alive is true as long as the process can answer at all.
func (p *Platform) Alive(context.Context) (bool, error) { return true, nil }

// Ready is true after Start: a function without Redis still serves what it can, and says 503 where it can't.
func (p *Platform) Ready(context.Context) (bool, error) { return true, nil }

// Events mounts receiver where the Triggers deliver to.
func Events(router *serve.Router, receiver http.Handler) { router.Mount("POST /events", receiver) }

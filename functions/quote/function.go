package quote

import (
	"context"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/functions/quote/stream"
	"github.com/opitios-ai/alpaca-knative/functions/quote/watch"
	"github.com/opitios-ai/alpaca-knative/shared/cache"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// Function is the quote function. Its methods may be called concurrently once it is started.
type Function struct {
	config   Config
	platform *platform.Platform
	router   *serve.Router
	cache    *cache.Cache
	streams  *stream.Service
}

var (
	_ serve.Function = (*Function)(nil)
	_ serve.Drainer  = (*Function)(nil)
)

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
	memory, err := cache.New(cache.Config{
		Symbols: cfg.CacheSize, DocumentBytes: cfg.DocumentBytes, FetchTimeout: cfg.UpstreamTimeout, WaitForOthers: cfg.CacheWait,
		Shared: cache.NewShared(p.Redis, cfg.CacheRedisTimeout, d.Clock, d.Logger, d.Registerer), Clock: d.Clock, Registerer: d.Registerer,
	})
	if err != nil {
		return nil, err
	}
	f := &Function{config: cfg, platform: p, router: p.NewRouter("Opitios Alpaca: quotes"), cache: memory}
	f.register(cfg, d)
	return f, nil
}

// register makes the readers and their operations.
func (f *Function) register(cfg Config, d platform.Dependencies) {
	p := f.platform
	keys := p.DataKeys
	spans := &lives{config: cfg, sessions: p.Hours}
	classes := newClasses(cfg, p.Alpaca)
	stocks, options, crypto := classes[0], classes[1], classes[2]
	o := &operations{router: f.router, caching: newCaching(cfg, d.Clock)}
	now := d.Clock.Now

	past := &history{pool: keys, client: p.Alpaca, lives: spans, zone: p.Hours.Calendar().Location(), now: now}
	past.open(f.cache, classes)
	for _, c := range classes {
		c.open(f.cache, keys, spans)
		o.registerHistory(c, past)
	}
	o.registerLatest(stocks, [views]any{StockQuote{}, Trade{}, Bar{}, Snapshot{}}, [views]any{StockQuotes{}, Trades{}, Bars{}, Snapshots{}})
	o.registerLatest(options, [views]any{OptionQuote{}, Trade{}, Bar{}, Snapshot{}}, [views]any{OptionQuotes{}, Trades{}, Bars{}, Snapshots{}})
	o.registerLatest(crypto, [views]any{CryptoQuote{}, Trade{}, Bar{}, Snapshot{}}, [views]any{CryptoQuotes{}, Trades{}, Bars{}, Snapshots{}})
	o.registerPosts(stocks, options, crypto)

	chain := &chains{pool: keys, client: p.Alpaca, class: options, now: now}
	chain.open(f.cache, spans)
	o.registerChain(options, chain)
	depth := &books{pool: keys, client: p.Alpaca, class: crypto, now: now}
	depth.open(f.cache, spans)
	o.registerBook(crypto, depth)
	hours := &exchangeHours{source: p.MarketClock(), watch: p.Hours, lives: spans, now: now}
	hours.open(f.cache)
	o.registerMarket(hours)
	f.streams = stream.New(cfg.StreamConfig, p, d, newest(classes))
	f.streams.Register(f.router)
	watch.Register(f.router, p, or(cfg.WatchesPerAccount, defaultWatches))
}

// Start reads the accounts and opens the connections.
func (f *Function) Start(ctx context.Context) error {
	if err := f.platform.Start(ctx); err != nil {
		return err
	}
	if f.config.Streams {
		f.platform.Go(f.streams.Run)
	}
	return nil
}

// Drain ends the streams.
func (f *Function) Drain(ctx context.Context) { f.streams.Drain(ctx) }

// ServeHTTP answers one request.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.router.ServeHTTP(w, r) }

// Ready reports whether quotes can be answered.
func (f *Function) Ready(ctx context.Context) (bool, error) { return f.platform.Ready(ctx) }

// Alive reports whether the process should go on.
func (f *Function) Alive(ctx context.Context) (bool, error) { return f.platform.Alive(ctx) }

// Stop ends the reads under way and closes the connections.
func (f *Function) Stop(ctx context.Context) error {
	f.streams.Drain(ctx) // again, for a function that nobody drained
	f.cache.Stop()
	return f.platform.Stop(ctx)
}

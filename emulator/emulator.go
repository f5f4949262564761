// Package emulator is an Alpaca look-alike: one address that serves trading, market data and trade updates as Alpaca's
// paper environment does, so that the official SDKs work with nothing but another base URL. A second address has the
// emulator's own API under /emulator/: faults, prices, clock, and the audit of accepted orders.
package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/admin"
	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/data"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/fault"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/stream"
	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
	"github.com/opitios-ai/alpaca-knative/emulator/trading"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Errors of the test controls.
var (
	ErrUnknownSymbol = errors.New("unknown symbol")
	ErrPrice         = errors.New("price must be positive")
	ErrStarted       = errors.New("emulator was started before")
)

// AcceptedOrder is one line of the audit.
type AcceptedOrder = exchange.AcceptedOrder

// Emulator is one emulated Alpaca. Create it with New; it may be used concurrently.
type Emulator struct {
	config    Config
	logger    *zap.Logger
	clock     *session.Clock
	catalogue *asset.Catalogue
	market    *market.Market
	exchange  *exchange.Exchange
	faults    *fault.Registry
	gate      *access.Gate
	plans     *access.Plans
	streams   *stream.Streams

	mu      sync.Mutex
	servers []*http.Server
	url     string
	admin   string
	cancel  context.CancelFunc
	running sync.WaitGroup
}

// New builds an emulator with its accounts; it listens only after Start. session.ErrMode for an unknown MarketClock.
func New(cfg Config, logger *zap.Logger) (*Emulator, error) {
	cfg = cfg.withDefaults()
	hours, err := session.NewClock(cfg.clockSettings(), cfg.Clock)
	if err != nil {
		return nil, fmt.Errorf("emulator clock: %w", err)
	}
	catalogue, err := asset.NewCatalogue()
	if err != nil {
		return nil, fmt.Errorf("emulator assets: %w", err)
	}
	prices := market.New(cfg.Seed, hours)
	if err := cfg.replay(prices, catalogue, hours); err != nil {
		return nil, fmt.Errorf("emulator replay: %w", err)
	}
	venue := exchange.New(exchange.Settings{
		Seed: cfg.Seed, FillLatency: cfg.FillLatency, PartialFillProbability: cfg.PartialFillProbability,
		EventHistory: cfg.EventHistory, LimitPriceAway: cfg.LimitPriceAway, Disputed: cfg.Disputed,
	}, hours, prices, catalogue)
	for _, account := range cfg.Accounts {
		opening := exchange.Opening{ID: account.id(), KeyID: account.KeyID, SecretKey: account.SecretKey, Cash: account.Cash}
		if _, err := venue.Open(opening); err != nil {
			return nil, fmt.Errorf("emulator account: %w", err)
		}
	}
	plans, err := cfg.plans()
	if err != nil {
		return nil, fmt.Errorf("emulator account: %w", err)
	}
	gate := &access.Gate{
		Accounts: venue, Trading: access.NewLimiter(cfg.TradingLimit, cfg.Clock.Now),
		Data:   access.NewLimiterByKey(cfg.dataLimit(plans), cfg.Clock.Now),
		Tokens: access.NewTokens(cfg.tokens()), Readings: cfg.Readings,
	}
	gate.Trading.Rolling, gate.Data.Rolling = cfg.Readings.RollingWindow, cfg.Readings.RollingWindow
	streams := stream.New(feed.World{
		Catalogue: catalogue, Clock: hours, Market: prices, Gate: gate, Plans: plans, Seed: cfg.Seed,
		Now: cfg.Clock.Now,
	}, cfg.Streams, cfg.Heartbeat)
	return &Emulator{
		config: cfg, logger: logger, streams: streams, clock: hours, catalogue: catalogue, market: prices, exchange: venue,
		faults: &fault.Registry{}, gate: gate, plans: plans,
	}, nil
}

// Start listens on both addresses and returns when they answer. ErrStarted on a second call.
func (e *Emulator) Start(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancel != nil {
		return ErrStarted
	}
	var listening net.ListenConfig
	public, err := listening.Listen(ctx, "tcp", e.config.Addr)
	if err != nil {
		return fmt.Errorf("emulator listen on %s: %w", e.config.Addr, err)
	}
	private, err := listening.Listen(ctx, "tcp", e.config.AdminAddr)
	if err != nil {
		return errors.Join(fmt.Errorf("emulator admin listen on %s: %w", e.config.AdminAddr, err), public.Close())
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	e.cancel = cancel
	e.url, e.admin = "http://"+public.Addr().String(), "http://"+private.Addr().String()
	e.running.Go(func() { e.exchange.Run(life) })
	e.running.Go(func() { e.streams.Run(life) })
	e.serve(life, public, e.publicHandler())
	e.serve(life, private, e.adminHandler())
	return nil
}

func (e *Emulator) serve(life context.Context, listener net.Listener, handler http.Handler) {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{
		Handler: handler, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second,
		BaseContext: func(net.Listener) context.Context { return life }, ErrorLog: zap.NewStdLog(e.logger),
	}
	e.servers = append(e.servers, server)
	e.running.Go(func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			e.logger.Error("emulator stopped serving", zap.String("address", listener.Addr().String()), zap.Error(err))
		}
	})
}

func (e *Emulator) publicHandler() http.Handler {
	mux := http.NewServeMux()
	prices := &data.API{
		Catalogue: e.catalogue, Clock: e.clock, Market: e.market, Plans: e.plans, Seed: e.config.Seed, Readings: e.config.Readings,
		Heartbeat: e.config.Heartbeat,
	}
	prices.Register(mux, e.gate)
	broker := &trading.API{
		Catalogue: e.catalogue, Clock: e.clock, Market: e.market, Announcements: prices.Announcements, Listing: e.exchange.Listing,
	}
	broker.Register(mux, e.gate)
	e.streams.Register(mux)
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		wire.WriteError(w, wire.NotFound("endpoint not found"))
	})
	return access.Identify(e.faults.Handler(shared(data.NewsPath, prices.News(e.gate), mux), access.KeyOf))
}

// shared gives a path to plain for requests that do not ask for a WebSocket, and all else to rest.
func shared(path string, plain, rest http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == path && r.Method == http.MethodGet && r.Header.Get("Upgrade") == "" {
			plain.ServeHTTP(w, r)
			return
		}
		rest.ServeHTTP(w, r)
	})
}

func (e *Emulator) adminHandler() http.Handler {
	api := &admin.API{Exchange: e.exchange, Clock: e.clock, Faults: e.faults, Gate: e.gate, Plans: e.plans, Prices: e}
	mux := http.NewServeMux()
	mux.Handle("/", api.Handler())
	mux.Handle("/emulator/streams", e.streams.Control())
	mux.Handle("/emulator/streams/", e.streams.Control())
	mux.Handle("POST /emulator/plan", access.PlanHandler(e.plans))
	return mux
}

// Stop breaks open streams, finishes other requests and releases both addresses. It waits no longer than ctx.
func (e *Emulator) Stop(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cancel == nil {
		return nil
	}
	e.cancel()
	var problems error
	for _, server := range e.servers {
		if err := server.Shutdown(ctx); err != nil {
			problems = errors.Join(problems, fmt.Errorf("emulator stop: %w", err), server.Close())
		}
	}
	e.servers = nil
	e.running.Wait()
	return problems
}

// URL returns the address that stands for all of Alpaca's hosts, for example http://127.0.0.1:4001; empty before Start.
func (e *Emulator) URL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.url
}

// AdminURL returns the address of the emulator's own API; empty before Start.
func (e *Emulator) AdminURL() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.admin
}

// AcceptedOrders returns every order that the account of a key ever had accepted, oldest first: the truth that tests
// compare with. It is empty for a key that does not exist.
func (e *Emulator) AcceptedOrders(keyID string) []AcceptedOrder {
	account, ok := e.exchange.Account(keyID)
	if !ok {
		return nil
	}
	return account.Accepted()
}

// SetPrice pins the price of a symbol, USD: the last trade is there, the quote a tick around it. Resting orders that it
// makes marketable are filled before SetPrice returns. ErrUnknownSymbol, ErrPrice.
func (e *Emulator) SetPrice(symbol string, price decimal.Decimal) error {
	if err := e.CheckPrice(symbol, price); err != nil {
		return err
	}
	e.market.Pin(symbol, price)
	e.exchange.SweepSymbol(symbol)
	return nil
}

// CheckPrice returns the error that SetPrice would. ErrUnknownSymbol, ErrPrice.
func (e *Emulator) CheckPrice(symbol string, price decimal.Decimal) error {
	if _, ok := e.catalogue.Find(symbol); !ok {
		return fmt.Errorf("%w: %q", ErrUnknownSymbol, symbol)
	}
	if !price.IsPos() {
		return fmt.Errorf("%w: %s", ErrPrice, price)
	}
	return nil
}

// Pinned returns the prices that are set, by symbol.
func (e *Emulator) Pinned() map[string]decimal.Decimal { return e.market.Pinned() }

// ReleasePrice lets a pinned price walk again. ErrUnknownSymbol.
func (e *Emulator) ReleasePrice(symbol string) error {
	if _, ok := e.catalogue.Find(symbol); !ok {
		return fmt.Errorf("%w: %q", ErrUnknownSymbol, symbol)
	}
	e.market.Unpin(symbol)
	return nil
}

// SetTime moves the emulator's clock; it goes on from there in its mode.
func (e *Emulator) SetTime(now time.Time) {
	e.clock.Set(now)
	e.exchange.Sweep()
}

// Faults returns the failures that are injected into answers.
func (e *Emulator) Faults() *fault.Registry { return e.faults }

// Streams returns what the emulator pushes: open streams, halts, cuts.
func (e *Emulator) Streams() *stream.Streams { return e.streams }

// SetDataPlan changes the market data subscription of a key. access.ErrPlan.
func (e *Emulator) SetDataPlan(keyID string, plan access.Plan) error { return e.plans.Set(keyID, plan) }

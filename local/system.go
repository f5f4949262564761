package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/knative/eventing"
	"github.com/opitios-ai/alpaca-knative/local/broker"
	"github.com/opitios-ai/alpaca-knative/local/gateway"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/outbox"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// stopTimeout bounds the stop of everything; Ctrl-C must end the program within five seconds.
const (
	stopTimeout   = 4500 * time.Millisecond
	settleTimeout = time.Second
)

// System is everything, running. Create it with New, Start it, and Stop it once.
type System struct {
	config   Config
	logger   *zap.Logger
	registry *prometheus.Registry
	ready    Ready
	accounts []vault.Account
	folder   string
	broker   *broker.Broker

	mu        sync.RWMutex // guards the two maps: the broker resolves while functions start
	servers   map[string]*serve.Server
	functions map[string]gateway.Function

	// undo are the steps that stop what was started, run in reverse.
	undo []func(context.Context) error
}

// New returns a system that is not started.
func New(cfg Config, logger *zap.Logger) *System {
	if cfg.JWTSecret == "" {
		cfg.JWTSecret = config.Secret(randomHex(32))
	}
	return &System{
		config: cfg, logger: logger, registry: prometheus.NewRegistry(), accounts: demoAccounts(&cfg),
		servers: make(map[string]*serve.Server), functions: make(map[string]gateway.Function),
	}
}

// Ready tells where everything is. It is complete after Start.
func (s *System) Ready() Ready { return s.ready }

// Start starts everything, in the order in which one needs the other; when a step fails the former ones are undone.
func (s *System) Start(ctx context.Context) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
		}
	}()
	steps := []func(context.Context) error{
		s.startRedis, s.startAlpaca, s.writeAccounts, s.startBroker, s.startReaders, s.stopBrokerBeforeReaders, s.startPublishers,
		s.startTicks, s.issueTokens, s.startGateway,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if s.config.ReadyFile != "" {
		return s.ready.write(s.config.ReadyFile)
	}
	return nil
}

// Stop stops everything in reverse order. It may be called when Start failed.
func (s *System) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	var failed []error
	for i := len(s.undo) - 1; i >= 0; i-- {
		failed = append(failed, s.undo[i](ctx))
	}
	s.undo = nil
	return errors.Join(failed...)
}

func (s *System) onStop(undo func(context.Context) error) { s.undo = append(s.undo, undo) }

func (s *System) startRedis(context.Context) error {
	s.ready.Redis = s.config.RedisURL.Reveal()
	if s.ready.Redis != "" {
		return nil
	}
	embedded, err := startEmbeddedRedis()
	if err != nil {
		return err
	}
	s.ready.Redis = embedded.url()
	s.onStop(func(context.Context) error { embedded.stop(); return nil })
	return nil
}

func (s *System) startAlpaca(ctx context.Context) error {
	if s.config.paper() {
		return nil
	}
	emulated, err := emulator.New(emulator.Config{
		Accounts: emulatorAccounts(s.accounts), Seed: s.config.Seed, MarketClock: s.config.MarketClock, DataLimit: -1,
	}, s.logger.Named("emulator"))
	if err != nil {
		return err
	}
	if err := emulated.Start(ctx); err != nil {
		return err
	}
	s.onStop(emulated.Stop)
	s.ready.Emulator, s.ready.EmulatorAdmin = emulated.URL(), emulated.AdminURL()
	return nil
}

// writeAccounts makes the accounts file that the functions read, as a cluster's Secret would be mounted.
func (s *System) writeAccounts(context.Context) error {
	folder, err := os.MkdirTemp("", "opitios-alpaca-")
	if err != nil {
		return err
	}
	s.folder = folder
	s.onStop(func(context.Context) error { return os.RemoveAll(folder) })
	content, err := vault.Marshal(s.accounts)
	if err != nil {
		return err
	}
	return os.WriteFile(s.accountsFile(), content, 0o600)
}

func (s *System) accountsFile() string { return filepath.Join(s.folder, "accounts.json") }

func (s *System) startBroker(ctx context.Context) error {
	definition, err := broker.Load(eventing.Manifests)
	if err != nil {
		return err
	}
	b, err := broker.New(*definition, broker.Config{
		Resolve: s.resolve, Logger: s.logger.Named("broker"), Registerer: s.registerer("broker"), Clock: clock.System{},
	})
	if err != nil {
		return err
	}
	if err := b.Start(ctx); err != nil {
		return err
	}
	s.onStop(b.Stop)
	s.broker, s.ready.Broker = b, b.URL()
	return nil
}

// stopBrokerBeforeReaders puts the broker's stop between those of the publishers and of the readers: it listens before
// any function starts, which has to know its address, and delivers while those are there that it delivers to. The stop
// that startBroker asked for is then one that does nothing.
func (s *System) stopBrokerBeforeReaders(context.Context) error {
	s.onStop(s.broker.Stop)
	return nil
}

// resolve finds the function that a Trigger names, as a cluster's DNS would.
func (s *System) resolve(name string) (*url.URL, bool) {
	s.mu.RLock()
	server, ok := s.servers[name]
	s.mu.RUnlock()
	if !ok {
		return nil, false
	}
	address, err := url.Parse(server.URL())
	return address, err == nil
}

func (s *System) registerer(part string) prometheus.Registerer {
	return prometheus.WrapRegistererWith(prometheus.Labels{"function": part}, s.registry)
}

func (s *System) dependencies(part string) platform.Dependencies {
	return platform.NewDependencies(s.logger.Named(part), s.registerer(part), s.registry, clock.System{})
}

// issueTokens makes the tokens that the banner and READY_FILE show.
func (s *System) issueTokens(context.Context) error {
	keys, err := auth.LoadKeys(auth.KeyConfig{Secret: s.config.JWTSecret.Reveal()})
	if err != nil {
		return err
	}
	issuer, err := auth.NewIssuer(keys, 0, clock.System{})
	if err != nil {
		return err
	}
	for _, account := range s.accounts {
		token, _, err := issuer.Issue(account.ID, account.ID, account.Permissions)
		if err != nil {
			return err
		}
		s.ready.Accounts = append(s.ready.Accounts, ReadyAccount{
			ID: account.ID, KeyID: account.Credentials.KeyID, SecretKey: account.Credentials.SecretKey, Token: token,
		})
	}
	s.ready.AdminToken, _, err = issuer.Issue("admin", "admin", []auth.Permission{auth.PermissionAdmin})
	return err
}

// startGateway opens the one address in front of everything, last: whoever reaches it finds all of it there.
func (s *System) startGateway(ctx context.Context) error {
	front, err := gateway.New(s.functions)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", s.config.Addr)
	if err != nil {
		return fmt.Errorf("ADDR: %w", err)
	}
	server := &http.Server{
		Handler: front, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, ErrorLog: zap.NewStdLog(s.logger),
		Protocols: new(http.Protocols),
	}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			s.logger.Error("the gateway ended", zap.Error(err))
		}
	}()
	s.ready.Functions = make(map[string]string, len(s.servers))
	for name, running := range s.servers {
		s.ready.Functions[name] = running.URL()
	}
	s.onStop(s.settle)
	s.onStop(server.Shutdown)
	s.onStop(s.drainStreams) // or the gateway would wait for requests that never end
	s.ready.Gateway = "http://" + listener.Addr().String()
	return nil
}

// drainStreams ends the streams, which end no other way.
func (s *System) drainStreams(ctx context.Context) error {
	for _, function := range s.functions {
		if streaming, ok := function.(serve.Drainer); ok {
			streaming.Drain(ctx)
		}
	}
	return nil
}

// settle gives the events under way, in the outbox and in the broker, a moment to arrive while every function still
// takes them.
func (s *System) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout)
	defer cancel()
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	redis, err := store.Open(s.ready.Redis, store.Options{})
	if err != nil {
		return err
	}
	defer redis.Close() //nolint:errcheck // it was only read from
	for s.broker.Stats().Pending > 0 || outbox.Waiting(ctx, redis) > 0 {
		select {
		case <-ctx.Done():
			return nil // what is left is retried, dead-lettered or reported by the broker's own stop
		case <-ticker.C:
		}
	}
	return nil
}

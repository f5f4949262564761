package local

import (
	"context"
	"fmt"
	"strconv"

	"github.com/opitios-ai/alpaca-knative/functions/account"
	"github.com/opitios-ai/alpaca-knative/functions/account/updates"
	"github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/functions/quote"
	"github.com/opitios-ai/alpaca-knative/functions/quote/feed"
	"github.com/opitios-ai/alpaca-knative/local/gateway"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// The names of the functions' second modes.
const (
	updatesSource = "account-updates"
	feedSource    = "quote-feed"
)

// startReaders starts the functions that publish little. They outlive the broker, which delivers to them until the end.
func (s *System) startReaders(ctx context.Context) error {
	if err := start(ctx, s, gateway.Quote, quote.New); err != nil {
		return err
	}
	return start(ctx, s, gateway.Account, account.New)
}

// startPublishers starts those that publish; they stop before the broker they publish to.
func (s *System) startPublishers(ctx context.Context) error {
	if err := start(ctx, s, gateway.Order, order.New); err != nil {
		return err
	}
	if err := start(ctx, s, updatesSource, updates.New); err != nil {
		return err
	}
	return start(ctx, s, feedSource, feed.New)
}

// environ is the environment of every function.
func (s *System) environ() map[string]string {
	environ := map[string]string{
		"HOST": "127.0.0.1", "PORT": "0", "LOG_LEVEL": s.config.LogLevel,
		"REDIS_URL": s.ready.Redis, "ACCOUNTS_FILE": s.accountsFile(), "K_SINK": s.ready.Broker,
		"JWT_SECRET": s.config.JWTSecret.Reveal(), "METRICS_PER_ACCOUNT": strconv.FormatBool(s.config.MetricsPerAccount),
		"QUOTES_PER_SECOND": strconv.Itoa(s.config.QuotesPerSecond), "ORDERS_PER_MINUTE": strconv.Itoa(s.config.OrdersPerMinute),
		// The demo accounts have the larger data plan, which the emulator does not limit.
		"ALPACA_DATA_REQUESTS_PER_MINUTE": "10000",
		// One machine, one process: nobody else needs time to notice that a function is going.
		"DRAIN_QUIET_PERIOD": "20ms", "STOP_TIMEOUT": "2s",
	}
	if s.config.RedisURL == "" {
		// The embedded Redis is slower than a real one, and can't be away.
		environ["REDIS_TIMEOUT"], environ["INTENT_LEASE"] = "2s", "20s"
	}
	if s.ready.Emulator != "" {
		environ["ALPACA_TRADING_URL"], environ["ALPACA_DATA_URL"] = s.ready.Emulator, s.ready.Emulator
	}
	return environ
}

// start configures, builds and starts one function, as a cluster would with an environment and a server of its own.
func start[C any, S platform.Settings[C], F serve.Function](
	ctx context.Context, s *System, name string, build func(C, platform.Dependencies) (F, error),
) error {
	var cfg C
	if err := config.Load(&cfg, s.environ()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	dependencies := s.dependencies(name)
	function, err := build(cfg, dependencies)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	server := platform.NewServer(S(&cfg).Base(), dependencies, function)
	if err := server.Start(ctx); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	s.onStop(server.Stop)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.servers[name], s.functions[name] = server, function
	return nil
}

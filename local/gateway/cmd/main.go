// Command gateway is the path table as a program of its own, for clusters without the Gateway API: one address that sends
// each path to its function, and shows the functions' documentation as one.
package main

import (
	"context"
	"fmt"
	"net/url"
	"os"

	"go.uber.org/zap"
	"knative.dev/pkg/signals"

	"github.com/opitios-ai/alpaca-knative/local/gateway"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

func main() {
	if err := run(signals.NewContext()); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "gateway:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	var cfg Config
	if err := config.Load(&cfg, nil); err != nil {
		return err
	}
	logger, err := telemetry.NewLogger(os.Stderr, cfg.LogLevel)
	if err != nil {
		return err
	}
	front, err := newFront(&cfg, logger)
	if err != nil {
		return err
	}
	server := serve.NewServer(serve.ServerConfig{
		Address: cfg.Address(), QuietPeriod: cfg.DrainQuietPeriod, StopTimeout: cfg.StopTimeout, Logger: logger,
		Metrics: telemetry.NewHTTP(telemetry.NewRegistry()),
	}, front)
	if err := server.Start(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return server.Stop(context.WithoutCancel(ctx))
	case err := <-server.Failed():
		return err
	}
}

// front is a gateway with the face of a function; it has nothing to start and nothing to give back.
type front struct{ *gateway.Gateway }

func newFront(cfg *Config, logger *zap.Logger) (front, error) {
	upstream := func(address string) *gateway.Upstream {
		parsed, _ := url.Parse(address) // Validate has parsed it
		return gateway.NewUpstream(parsed, logger)
	}
	g, err := gateway.New(map[string]gateway.Function{
		gateway.Quote: gateway.Split{Function: upstream(cfg.QuoteURL), Stream: upstream(cfg.QuoteStreamURL)},
		gateway.Order: upstream(cfg.OrderURL), gateway.Account: upstream(cfg.AccountURL),
	})
	return front{g}, err
}

func (front) Start(context.Context) error         { return nil }
func (front) Stop(context.Context) error          { return nil }
func (front) Ready(context.Context) (bool, error) { return true, nil }
func (front) Alive(context.Context) (bool, error) { return true, nil }

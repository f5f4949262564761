package platform

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"knative.dev/pkg/signals"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// The exit statuses of a function.
const (
	exitFailed = 1
	exitUsage  = 2
)

// Settings is a function's configuration: a pointer to a struct that embeds Config.
type Settings[C any] interface {
	*C
	Base() *Config
}

// Build makes a function from its configuration.
type Build[C any] func(C, Dependencies) (serve.Function, error)

// Main is the whole life of a function's process: read the configuration, listen, serve until SIGTERM or SIGINT, and
// drain. With -check-config it only reads the configuration. It returns the exit status.
func Main[C any, S Settings[C]](name string, arguments []string, build Build[C]) int {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	check := flags.Bool("check-config", false, "read the configuration from the environment, say whether it is valid, and exit")
	if err := flags.Parse(arguments); err != nil {
		return exitUsage
	}
	var cfg C
	if err := config.Load(&cfg, nil); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		return exitUsage
	}
	if *check {
		_, _ = fmt.Fprintf(os.Stdout, "%s: the configuration is valid\n", name)
		return 0
	}
	base := S(&cfg).Base()
	return run(signals.NewContext(), name, os.Stderr, base, func(d Dependencies) (serve.Function, error) { return build(cfg, d) })
}

// run is Main after the configuration.
func run(ctx context.Context, name string, logs io.Writer, base *Config, build func(Dependencies) (serve.Function, error)) int {
	logger, err := telemetry.NewLogger(logs, base.LogLevel)
	if err != nil {
		_, _ = fmt.Fprintf(logs, "%s: %v\n", name, err)
		return exitUsage
	}
	logger = logger.Named(name)
	redis.SetLogger(redisLog{logger})
	registry := telemetry.NewRegistry()
	dependencies := NewDependencies(logger, registry, registry, clock.System{})
	function, err := build(dependencies)
	if err != nil {
		logger.Error("not started", zap.Error(err))
		return exitUsage
	}
	server := NewServer(base, dependencies, function)
	if err := server.Start(ctx); err != nil {
		logger.Error("not started", zap.Error(err))
		return exitFailed
	}
	return wait(ctx, server, logger)
}

// NewServer returns the server of a function with the settings of its configuration.
func NewServer(base *Config, d Dependencies, function serve.Function) *serve.Server {
	return serve.NewServer(serve.ServerConfig{
		Address: base.Address(), QuietPeriod: base.DrainQuietPeriod, StopTimeout: base.StopTimeout, Logger: d.Logger, Metrics: d.HTTP,
	}, function)
}

func wait(ctx context.Context, server *serve.Server, logger *zap.Logger) int {
	status := 0
	select {
	case <-ctx.Done():
		logger.Info("draining")
	case err := <-server.Failed():
		logger.Error("serving ended", zap.Error(err))
		status = exitFailed
	}
	if err := server.Stop(context.WithoutCancel(ctx)); err != nil {
		logger.Error("not everything was finished", zap.Error(err))
		status = exitFailed
	}
	logger.Info("stopped")
	return status
}

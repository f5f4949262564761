// Command local runs the whole system on this machine; `make run` starts it.
package main

import (
	"context"
	"fmt"
	"os"

	"knative.dev/pkg/signals"

	"github.com/opitios-ai/alpaca-knative/local"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

func main() { os.Exit(run(signals.NewContext())) }

func run(ctx context.Context) int {
	var cfg local.Config
	if err := config.Load(&cfg, nil); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 2
	}
	logger, err := telemetry.NewLogger(os.Stderr, cfg.LogLevel)
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 2
	}
	system := local.New(cfg, logger)
	if err := system.Start(ctx); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	system.Banner(os.Stdout)
	<-ctx.Done()
	_, _ = fmt.Fprintln(os.Stdout, "\nstopping ...")
	if err := system.Stop(context.WithoutCancel(ctx)); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	_, _ = fmt.Fprintln(os.Stdout, "stopped")
	return 0
}

// Command warmup is one run of the market-open warm-up; a CronJob runs it every few minutes around the open.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"knative.dev/pkg/signals"

	"github.com/opitios-ai/alpaca-knative/knative/warmup"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

func main() {
	if err := run(signals.NewContext(), os.Args[1:]); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "warmup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, arguments []string) error {
	flags := flag.NewFlagSet("warmup", flag.ContinueOnError)
	at := flags.String("at", "", "act as if it were this time (RFC 3339): for a rehearsal, or to warm up by hand")
	if err := flags.Parse(arguments); err != nil {
		return err
	}
	var when clock.Clock = clock.System{}
	if *at != "" {
		moment, err := time.Parse(time.RFC3339, *at)
		if err != nil {
			return fmt.Errorf("-at: %w", err)
		}
		when = clock.NewFake(moment)
	}
	var cfg warmup.Config
	if err := config.Load(&cfg, nil); err != nil {
		return err
	}
	logger, err := telemetry.NewLogger(os.Stderr, "info")
	if err != nil {
		return err
	}
	cluster, err := warmup.NewCluster(&cfg)
	if err != nil {
		return err
	}
	job := warmup.Job{Config: cfg, Revisions: cluster, Clock: when, Logger: logger}
	return job.Run(ctx)
}

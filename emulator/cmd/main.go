// Command cmd runs the Alpaca emulator on its own: go run ./emulator/cmd.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
)

// collectorPercent lets garbage grow to half of what is kept, because the emulator keeps every order. GOGC changes it.
const collectorPercent = 50

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectorPercent)
	}
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "emulator:", err)
		os.Exit(1) //nolint:gocritic // stop has nothing left to do
	}
}

func run(ctx context.Context) error {
	config, err := settings(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return nil
	}
	if err != nil {
		return err
	}
	logger, err := zap.NewProduction()
	if err != nil {
		return fmt.Errorf("logger: %w", err)
	}
	alpaca, err := emulator.New(config, logger)
	if err != nil {
		return err
	}
	if err := alpaca.Start(ctx); err != nil {
		return err
	}
	describe(alpaca, config.Accounts)
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return alpaca.Stop(grace)
}

// describe prints what an Alpaca developer needs; the keys are made up and open nothing but this emulator.
func describe(alpaca *emulator.Emulator, accounts []emulator.Account) {
	fmt.Printf("Alpaca emulator at %s (admin at %s/emulator/)\n\n", alpaca.URL(), alpaca.AdminURL())
	const shown = 5
	for i, account := range accounts {
		if i == shown {
			fmt.Printf("... and %d more accounts, numbered on\n", len(accounts)-shown)
			break
		}
		fmt.Printf("export APCA_API_KEY_ID=%s APCA_API_SECRET_KEY=%s\n", account.KeyID, account.SecretKey)
	}
	fmt.Printf("export APCA_API_BASE_URL=%s APCA_API_DATA_URL=%s\n\n", alpaca.URL(), alpaca.URL())
	fmt.Printf("curl -H \"APCA-API-KEY-ID: $APCA_API_KEY_ID\" -H \"APCA-API-SECRET-KEY: $APCA_API_SECRET_KEY\" %s/v2/account\n",
		alpaca.URL())
}

// Command chaos proves that an order reaches the market exactly once, whatever dies: it runs order functions and
// trade-update sources as processes of their own on a real Redis Cluster and an emulated Alpaca, lets clients place orders,
// and kills, pauses, flushes and fails over what it can. At the end it compares what Alpaca accepted with what the clients
// and the subscribers were told. docs/chaos.md says how to read its report.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() { os.Exit(run()) }

func run() int {
	settings := Settings{Output: os.Stdout}
	flag.Uint64Var(&settings.Seed, "seed", 1, "decides the orders, the clients' manners and the attacks")
	flag.DurationVar(&settings.Duration, "duration", time.Minute, "how long there are attacks and new orders")
	flag.IntVar(&settings.Rate, "rate", 0, "orders a second; 0: 50")
	flag.IntVar(&settings.Accounts, "accounts", 0, "accounts that trade; 0: 200")
	flag.StringVar(&settings.Keep, "keep", "", "a folder for the programs' logs; empty keeps none")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := Run(ctx, settings)
	if err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		return 1
	}
	report.Write(os.Stdout)
	if !report.Clean() {
		return 1
	}
	return 0
}

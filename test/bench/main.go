// Command bench measures what a cold start and an idle function cost, against their goals, with a real Redis and the
// emulated Alpaca, and prints a table. `make bench` runs it after building.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"time"
)

// options are what the flags say.
type options struct {
	bin, only string
	runs      int
	load      time.Duration
}

// section is a topic of the benchmark with lines of its own in the table.
type section struct {
	name string
	run  func(ctx context.Context, o options) ([]row, error)
}

func sections() []section {
	return []section{
		{"starts", measureFunctions},
		{"orders", func(ctx context.Context, o options) ([]row, error) { return measureOrders(ctx, o.bin) }},
		{"quotes", measureQuotes},
		{"load", measureQuoteLoad},
		{"calls", measureCalls},
		{"cost", measureQuoteCost},
		{"streams", measureStreams},
		{"emulator", func(ctx context.Context, o options) ([]row, error) { return measureEmulator(ctx, o.bin, o.load) }},
	}
}

func main() {
	if setting := os.Getenv(peerVariable); setting != "" {
		if err := servePeer(context.Background(), setting); err != nil {
			fmt.Fprintln(os.Stderr, "bench peer:", err)
			os.Exit(1)
		}
		return
	}
	if address := os.Getenv(stackVariable); address != "" {
		if err := serveStack(context.Background(), address); err != nil {
			fmt.Fprintln(os.Stderr, "bench stack:", err)
			os.Exit(1)
		}
		return
	}
	if file := os.Getenv(profileVariable); file != "" {
		if err := serveProfiled(file); err != nil {
			fmt.Fprintln(os.Stderr, "bench quote:", err)
			os.Exit(1)
		}
		return
	}
	if setting := os.Getenv(streamVariable); setting != "" {
		if err := streamProcess(context.Background(), setting); err != nil {
			fmt.Fprintln(os.Stderr, "bench streams:", err)
			os.Exit(1)
		}
		return
	}
	runs := flag.Int("runs", 15, "starts of each function")
	bin := flag.String("bin", "bin", "where the built programs are")
	load := flag.Duration("load", 10*time.Second, "how long each load lasts")
	only := flag.String("only", "", "the one section to run; empty: all")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, options{*bin, *only, *runs, *load})
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one line of the table. Ratio is figure/goal: within the goal below 1, or above 1 for what must be reached at least.
type row struct {
	what         string
	figure, goal float64
	unit         string
	spread       string
	atLeast      bool
}

func run(ctx context.Context, o options) error {
	for _, s := range sections() {
		if o.only != "" && o.only != s.name {
			continue
		}
		rows, err := s.run(ctx, o)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		printTable(s.name, rows)
	}
	return nil
}

// measureFunctions starts every function many times, with a real Redis and the emulated Alpaca.
func measureFunctions(ctx context.Context, o options) ([]row, error) {
	backing, err := startBacking(ctx, o.bin)
	if err != nil {
		return nil, err
	}
	defer backing.stop()
	var rows []row
	for _, f := range functions() {
		fmt.Printf("starting %s %d times ...\n", f.name, o.runs)
		started, err := measureStarts(ctx, o.bin, f, backing, o.runs)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		rows = append(rows, started...)
	}
	return rows, printInitCosts(ctx, o.bin, backing)
}

func printTable(section string, rows []row) {
	fmt.Printf("\n%-46s %12s %12s %8s  %s\n", section+" (median)", "measured", "goal", "ratio", "min .. max")
	for _, r := range rows {
		verdict := ""
		switch {
		case r.atLeast && r.figure < r.goal:
			verdict = "  below the goal"
		case !r.atLeast && r.figure > r.goal:
			verdict = "  over the goal"
		}
		fmt.Printf("%-46s %8.1f %-3s %8.1f %-3s %8.2f  %s%s\n", r.what, r.figure, r.unit, r.goal, r.unit, r.figure/r.goal, r.spread, verdict)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

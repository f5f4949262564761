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

func main() {
	runs := flag.Int("runs", 15, "starts of each function")
	bin := flag.String("bin", "bin", "where the built programs are")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *bin, *runs)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// row is one line of the table. Ratio is figure/goal: below 1 is within the goal.
type row struct {
	what         string
	figure, goal float64
	unit         string
	spread       string
}

func run(ctx context.Context, bin string, runs int) error {
	backing, err := startBacking(ctx, bin)
	if err != nil {
		return err
	}
	defer backing.stop()
	var rows []row
	for _, f := range functions() {
		fmt.Printf("starting %s %d times ...\n", f.name, runs)
		started, err := measureStarts(ctx, bin, f, backing, runs)
		if err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		rows = append(rows, started...)
	}
	printTable(rows)
	return printInitCosts(ctx, bin, backing)
}

func printTable(rows []row) {
	fmt.Printf("\n%-42s %10s %10s %8s  %s\n", "figure (median)", "measured", "goal", "ratio", "min .. max")
	for _, r := range rows {
		verdict := ""
		if r.figure > r.goal {
			verdict = "  over the goal"
		}
		fmt.Printf("%-42s %6.1f %-3s %6.1f %-3s %8.2f  %s%s\n", r.what, r.figure, r.unit, r.goal, r.unit, r.figure/r.goal, r.spread, verdict)
	}
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

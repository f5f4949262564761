package main

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// printInitCosts prints which packages cost most before main, by the runtime's own account (GODEBUG=inittrace=1).
func printInitCosts(ctx context.Context, bin string, b *backing) error {
	fmt.Printf("\ncostliest package initialisations\n")
	for _, program := range []string{"quote", "order", "account"} {
		command := exec.CommandContext(ctx, filepath.Join(bin, program), "-check-config")
		command.Env = append(slices.Clone(b.environ), "GODEBUG=inittrace=1")
		var trace bytes.Buffer
		command.Stderr = &trace
		if err := command.Run(); err != nil {
			return fmt.Errorf("%s -check-config: %w: %s", program, err, trace.String())
		}
		costs, total := parseInitTrace(trace.String())
		fmt.Printf("  %-8s %5.1f ms in all:", program, total)
		for _, c := range costs[:min(4, len(costs))] {
			fmt.Printf("  %s %.2f ms", c.name, c.milliseconds)
		}
		fmt.Println()
	}
	return nil
}

type initCost struct {
	name         string
	milliseconds float64
}

// parseInitTrace reads lines like "init net/http @1.2 ms, 0.06 ms clock, 4712 bytes, 40 allocs".
func parseInitTrace(trace string) ([]initCost, float64) {
	var costs []initCost
	total := 0.0
	for line := range strings.Lines(trace) {
		fields := strings.Fields(line)
		if len(fields) < 6 || fields[0] != "init" {
			continue
		}
		spent, err := strconv.ParseFloat(fields[4], 64)
		if err != nil {
			continue
		}
		costs = append(costs, initCost{fields[1], spent})
		total += spent
	}
	slices.SortFunc(costs, func(a, b initCost) int { return int((b.milliseconds - a.milliseconds) * 1e6) })
	return costs, total
}

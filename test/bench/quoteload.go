package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"
)

// The load of the design's section 10.
const (
	manyConnections = 2_000
	manyRequests    = 10_000 // a second
	goalP95         = 10.0   // ms
)

// measureQuoteLoad offers 10,000 requests a second on 2,000 connections. Where that is not within the goal it also offers
// less, and says what limits: client and server share the machine, and a bare handler gets the same load.
func measureQuoteLoad(ctx context.Context, o options) ([]row, error) {
	b, err := startQuoteBesideBare(ctx, o.bin)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	var rows []row
	for _, rate := range []int{manyRequests, manyRequests / 2, manyRequests / 4} {
		l := openLoad{address: b.quote.address, connections: manyConnections, rate: rate, span: o.load, next: b.request()}
		warm := l
		warm.span = time.Second
		if _, err := warm.run(ctx); err != nil {
			return nil, err
		}
		before := busyShare()
		got, err := l.run(ctx)
		if err != nil {
			return nil, err
		}
		machine := busySince(before)
		l.address = b.bare
		peer, err := l.run(ctx)
		if err != nil {
			return nil, err
		}
		p95 := got.percentile(0.95)
		what := fmt.Sprintf("P95 of %d/s on %d connections", rate, manyConnections)
		rows = append(rows, row{what: what, figure: p95, goal: goalP95, unit: "ms", spread: fmt.Sprintf(
			"P50 %.2f, P99 %.2f, most %.1f ms; %d errors; %.0f /s answered; %.0f %% left late; a bare handler's P95 %.2f ms; machine %s", got.percentile(0.5), got.percentile(0.99),
			got.percentile(1), got.errors, float64(got.answers)/got.elapsed.Seconds(), 100*float64(got.late)/float64(max(1, got.offered)),
			peer.percentile(0.95), machine)})
		if p95 <= goalP95 {
			break
		}
	}
	return rows, nil
}

// busyShare reads the machine's CPU times in ticks: all and idle.
func busyShare() [2]float64 {
	content, err := os.ReadFile("/proc/stat")
	if err != nil {
		return [2]float64{}
	}
	first, _, _ := strings.Cut(string(content), "\n")
	var all, idle float64
	for i, field := range strings.Fields(first)[1:] {
		var ticks float64
		_, _ = fmt.Sscan(field, &ticks) // 0 for what is no number
		all += ticks
		if i == 3 || i == 4 {
			idle += ticks
		}
	}
	return [2]float64{all, idle}
}

// busySince says how busy the machine was, and with how many runnable processes.
func busySince(before [2]float64) string {
	now := busyShare()
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil || now[0] == before[0] {
		return "unknown"
	}
	one, _, _ := strings.Cut(string(load), " ")
	return fmt.Sprintf("%.0f %% busy, load average %s", 100*(1-(now[1]-before[1])/(now[0]-before[0])), one)
}

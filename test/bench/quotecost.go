package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/quote"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
)

const (
	goalQuoteAllocations = 10.0 // beyond net/http's own
	// profileVariable makes this program a quote function that writes a CPU profile to the file that it names.
	profileVariable = "BENCH_QUOTE_PROFILE"
)

// measureQuoteCost counts the allocations of a cached quote and profiles a server of them.
func measureQuoteCost(ctx context.Context, o options) ([]row, error) {
	b, err := startBacking(ctx, o.bin)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	allocations, err := b.countAllocations(ctx)
	if err != nil {
		return nil, err
	}
	return []row{allocations}, b.profileQuote(ctx, o)
}

// sink is a ResponseWriter that costs nothing itself.
type sink struct {
	header http.Header
	status int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(status int)      { s.status = status }

// countAllocations counts what the function's handler allocates; what net/http itself does for a request is not in it.
func (b *backing) countAllocations(ctx context.Context) (row, error) {
	function, _, err := newQuote(b.quoteEnviron("CACHE_TTL=30s", "CACHE_STALE_FOR=10m", "CACHE_TTL_CLOSED=30s"))
	if err != nil {
		return row{}, err
	}
	if err := function.Start(ctx); err != nil {
		return row{}, err
	}
	defer func() { _ = function.Stop(context.WithoutCancel(ctx)) }() // what was counted is counted
	request := httptest.NewRequestWithContext(ctx, http.MethodGet, quotePath, http.NoBody)
	request.Header.Set("Authorization", "Bearer "+b.token)
	writer := &sink{header: make(http.Header, 16)}
	serve := func(times int) {
		for range times {
			clear(writer.header)
			function.ServeHTTP(writer, request)
		}
	}
	serve(1_000)
	const times = 100_000
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	serve(times)
	runtime.ReadMemStats(&after)
	if writer.status != http.StatusOK {
		return row{}, fmt.Errorf("status %d", writer.status)
	}
	return row{
		what: "allocations of a cached quote", figure: float64(after.Mallocs-before.Mallocs) / times, goal: goalQuoteAllocations, unit: "",
		spread: fmt.Sprintf("%.0f bytes; beyond net/http's own", float64(after.TotalAlloc-before.TotalAlloc)/times),
	}, nil
}

// newQuote builds a quote function from an environment.
func newQuote(environ []string) (*quote.Function, *quote.Config, error) {
	variables := make(map[string]string, len(environ))
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		variables[name] = value
	}
	var cfg quote.Config
	if err := config.Load(&cfg, variables); err != nil {
		return nil, nil, err
	}
	registry := prometheus.NewRegistry()
	function, err := quote.New(cfg, platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{}))
	return function, &cfg, err
}

// profileQuote loads a quote function in a process of its own and prints where its time goes.
func (b *backing) profileQuote(ctx context.Context, o options) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	file := filepath.Join(b.folder, "quote.profile")
	server, err := serveProgram(ctx, append(b.quoteEnviron("HOME="+os.Getenv("HOME"), "PATH="+os.Getenv("PATH")), profileVariable+"="+file), program)
	if err != nil {
		return err
	}
	if _, err := waitFor200(ctx, "http://"+server.address+quotePath, b.token); err != nil {
		server.stop()
		return fmt.Errorf("%w: %s", err, server.logs.String())
	}
	_, err = measureLoad(ctx, "profiled quote", load{address: server.address, connections: quoteConnections, most: o.load, next: b.request()})
	server.stop()
	if err != nil {
		return err
	}
	output, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=10", program, file).Output()
	if err != nil {
		return fmt.Errorf("pprof: %w", err)
	}
	fmt.Printf("\ncached quote: where the server's time goes (CPU profile, top ten)\n")
	lines := bytes.Split(bytes.TrimSpace(output), []byte("\n"))
	for _, line := range lines[max(0, len(lines)-11):] {
		fmt.Printf("  %s\n", line)
	}
	return nil
}

// serveProfiled is a quote function until SIGTERM, with its CPU profile written to the file.
func serveProfiled(file string) error {
	function, cfg, err := newQuote(os.Environ())
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	server := platform.NewServer(cfg.Base(), platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{}), function)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if err := server.Start(ctx); err != nil {
		return err
	}
	profile, err := os.Create(file)
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(profile); err != nil {
		return err
	}
	<-ctx.Done()
	pprof.StopCPUProfile()
	if err := profile.Close(); err != nil {
		return err
	}
	return server.Stop(context.WithoutCancel(ctx))
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The goals of the design's section 10.
const (
	goalListening = 15.0 // ms from exec
	goalFirst200  = 50.0 // ms from exec, with a real Redis
	goalMemory    = 25.0 // MiB resident, idle
	goalBinary    = 25.0 // MiB stripped
)

// measured is a function with the request whose first 200 counts.
type measured struct {
	name, program string
	arguments     []string
	path          string
}

func functions() []measured {
	return []measured{
		{name: "quote", program: "quote", path: "/api/v1/stocks/AAPL/quote"},
		{name: "quote feed", program: "quote", arguments: []string{"feed"}, path: "/readyz"},
		{name: "order", program: "order", path: "/api/v1/orders"},
		{name: "account", program: "account", path: "/api/v1/account"},
		{name: "account updates", program: "account", arguments: []string{"updates"}, path: "/readyz"},
	}
}

// sample is one start.
type sample struct {
	listening, first200 time.Duration
	memory              float64
}

func measureStarts(ctx context.Context, bin string, f measured, b *backing, runs int) ([]row, error) {
	path := filepath.Join(bin, f.program)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("%w (run make build)", err)
	}
	var listening, first200, memory []float64
	for i := range runs + 1 {
		s, err := startOnce(ctx, path, f, b, i == runs)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			continue // fills the page cache
		}
		listening, first200 = append(listening, milliseconds(s.listening)), append(first200, milliseconds(s.first200))
		if s.memory > 0 {
			memory = append(memory, s.memory)
		}
	}
	return []row{
		newRow(f.name+": exec to listening", listening, goalListening, "ms"),
		newRow(f.name+": exec to first 200 "+f.path, first200, goalFirst200, "ms"),
		newRow(f.name+": idle memory", memory, goalMemory, "MiB"),
		newRow(f.name+": binary", []float64{float64(info.Size()) / (1 << 20)}, goalBinary, "MiB"),
	}, nil
}

func newRow(what string, values []float64, goal float64, unit string) row {
	slices.Sort(values)
	return row{
		what: what, figure: values[len(values)/2], goal: goal, unit: unit,
		spread: fmt.Sprintf("%.1f .. %.1f", values[0], values[len(values)-1]),
	}
}

// startOnce starts the function, waits for it to listen and for its first 200, and ends it. With idle it also waits two
// seconds and reads how much memory it holds.
func startOnce(ctx context.Context, path string, f measured, b *backing, idle bool) (sample, error) {
	port, err := freePort(ctx)
	if err != nil {
		return sample{}, err
	}
	command := exec.CommandContext(ctx, path, f.arguments...)
	command.Env = append(slices.Clone(b.environ), "PORT="+strconv.Itoa(port))
	var logs bytes.Buffer
	command.Stderr = &logs
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	begin := time.Now()
	if err := command.Start(); err != nil {
		return sample{}, err
	}
	defer func() {
		_ = command.Process.Signal(syscall.SIGTERM)
		_ = command.Wait() // its status is of no interest: what was measured is measured
	}()
	listening, err := dialWhenListening(ctx, address)
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, logs.String())
	}
	answered, err := waitFor200(ctx, "http://"+address+f.path, b.token)
	if err != nil {
		return sample{}, fmt.Errorf("%w: %s", err, logs.String())
	}
	s := sample{listening: listening.Sub(begin), first200: answered.Sub(begin)}
	if idle {
		time.Sleep(2 * time.Second)
		s.memory, err = residentMemory(command.Process.Pid)
	}
	return s, err
}

func waitFor200(ctx context.Context, url, token string) (time.Time, error) {
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	limit := time.Now().Add(waitLimit)
	last := errors.New("no answer")
	for time.Now().Before(limit) && ctx.Err() == nil {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return time.Time{}, err
		}
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := transport.RoundTrip(request)
		if err != nil {
			last = err
			time.Sleep(200 * time.Microsecond)
			continue
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode == http.StatusOK {
			return time.Now(), nil
		}
		last = fmt.Errorf("status %d: %s", response.StatusCode, body)
		time.Sleep(200 * time.Microsecond)
	}
	return time.Time{}, fmt.Errorf("%s: %w", url, last)
}

// residentMemory is the process's VmRSS in MiB.
func residentMemory(pid int) (float64, error) { return memoryOf(pid, "VmRSS:") }

// peakMemory is the most that the process ever had resident, in MiB.
func peakMemory(pid int) (float64, error) { return memoryOf(pid, "VmHWM:") }

func memoryOf(pid int, name string) (float64, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kilobytes, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kilobytes / 1024, err
		}
	}
	return 0, errors.New("no " + name)
}

// processorTime is what a process used of the processor, in hundredths of a second.
func processorTime(pid int) (time.Duration, error) {
	content, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(content), ") ") // the name before it may have spaces
	fields := strings.Fields(rest)
	const user, system = 11, 12 // without the first two fields of proc(5)
	if len(fields) <= system {
		return 0, errors.New("no times in /proc")
	}
	var total time.Duration
	for _, field := range []string{fields[user], fields[system]} {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, err
		}
		total += time.Duration(ticks) * 10 * time.Millisecond
	}
	return total, nil
}

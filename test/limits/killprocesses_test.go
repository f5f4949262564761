package limits

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// remote is an order function in a process of its own.
type remote struct {
	*httputil.ReverseProxy
	address string
	command *exec.Cmd
}

// startProcess starts this test binary as an order function and waits for its address. It ends when its standard input does.
func (w *fleet) startProcess() *remote {
	w.t.Helper()
	command := exec.CommandContext(w.t.Context(), os.Args[0], "-test.run=^TestOrderProcess$", "-test.v")
	command.Env = append(os.Environ(), "LIMITS_ORDER=1")
	for name, value := range w.environment {
		command.Env = append(command.Env, name+"="+value)
	}
	input, err := command.StdinPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	output, err := command.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		_ = input.Close()
		_ = command.Wait() // some are killed
	})
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		_, address, found := strings.Cut(lines.Text(), "address=")
		if !found {
			continue
		}
		go func() { _, _ = io.Copy(io.Discard, output) }() // what else it says
		target, err := url.Parse(address)
		if err != nil {
			w.t.Fatal(err)
		}
		return &remote{httputil.NewSingleHostReverseProxy(target), address, command}
	}
	w.t.Fatalf("a process ended without an address: %v", lines.Err())
	return nil
}

// knows reports whether the process's own copy has the switch of all accounts.
func (r *remote) knows(t *testing.T) bool {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.address+"/metrics", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	content, _ := io.ReadAll(response.Body)
	return strings.Contains(string(content), `kill_switch_engaged{scope="all"} 1`)
}

// TestOrderProcess is one of the processes, and does nothing in the test's own.
func TestOrderProcess(t *testing.T) {
	if os.Getenv("LIMITS_ORDER") == "" {
		t.Skip("not a process of the kill switch's test")
	}
	var cfg order.Config
	if err := config.Load(&cfg, nil); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	function, err := order.New(cfg, platform.NewDependencies(zap.NewNop(), registry, registry, clock.System{}))
	if err != nil {
		t.Fatal(err)
	}
	if err := function.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: function, ReadHeaderTimeout: time.Minute}
	go func() { _ = server.Serve(listener) }()
	fmt.Printf("address=http://%s\n", listener.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = server.Shutdown(ctx)
	_ = function.Stop(ctx) // the sink refuses what is left in the outbox
}

// TestKillSwitchOverProcesses: tripped in one process, it stops the orders of the others from the moment it is answered, is in their
// own copies within a second, and outlives a hanging Redis, one that lost everything, and the death of processes.
func TestKillSwitchOverProcesses(t *testing.T) {
	server, err := redisprocess.Start(t.Context(), false)
	if err != nil {
		t.Skipf("redis-server: %v", err)
	}
	t.Cleanup(server.Stop)
	w := newBase(t, server)
	var processes []*remote
	for range instances {
		one := w.startProcess()
		processes, w.orders = append(processes, one), append(w.orders, one)
	}
	for i, function := range w.orders {
		w.must(function, i, http.MethodPost, "/api/v1/stocks/order", resting, http.StatusCreated)
	}
	tripped, answered := w.trip()
	for i, function := range w.orders {
		w.must(function, i, http.MethodPost, "/api/v1/stocks/order", resting, http.StatusUnprocessableEntity)
	}
	for _, process := range processes {
		storetest.Eventually(t, "the process's own copy knows", func() bool { return process.knows(t) })
	}
	late := time.Since(answered)
	t.Logf("%d processes refuse at once; the last one's own copy knew %s after the trip was answered", instances, late.Round(time.Millisecond))
	w.allCanceled(tripped)

	w.outage("Redis hangs", func() error { return server.Signal(syscall.SIGSTOP) }, func() error { return server.Signal(syscall.SIGCONT) })
	w.outage("Redis lost its data", func() error { return server.Signal(syscall.SIGKILL) }, func() error { return server.Restart(t.Context()) })

	// A process that starts anew while the switch is engaged never takes an order, once Redis has back what it lost.
	client := server.Client()
	defer client.Close()
	switches := killswitch.NewStore(client)
	storetest.Eventually(t, "every part of Redis has the switch again", func() bool {
		found, err := switches.Read(t.Context())
		return err == nil && !slices.ContainsFunc(found[:], func(shard map[string]killswitch.State) bool { return !shard[killswitch.All].Engaged })
	})
	if err := processes[0].command.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	w.orders[0] = w.startProcess()
	w.must(w.orders[0], 0, http.MethodPost, "/api/v1/stocks/order", resting, http.StatusUnprocessableEntity)

	w.must(w.accounts, 0, http.MethodDelete, "/api/v1/admin/kill-switch?reason=over", "", http.StatusOK)
	answered = time.Now()
	for i, function := range w.orders {
		storetest.Eventually(t, "orders are taken again", func() bool {
			return w.do(function, i, http.MethodPost, "/api/v1/stocks/order", resting).Code == http.StatusCreated
		})
	}
	t.Logf("released, the last of them took orders again %s after that was answered", time.Since(answered).Round(time.Millisecond))
}

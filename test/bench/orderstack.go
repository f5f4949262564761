package main

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/local/gateway"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// stackVariable makes this program the stack that orders are measured through: the gateway with the order function
// behind it, in one process as `make run` has them, with a broker that takes every event.
const stackVariable = "BENCH_STACK"

// absent is a function that the measurement does without.
type absent struct{}

func (absent) Ready(context.Context) (bool, error)              { return true, nil }
func (absent) ServeHTTP(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }

// serveStack serves the stack at address until the process is ended.
func serveStack(ctx context.Context, address string) error {
	broker, err := serveAt(ctx, "127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusAccepted)
	}))
	if err != nil {
		return err
	}
	if err := os.Setenv("K_SINK", "http://"+broker); err != nil {
		return err
	}
	function, server, err := newOrderFunction(prometheus.NewRegistry(), nil)
	if err != nil {
		return err
	}
	if err := server.Start(ctx); err != nil {
		return err
	}
	front, err := gateway.New(map[string]gateway.Function{gateway.Quote: absent{}, gateway.Account: absent{}, gateway.Order: function})
	if err != nil {
		return err
	}
	if _, err := serveAt(ctx, address, front); err != nil {
		return err
	}
	return <-server.Failed()
}

// orderSettings are what the measurement needs: no limit in its way, and patience with a busy machine's Redis.
func orderSettings() map[string]string {
	return map[string]string{"ORDERS_PER_MINUTE": "1000000000", "ALPACA_TRADING_REQUESTS_PER_MINUTE": "1000000000", "REDIS_TIMEOUT": "1s"}
}

// newOrderFunction is an order function configured by environ, or by the process's environment for nil, not started.
func newOrderFunction(registry *prometheus.Registry, environ map[string]string) (*order.Function, interface {
	Start(context.Context) error
	Failed() <-chan error
}, error) {
	var cfg order.Config
	if err := config.Load(&cfg, environ); err != nil {
		return nil, nil, err
	}
	logs, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return nil, nil, err
	}
	logger, err := telemetry.NewLogger(logs, "info")
	if err != nil {
		return nil, nil, err
	}
	dependencies := platform.NewDependencies(logger, registry, registry, clock.System{})
	function, err := order.New(cfg, dependencies)
	if err != nil {
		return nil, nil, err
	}
	return function, platform.NewServer(cfg.Base(), dependencies, function), nil
}

// serveAt serves handler in the background and returns where.
func serveAt(ctx context.Context, address string, handler http.Handler) (string, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: time.Minute}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			zap.L().Error("serving ended", zap.Error(err))
		}
	}()
	return listener.Addr().String(), nil
}

// startStack starts the stack in a process of its own, with the environment of backing.
func startStack(ctx context.Context, b *backing) (address string, stop func(), err error) {
	ports := make([]int, 2)
	for i := range ports {
		if ports[i], err = freePort(ctx); err != nil {
			return "", nil, err
		}
	}
	address = net.JoinHostPort("127.0.0.1", strconv.Itoa(ports[0]))
	environ := append(slices.Clone(b.environ), stackVariable+"="+address, "PORT="+strconv.Itoa(ports[1]))
	for name, value := range orderSettings() {
		environ = append(environ, name+"="+value)
	}
	stop, err = startSelf(ctx, address, environ...)
	return address, stop, err
}

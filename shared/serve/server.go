package serve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"knative.dev/pkg/network/handlers"

	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// ServerConfig is what a Server needs; Logger and Metrics are required.
type ServerConfig struct {
	// Address to listen on, "127.0.0.1:0" in tests.
	Address string
	// QuietPeriod is how long no request must have come before a drain ends; 0 is 200 ms. Behind Knative's
	// queue-proxy SIGTERM comes only after its own drain, so that a short one is enough.
	QuietPeriod time.Duration
	// StopTimeout bounds the whole stop; 0 is 4 s locally, a cluster sets it below the pod's grace period.
	StopTimeout time.Duration
	Logger      *zap.Logger
	Metrics     *telemetry.HTTP
}

// Server runs one Function: listen, start, serve, drain, stop. Use NewServer, Start, then Stop once.
type Server struct {
	config   ServerConfig
	function Function
	http     *http.Server
	drainer  *handlers.Drainer
	listener net.Listener
	started  atomic.Bool
	stopping atomic.Bool
	failed   chan error
}

// NewServer returns a server for function that does not listen yet.
func NewServer(config ServerConfig, function Function) *Server {
	if config.QuietPeriod == 0 {
		config.QuietPeriod = 200 * time.Millisecond
	}
	if config.StopTimeout == 0 {
		config.StopTimeout = 4 * time.Second
	}
	s := &Server{config: config, function: function, failed: make(chan error, 1)}
	s.drainer = &handlers.Drainer{Inner: s.probes(function), QuietPeriod: config.QuietPeriod, HealthCheck: s.serveKubelet}
	s.http = &http.Server{
		Handler:           s.drainer,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          zap.NewStdLog(config.Logger),
		ConnState:         connectionCounter(config.Metrics),
	}
	s.http.Protocols = new(http.Protocols)
	s.http.Protocols.SetHTTP1(true)
	s.http.Protocols.SetUnencryptedHTTP2(true) // h2c: Knative's ingress and queue-proxy multiplex over it
	return s
}

// Start listens, serves, and then starts the function; it returns when the function is started. Until then probes
// say "not ready" and requests are answered 503.
func (s *Server) Start(ctx context.Context) error {
	var err error
	s.listener, err = new(net.ListenConfig).Listen(ctx, "tcp", s.config.Address)
	if err != nil {
		return fmt.Errorf("listen on %s: %w", s.config.Address, err)
	}
	s.config.Logger.Info("listening", zap.String("address", s.listener.Addr().String()))
	go func() {
		if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
			s.failed <- err
		}
	}()
	if err := s.function.Start(ctx); err != nil {
		s.closeNow()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.StopTimeout)
		defer cancel()
		return errors.Join(fmt.Errorf("start: %w", err), s.function.Stop(stopping)) // a part of it may have begun
	}
	s.started.Store(true)
	s.config.Logger.Info("started")
	return nil
}

// URL is the server's own address, http://host:port. It is known after Start.
func (s *Server) URL() string { return "http://" + s.listener.Addr().String() }

// Failed receives the error that ended serving, if one did.
func (s *Server) Failed() <-chan error { return s.failed }

// Stop drains and stops: probes fail first, then no new connection is taken, requests under way finish, and the
// function gives back what it holds.
func (s *Server) Stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.config.StopTimeout)
	defer cancel()
	s.stopping.Store(true)
	s.started.Store(false)
	if streaming, ok := s.function.(Drainer); ok {
		streaming.Drain(ctx)
	}
	drained := make(chan struct{})
	go func() {
		s.drainer.Drain()
		close(drained)
	}()
	select {
	case <-drained:
	case <-time.After(s.config.StopTimeout / 2): // a client that never rests must not keep the process alive
	case <-ctx.Done():
	}
	shutdownErr := s.finishRequests(ctx)
	return errors.Join(shutdownErr, s.function.Stop(ctx))
}

// finishRequests waits for the requests under way: they need what the function gives back after them. A request that
// never ends leaves a fourth of the time that is left to the function.
func (s *Server) finishRequests(ctx context.Context) error {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
		defer cancel()
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		s.closeNow()
	}
	return err
}

func (s *Server) closeNow() {
	if err := s.http.Close(); err != nil {
		s.config.Logger.Warn("close", zap.Error(err))
	}
}

// connectionCounter keeps active_connections: hijacked connections (WebSockets) are counted by their owners.
func connectionCounter(metrics *telemetry.HTTP) func(net.Conn, http.ConnState) {
	return func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			metrics.ConnectionOpened()
		case http.StateClosed, http.StateHijacked:
			metrics.ConnectionClosed()
		case http.StateActive, http.StateIdle:
		}
	}
}

package serve

import (
	"context"
	"net/http"
	"time"
)

// probeTimeout bounds the work behind one probe; kubelet's own default is one second.
const probeTimeout = 800 * time.Millisecond

// probes answers /healthz and /readyz and lets everything else through once the function is started.
func (s *Server) probes(function Function) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet || r.Method == http.MethodHead {
			switch r.URL.Path {
			case "/healthz":
				serveProbe(w, r, function.Alive)
				return
			case "/readyz":
				s.serveReady(w, r)
				return
			}
		}
		if !s.started.Load() && !s.draining() {
			w.Header().Set("Retry-After", "1")
			http.Error(w, "starting", http.StatusServiceUnavailable)
			return
		}
		function.ServeHTTP(w, r)
	})
}

// draining is true after Stop: requests that still come are served, only probes fail.
func (s *Server) draining() bool { return s.stopping.Load() }

// serveKubelet answers the kubelet's probes, which the drainer takes out of the other requests by their User-Agent.
func (s *Server) serveKubelet(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/healthz" {
		serveProbe(w, r, s.function.Alive)
		return
	}
	s.serveReady(w, r)
}

func (s *Server) serveReady(w http.ResponseWriter, r *http.Request) {
	if !s.started.Load() {
		http.Error(w, "not started", http.StatusServiceUnavailable)
		return
	}
	serveProbe(w, r, s.function.Ready)
}

func serveProbe(w http.ResponseWriter, r *http.Request, probe func(context.Context) (bool, error)) {
	ctx, cancel := context.WithTimeout(r.Context(), probeTimeout)
	defer cancel()
	ok, err := probe(ctx)
	switch {
	case ok:
		_, _ = w.Write([]byte("ok\n")) // the prober is gone if this fails
	case err != nil:
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
	default:
		http.Error(w, "not ready", http.StatusServiceUnavailable)
	}
}

// Package gateway is the one address in front of the functions: it sends each path to its function, and answers for
// all of them at /, /docs, /openapi.json, /healthz and /readyz.
package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// Function is what the gateway needs of a function: its handler, which also serves /openapi.json, and its readiness.
type Function interface {
	http.Handler
	Ready(ctx context.Context) (bool, error)
}

// Gateway dispatches to functions by path. Safe for concurrent use.
type Gateway struct {
	functions map[string]Function
	mux       *http.ServeMux
}

// New returns a gateway in front of functions, which must have all three names of the path table.
func New(functions map[string]Function) (*Gateway, error) {
	for _, name := range []string{Quote, Order, Account} {
		if functions[name] == nil {
			return nil, fmt.Errorf("gateway: no function %q", name)
		}
	}
	g := &Gateway{functions: functions, mux: http.NewServeMux()}
	g.mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/docs", http.StatusFound)
	})
	g.mux.HandleFunc("GET /docs", g.serveDocs)
	g.mux.HandleFunc("GET /openapi.json", g.serveOpenAPI)
	g.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = fmt.Fprintln(w, "ok") // the prober is gone if this fails
	})
	g.mux.HandleFunc("GET /readyz", g.serveReady)
	g.mux.HandleFunc("/", g.dispatch)
	return g, nil
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if name := FunctionOf(r.Method, r.URL.Path); name != "" {
		g.functions[name].ServeHTTP(w, r)
		return
	}
	g.mux.ServeHTTP(w, r)
}

// dispatch answers a path that nobody has, in the form that the functions use.
func (g *Gateway) dispatch(w http.ResponseWriter, r *http.Request) {
	hidden := r.Clone(r.Context())
	hidden.URL.Path = "/no-such-endpoint" // a function must not serve its internal paths (/events, /metrics) from here
	g.functions[Account].ServeHTTP(w, hidden)
}

func (g *Gateway) serveReady(w http.ResponseWriter, r *http.Request) {
	for name, function := range g.functions {
		if ok, err := function.Ready(r.Context()); !ok {
			http.Error(w, fmt.Sprintf("%s is not ready: %v", name, err), http.StatusServiceUnavailable)
			return
		}
	}
	_, _ = fmt.Fprintln(w, "ok") // the prober is gone if this fails
}

func (g *Gateway) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	merged, err := g.openAPI(r.Context())
	if err != nil {
		http.Error(w, "the documents of the functions can't be merged", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(merged) // the client is gone if this fails
}

// errSchemaConflict: two functions use one schema name for different types.
var errSchemaConflict = errors.New("schema differs between functions")

// openAPI merges the functions' documents into one.
func (g *Gateway) openAPI(ctx context.Context) (map[string]any, error) {
	paths, schemas := map[string]any{}, map[string]any{}
	var merged map[string]any
	for _, name := range []string{Account, Order, Quote} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/openapi.json", http.NoBody)
		if err != nil {
			return nil, err
		}
		var answer recorder
		g.functions[name].ServeHTTP(&answer, request)
		var document map[string]any
		if err := json.Unmarshal(answer.body.Bytes(), &document); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := mergePaths(paths, member(document, "paths")); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if err := mergeInto(schemas, member(document, "components", "schemas")); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		merged = document
	}
	merged["info"] = map[string]any{"title": "Opitios Alpaca", "version": "1.0.0"}
	merged["paths"] = paths
	member(merged, "components")["schemas"] = schemas
	return merged, nil
}

func member(document map[string]any, names ...string) map[string]any {
	for _, name := range names {
		document, _ = document[name].(map[string]any)
	}
	return document
}

// mergePaths merges path by path: two functions may serve different methods of one.
func mergePaths(target, source map[string]any) error {
	for path, value := range source {
		item, _ := value.(map[string]any)
		former, taken := target[path].(map[string]any)
		if !taken {
			target[path] = value
			continue
		}
		if err := mergeInto(former, item); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

func mergeInto(target, source map[string]any) error {
	for name, value := range source {
		former, taken := target[name]
		if !taken {
			target[name] = value
			continue
		}
		a, errA := json.Marshal(former)
		b, errB := json.Marshal(value)
		if errA != nil || errB != nil || !slices.Equal(a, b) {
			return fmt.Errorf("%w: %s", errSchemaConflict, strings.TrimSpace(name))
		}
	}
	return nil
}

// recorder keeps an answer that a function gives to the gateway itself.
type recorder struct {
	header http.Header
	body   bytes.Buffer
}

// Header returns the answer's header.
func (r *recorder) Header() http.Header {
	if r.header == nil {
		r.header = make(http.Header)
	}
	return r.header
}

// Write keeps p.
func (r *recorder) Write(p []byte) (int, error) { return r.body.Write(p) }

// WriteHeader does nothing: a failed answer is no document.
func (r *recorder) WriteHeader(int) {}

var _ http.Handler = (*Gateway)(nil)

package serve

import (
	"context"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
)

// Authenticator verifies a token; auth.Verifier is one.
type Authenticator interface {
	Verify(ctx context.Context, token string) (*auth.Claims, error)
}

// RouterConfig is what a Router needs. All but Limits are required.
type RouterConfig struct {
	// Title names the API in its documentation.
	Title         string
	Authenticator Authenticator
	Limits        Limits
	Clock         clock.Clock
	Logger        *zap.Logger
	Metrics       *telemetry.HTTP
}

// Router dispatches the native API's operations. Register everything before the first request; after that it may be
// used concurrently.
type Router struct {
	config     RouterConfig
	mux        *http.ServeMux
	operations []*Operation
	document   document
	answers    answers
}

// NewRouter returns a router that serves /openapi.json and nothing else yet.
func NewRouter(config RouterConfig) *Router {
	r := &Router{config: config, mux: http.NewServeMux(), answers: newAnswers()}
	r.mux.HandleFunc("GET /openapi.json", r.serveOpenAPI)
	r.mux.HandleFunc("/", r.serveUnknown)
	return r
}

// Mount serves a handler beside the operations: /metrics, /events, a socket. It is not in the documentation, and
// neither authenticated nor limited here.
func (rt *Router) Mount(pattern string, handler http.Handler) {
	_, endpoint, found := strings.Cut(pattern, " ")
	if !found {
		endpoint = pattern
	}
	rt.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		exchangeOf(w).endpoint = endpoint
		handler.ServeHTTP(w, r)
	})
}

// Handle registers an operation with its handler. It panics on a pattern that stands twice, as http.ServeMux does.
func Handle[Body, Data any](rt *Router, operation Operation, handler func(context.Context, *Request[Body]) (Data, error)) {
	op := &operation
	op.body, op.data = reflect.TypeFor[Body](), reflect.TypeFor[Data]()
	rt.operations = append(rt.operations, op)
	series := rt.config.Metrics.Series(op.Method, op.Path)
	serve := func(w http.ResponseWriter, r *http.Request) {
		e := exchangeOf(w)
		e.endpoint = op.Path
		if r.Method == op.Method { // a GET operation answers HEAD, too
			e.series = series
		}
		request := &Request[Body]{Request: r, Answer: w.Header()}
		var err error
		if request.Claims, err = rt.admit(w, r, op); err != nil {
			rt.fail(w, r, err)
			return
		}
		if err = checkQuery(r, op); err == nil {
			err = decodeBody(w, r, &request.Body)
		}
		if err != nil {
			rt.fail(w, r, err)
			return
		}
		data, err := handler(r.Context(), request)
		if err != nil {
			rt.refuse(w, r, err)
			return
		}
		rt.succeed(w, r, op.success(), data)
	}
	rt.mux.HandleFunc(op.Method+" "+op.Path, serve)
}

// HandleStream registers an operation whose handler writes its answer itself and for long: a socket or an event stream.
// The handler gets its verified claims if the operation has a permission. An error that it returns before it has
// written anything is answered like any other problem.
func HandleStream(rt *Router, operation Operation, handler func(w http.ResponseWriter, r *Request[None]) error) {
	op := &operation
	op.body, op.data, op.stream = reflect.TypeFor[None](), reflect.TypeFor[None](), true
	rt.operations = append(rt.operations, op)
	rt.mux.HandleFunc(op.Method+" "+op.Path, func(w http.ResponseWriter, r *http.Request) {
		e := exchangeOf(w)
		e.endpoint, e.stream = op.Path, true
		claims, err := rt.admit(w, r, op)
		if err == nil {
			err = checkQuery(r, op)
		}
		if err == nil {
			rt.writeRateLimit(e)
			err = handler(w, &Request[None]{Request: r, Claims: claims, Answer: w.Header()})
		}
		switch {
		case err == nil:
		case e.status == 0:
			rt.fail(w, r, err)
		default:
			e.cause = err
		}
	})
}

// ServeHTTP gives the request its ID and answers it.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	e := newExchange(w, r, rt.config.Clock.Now())
	defer rt.finish(e, r)
	if !plainPath(r.URL.Path) {
		rt.fail(e, r, problem.EndpointNotFound.New("the path has an empty segment, \".\" or \"..\""))
		return
	}
	// The escaped form, because a symbol may hold an escaped slash: BTC%2FUSD.
	escaped := r.URL.EscapedPath()
	if path := canonicalPath(escaped); path != escaped {
		r = withPath(r, path)
	}
	rt.mux.ServeHTTP(e, r)
}

// plainPath reports whether path has no empty segment, "." or "..". http.ServeMux redirects such a path to where it leads,
// and a client that follows would send DELETE /api/v1/positions/.. to the operation that closes all of them.
func plainPath(path string) bool {
	return !strings.Contains(path, "//") && !strings.Contains(path, "/./") && !strings.Contains(path, "/../") &&
		!strings.HasSuffix(path, "/.") && !strings.HasSuffix(path, "/..")
}

// canonicalPath maps the forms that clients of the former service use to ours: /v1/... is /api/v1/...,
// .../stocks/quote/{symbol} is .../stocks/{symbol}/quote, and .../options/chain/{symbol} is .../options/{symbol}/chain.
func canonicalPath(path string) string {
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok && !strings.HasPrefix(rest, "corporate-actions") {
		path = "/api/v1/" + rest
	}
	for _, class := range []string{"stocks", "options", "crypto"} {
		if symbol, ok := strings.CutPrefix(path, "/api/v1/"+class+"/quote/"); ok && symbol != "" {
			return "/api/v1/" + class + "/" + symbol + "/quote"
		}
	}
	if underlying, ok := strings.CutPrefix(path, "/api/v1/options/chain/"); ok && underlying != "" {
		return "/api/v1/options/" + underlying + "/chain"
	}
	return path
}

// withPath is a shallow copy of r with another path, as http.StripPrefix makes it.
func withPath(r *http.Request, escaped string) *http.Request {
	path, err := url.PathUnescape(escaped)
	if err != nil {
		return r // net/http refused such a path before
	}
	copied := new(http.Request)
	*copied = *r
	target := *r.URL
	target.Path, target.RawPath = path, escaped
	copied.URL = &target
	return copied
}

// admit verifies the token, its permission, and takes the operation's limit.
func (rt *Router) admit(w http.ResponseWriter, r *http.Request, op *Operation) (*auth.Claims, error) {
	e := exchangeOf(w)
	// First, and so that an answer that no narrower limit has a say in carries this one's headers.
	if err := rt.takeLimit(r.Context(), e, ScopeAll, ""); err != nil {
		return nil, err
	}
	var claims *auth.Claims
	var subject string
	if op.Permission != "" {
		token, err := auth.Bearer(r)
		if err != nil {
			return nil, err
		}
		if claims, err = rt.config.Authenticator.Verify(r.Context(), token); err != nil {
			return nil, err
		}
		e.accountID, subject = claims.AccountID, claims.AccountID
	} else if op.Limit != "" {
		subject = "ip:" + remoteHost(r)
	}
	if err := rt.takeLimit(r.Context(), e, op.Limit, subject); err != nil {
		return nil, err
	}
	if op.Permission != "" && !claims.Allows(op.Permission) {
		return nil, problem.Forbidden.New("the token lacks the permission %q", op.Permission).With("permission", string(op.Permission))
	}
	return claims, nil
}

// checkQuery refuses a query parameter that the operation does not have: a misspelt one would be ignored silently.
func checkQuery(r *http.Request, op *Operation) error {
	if r.URL.RawQuery == "" {
		return nil
	}
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return problem.InvalidRequest.New("the query is malformed").Field("query").Because(err)
	}
	for name := range query {
		known := slices.ContainsFunc(op.Parameters, func(p Parameter) bool { return p.In == InQuery && p.Name == name })
		if !known {
			return problem.InvalidRequest.New("unknown query parameter %q", clip(name)).Field(clip(name))
		}
	}
	return nil
}

// serveUnknown answers a path that no operation has, or has under other methods only.
func (rt *Router) serveUnknown(w http.ResponseWriter, r *http.Request) {
	if err := rt.takeLimit(r.Context(), exchangeOf(w), ScopeAll, ""); err != nil {
		rt.fail(w, r, err)
		return
	}
	var allowed []string
	for _, method := range []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		probe := new(http.Request)
		*probe = *r
		probe.Method = method
		if _, pattern := rt.mux.Handler(probe); pattern != "/" {
			allowed = append(allowed, method)
		}
	}
	if len(allowed) > 0 {
		w.Header().Set("Allow", strings.Join(allowed, ", "))
		rt.fail(w, r, problem.MethodNotAllowed.New("%s is not allowed here", r.Method).With("allowed", allowed))
		return
	}
	rt.fail(w, r, problem.EndpointNotFound.New("no endpoint at this path"))
}

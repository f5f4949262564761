package gateway

import (
	"context"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"

	"go.uber.org/zap"
)

// Upstream is a function on the other side of the network. Safe for concurrent use.
type Upstream struct {
	proxy *httputil.ReverseProxy
}

var _ Function = (*Upstream)(nil)

// maxIdle is how many connections to one function are kept: what a burst opened is there for the next one.
const maxIdle = 512

// NewUpstream returns the function at base; failures are logged and answered with 502. WebSockets pass through.
func NewUpstream(base *url.URL, logger *zap.Logger) *Upstream {
	transport := &http.Transport{
		MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: 90 * time.Second, DisableCompression: true,
		// A function at zero answers after its start; longer than that it never takes.
		ResponseHeaderTimeout: 2 * time.Minute,
	}
	return &Upstream{proxy: &httputil.ReverseProxy{
		Transport: transport, FlushInterval: -1, ErrorLog: zap.NewStdLog(logger),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(base) // with it the Host header, by which Knative's ingress knows the function
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
		},
	}}
}

// ServeHTTP passes one request on.
func (u *Upstream) ServeHTTP(w http.ResponseWriter, r *http.Request) { u.proxy.ServeHTTP(w, r) }

// Ready is true: asking would start a function that is at zero.
func (u *Upstream) Ready(context.Context) (bool, error) { return true, nil }

// Split is a function whose lasting connections another service has.
type Split struct {
	Function
	Stream Function
}

// ServeHTTP passes one request on.
func (s Split) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if ServiceOf(r.Method, r.URL.Path) == QuoteStream {
		s.Stream.ServeHTTP(w, r)
		return
	}
	s.Function.ServeHTTP(w, r)
}

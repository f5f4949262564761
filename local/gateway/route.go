package gateway

import (
	"net/http"
	"strings"
)

// The functions that a path can belong to.
const (
	Quote   = "quote"
	Order   = "order"
	Account = "account"
)

// QuoteStream is the quote function as a service of its own, for connections that last: they scale by other figures.
const QuoteStream = "quote-stream"

// route is one line of the path table. The first line that matches decides.
type route struct {
	// pattern is a path; it matches itself, and with a trailing "*" everything that begins so.
	pattern string
	// method limits the line to one method; empty matches all.
	method   string
	function string
	// stream says that it is a connection for hours: on a cluster the service QuoteStream has these.
	stream bool
}

// table is the path table of the design's section 4; on a cluster knative/components/http-route has
// the same as an HTTPRoute.
func table() []route {
	return []route{
		{pattern: "/api/v1/stocks/order", function: Order},
		{pattern: "/api/v1/options/order", function: Order},
		{pattern: "/api/v1/crypto/order", function: Order},
		{pattern: "/api/v1/orders", function: Order},
		{pattern: "/api/v1/orders/*", function: Order},
		{pattern: "/api/v1/rules", function: Order},
		{pattern: "/api/v1/rules/*", function: Order},
		{pattern: "/api/v1/stocks/*", function: Quote},
		{pattern: "/api/v1/options/*", function: Quote},
		{pattern: "/api/v1/crypto/*", function: Quote},
		{pattern: "/api/v1/market/*", function: Quote},
		{pattern: "/api/v1/watches", function: Quote},
		{pattern: "/api/v1/watches/*", function: Quote},
		{pattern: "/api/v1/ws/market-data", function: Quote, stream: true},
		{pattern: "/api/v1/sse/market-data", function: Quote, stream: true},
		{pattern: "/api/v1/auth/*", function: Account},
		{pattern: "/api/v1/account", function: Account},
		{pattern: "/api/v1/accounts", function: Account},
		{pattern: "/api/v1/accounts/*", function: Account},
		// Closing a position is placing an order (docs/decisions/0016-close-by-own-order.md).
		{pattern: "/api/v1/positions", method: http.MethodDelete, function: Order},
		{pattern: "/api/v1/positions/*", method: http.MethodDelete, function: Order},
		{pattern: "/api/v1/positions", function: Account},
		{pattern: "/api/v1/positions/*", function: Account},
		{pattern: "/api/v1/ws/account-updates", function: Account},
		{pattern: "/api/v1/admin/*", function: Account},
		{pattern: "/v2/orders*", function: Order},
		{pattern: "/v2/positions*", method: http.MethodDelete, function: Order},
		{pattern: "/v2/stocks/*", function: Quote},
		{pattern: "/v2/iex", function: Quote, stream: true},
		{pattern: "/v2/sip", function: Quote, stream: true},
		{pattern: "/v2/delayed_sip", function: Quote, stream: true},
		{pattern: "/v2/test", function: Quote, stream: true},
		{pattern: "/v1beta1/*", function: Quote},
		{pattern: "/v1beta3/*", function: Quote},
		{pattern: "/v2/*", function: Account},
		{pattern: "/stream", function: Account},
	}
}

func (r route) matches(method, path string) bool {
	if r.method != "" && r.method != method {
		return false
	}
	if prefix, ok := strings.CutSuffix(r.pattern, "*"); ok {
		return strings.HasPrefix(path, prefix)
	}
	return r.pattern == path
}

// FunctionOf returns the function that serves method and path, or "". /v1/... is an alias of /api/v1/....
func FunctionOf(method, path string) string {
	return lookup(method, path).function
}

// ServiceOf is FunctionOf for a cluster, where QuoteStream is a service of its own.
func ServiceOf(method, path string) string {
	found := lookup(method, path)
	if found.stream {
		return QuoteStream
	}
	return found.function
}

func lookup(method, path string) route {
	if rest, ok := strings.CutPrefix(path, "/v1/"); ok {
		path = "/api/v1/" + rest
	}
	for _, r := range table() {
		if r.matches(method, path) {
			return r
		}
	}
	return route{}
}

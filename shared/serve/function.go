// Package serve is the HTTP face that all functions share: the server and its life, routing with authentication and
// limits, strict decoding, the answer's envelope, probes, metrics, and OpenAPI from the code's own types.
package serve

import (
	"context"
	"net/http"
)

// Function is the face of every function, the one that Knative's func framework knows, with ServeHTTP in the place
// of its Handle.
type Function interface {
	http.Handler
	// Start opens what the function needs. It is called after the server listens and may take as long as ctx.
	Start(ctx context.Context) error
	// Stop gives back what Start took: leases, tokens, connections. It returns by the end of ctx.
	Stop(ctx context.Context) error
	// Ready reports whether requests can be served now; the error says why not.
	Ready(ctx context.Context) (bool, error)
	// Alive reports whether the process should go on; the error says why not.
	Alive(ctx context.Context) (bool, error)
}

// Drainer is a Function with answers that don't end by themselves: sockets and event streams.
type Drainer interface {
	// Drain asks their clients to come again, to another instance, and ends them. It is called when the stop begins,
	// before the requests under way are waited for, and returns by the end of ctx.
	Drain(ctx context.Context)
}

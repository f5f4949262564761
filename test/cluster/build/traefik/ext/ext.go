// Package ext is what Traefik's own repository has in pkg/config/dynamic/ext, a folder that its module leaves out.
package ext

// HTTP extends a dynamic HTTP configuration with nothing.
type HTTP struct{}

// Router extends a router with nothing.
type Router struct{}

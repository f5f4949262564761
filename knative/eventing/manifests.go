// Package eventing holds the manifests of the Broker, its Triggers and its event types, so that the local broker
// runs on what a cluster gets, from wherever the program is started.
package eventing

import "embed"

// Manifests are this folder's YAML files.
//
//go:embed *.yaml
var Manifests embed.FS

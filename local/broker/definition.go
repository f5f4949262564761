package broker

import (
	"fmt"
	"math"
	"net/url"
	"time"
)

// Definition is one Broker and its Triggers, as read by Load. It must not be changed once a Broker uses it.
type Definition struct {
	// Name is the Broker's metadata.name.
	Name string
	// Triggers are in the order of file names.
	Triggers []Trigger
}

// Trigger says which events go where.
type Trigger struct {
	// Name is the Trigger's metadata.name.
	Name       string
	Filter     Filter
	Subscriber Destination
	// Delivery is the Trigger's own, or the Broker's when it has none.
	Delivery Delivery
}

// Destination is a service and a path on it, or an absolute URI.
type Destination struct {
	// Service is the name of a Knative or Kubernetes Service; empty when URI is absolute.
	Service string
	// URI is relative to the service's address, or absolute; nil is the service's address itself.
	URI *url.URL
}

// String is the destination as the manifests say it.
func (d Destination) String() string {
	switch {
	case d.Service == "":
		return d.URI.String()
	case d.URI == nil:
		return "service " + d.Service
	default:
		return fmt.Sprintf("service %s at %s", d.Service, d.URI)
	}
}

// BackoffPolicy is how waits between retries grow.
type BackoffPolicy string

// The policies that Knative knows.
const (
	BackoffExponential BackoffPolicy = "exponential"
	BackoffLinear      BackoffPolicy = "linear"
)

// Delivery is what happens to an event that a subscriber does not take.
type Delivery struct {
	// Retry is how often a delivery is tried again, after the first time.
	Retry int
	// BackoffPolicy and BackoffDelay set the waits; without either of them there is no wait.
	BackoffPolicy BackoffPolicy
	BackoffDelay  time.Duration
	// Timeout bounds each attempt.
	Timeout time.Duration
	// DeadLetterSink gets what could not be delivered; nil loses it.
	DeadLetterSink *Destination
}

// defaultTimeout bounds an attempt when the manifests do not; Knative would wait for ever.
const defaultTimeout = 30 * time.Second

// clusterDefault is what Knative gives a Broker without spec.delivery (ConfigMap config-br-defaults).
func clusterDefault() Delivery {
	return Delivery{
		Retry: 10, BackoffPolicy: BackoffExponential, BackoffDelay: 200 * time.Millisecond, Timeout: defaultTimeout,
	}
}

// Backoff returns the wait before retry number n, the first being 0: delay × 2ⁿ or delay × n, as in
// knative/eventing pkg/kncloudevents/retries.go.
func (d Delivery) Backoff(n int) time.Duration {
	factor := 0.0
	switch d.BackoffPolicy {
	case BackoffExponential:
		factor = math.Exp2(float64(n))
	case BackoffLinear:
		factor = float64(n)
	}
	wait := float64(d.BackoffDelay) * factor
	if wait > float64(maxBackoff) {
		return maxBackoff
	}
	return time.Duration(wait)
}

// maxBackoff keeps a large retry number from overflowing.
const maxBackoff = 24 * time.Hour

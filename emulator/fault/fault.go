// Package fault injects failures into the emulator's answers, chosen by route and key.
package fault

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// Kind is what goes wrong.
type Kind string

// The kinds of faults.
const (
	Latency    Kind = "latency"     // the answer comes later by LatencyMS plus up to JitterMS
	Status     Kind = "status"      // Status, Code and Message are answered, nothing is done
	DropBefore Kind = "drop_before" // the connection breaks and nothing is done
	DropAfter  Kind = "drop_after"  // the request is carried out, then the connection breaks without an answer
	RateLimit  Kind = "rate_limit"  // 429 as Alpaca answers it, nothing is done; a burst with Times
	SlowBody   Kind = "slow_body"   // the body trickles at BytesPerSecond
	Truncated  Kind = "truncated"   // the connection breaks after KeepBytes of the body
	Stale      Kind = "stale"       // a GET is answered with what it was answered the first time under this fault
)

// ErrInvalid is returned for a fault that makes no sense; the text says which field is wrong.
var ErrInvalid = errors.New("invalid fault")

// Fault is one rule. An empty Route or KeyID matches all.
type Fault struct {
	ID        string `json:"id"`
	Route     string `json:"route"` // "POST /v2/orders", "/v2/orders*" or "*"
	KeyID     string `json:"key_id"`
	Kind      Kind   `json:"kind"`
	LatencyMS int    `json:"latency_ms,omitempty"`
	JitterMS  int    `json:"jitter_ms,omitempty"`
	// Distribution of the latency: uniform from LatencyMS to LatencyMS plus JitterMS (the default), normal around LatencyMS
	// with deviation JitterMS, or exponential with mean JitterMS beyond LatencyMS.
	Distribution   Distribution `json:"distribution,omitempty"`
	BytesPerSecond int          `json:"bytes_per_second,omitempty"`
	KeepBytes      int          `json:"keep_bytes,omitempty"`
	Status         int          `json:"status,omitempty"`
	Code           int          `json:"code,omitempty"`
	Message        string       `json:"message,omitempty"`
	Probability    float64      `json:"probability"` // 0 stands for 1: always
	Times          int          `json:"times"`       // 0: until it is removed
	Hits           int          `json:"hits"`

	recorded *recordings // of Stale
}

func (f Fault) check() error {
	switch f.Kind {
	case Latency:
		if f.LatencyMS < 0 || f.JitterMS < 0 || f.LatencyMS+f.JitterMS == 0 {
			return fmt.Errorf("%w: latency_ms must be positive", ErrInvalid)
		}
		if err := f.Distribution.check(); err != nil {
			return err
		}
	case Status:
		if f.Status < 200 || f.Status > 599 {
			return fmt.Errorf("%w: status must be from 200 to 599", ErrInvalid)
		}
	case SlowBody:
		if f.BytesPerSecond < 1 {
			return fmt.Errorf("%w: bytes_per_second must be positive", ErrInvalid)
		}
	case Truncated:
		if f.KeepBytes < 0 {
			return fmt.Errorf("%w: keep_bytes must not be negative", ErrInvalid)
		}
	case DropBefore, DropAfter, RateLimit, Stale:
	default:
		return fmt.Errorf("%w: kind must be latency, status, drop_before, drop_after, rate_limit, slow_body, truncated or stale", ErrInvalid)
	}
	if f.Times < 0 || f.Hits < 0 {
		return fmt.Errorf("%w: times must not be negative", ErrInvalid)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("%w: probability must be from 0 to 1", ErrInvalid)
	}
	return nil
}

// forStreams reports whether the fault can strike a stream, which has no body that ends.
func (f Fault) forStreams() bool {
	switch f.Kind {
	case Latency, Status, RateLimit, DropBefore:
		return true
	default:
		return false
	}
}

func (f Fault) matches(r *http.Request, keyID string) bool {
	if f.KeyID != "" && f.KeyID != keyID {
		return false
	}
	route := f.Route
	if method, path, found := strings.Cut(route, " "); found {
		if method != r.Method {
			return false
		}
		route = path
	}
	if prefix, open := strings.CutSuffix(route, "*"); open {
		return strings.HasPrefix(r.URL.Path, prefix)
	}
	return route == "" || route == r.URL.Path
}

// Package fault injects failures into the emulator's answers, chosen by route and key.
package fault

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

// Kind is what goes wrong.
type Kind string

// The kinds of faults.
const (
	Latency    Kind = "latency"     // the answer comes later by LatencyMS plus up to JitterMS
	Status     Kind = "status"      // Status, Code and Message are answered, nothing is done
	DropBefore Kind = "drop_before" // the connection breaks and nothing is done
	DropAfter  Kind = "drop_after"  // the request is carried out, then the connection breaks without an answer
)

// ErrInvalid is returned for a fault that makes no sense; the text says which field is wrong.
var ErrInvalid = errors.New("invalid fault")

// Fault is one rule. An empty Route or KeyID matches all.
type Fault struct {
	ID          string  `json:"id"`
	Route       string  `json:"route"` // "POST /v2/orders", "/v2/orders*" or "*"
	KeyID       string  `json:"key_id"`
	Kind        Kind    `json:"kind"`
	LatencyMS   int     `json:"latency_ms,omitempty"`
	JitterMS    int     `json:"jitter_ms,omitempty"`
	Status      int     `json:"status,omitempty"`
	Code        int     `json:"code,omitempty"`
	Message     string  `json:"message,omitempty"`
	Probability float64 `json:"probability"` // 0 stands for 1: always
	Times       int     `json:"times"`       // 0: until it is removed
	Hits        int     `json:"hits"`
}

// Delay draws the latency of one request.
func (f Fault) Delay() time.Duration {
	delay := f.LatencyMS
	if f.JitterMS > 0 {
		delay += rand.IntN(f.JitterMS + 1)
	}
	return time.Duration(delay) * time.Millisecond
}

func (f Fault) check() error {
	switch f.Kind {
	case Latency:
		if f.LatencyMS < 0 || f.JitterMS < 0 || f.LatencyMS+f.JitterMS == 0 {
			return fmt.Errorf("%w: latency_ms must be positive", ErrInvalid)
		}
	case Status:
		if f.Status < 200 || f.Status > 599 {
			return fmt.Errorf("%w: status must be from 200 to 599", ErrInvalid)
		}
	case DropBefore, DropAfter:
	default:
		return fmt.Errorf("%w: kind must be latency, status, drop_before or drop_after", ErrInvalid)
	}
	if f.Probability < 0 || f.Probability > 1 {
		return fmt.Errorf("%w: probability must be from 0 to 1", ErrInvalid)
	}
	return nil
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

// Registry holds the faults in force. It may be used concurrently; the zero value is empty and ready.
type Registry struct {
	mu     sync.RWMutex
	faults []*Fault
}

// Add puts a fault in force and returns it with its ID. ErrInvalid when it makes no sense.
func (g *Registry) Add(f Fault) (Fault, error) {
	if err := f.check(); err != nil {
		return Fault{}, err
	}
	f.ID, f.Hits = uuid.NewString(), 0
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, &f)
	return f, nil
}

// Remove lifts a fault and reports whether it was in force.
func (g *Registry) Remove(id string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, f := range g.faults {
		if f.ID == id {
			g.faults = append(g.faults[:i:i], g.faults[i+1:]...)
			return true
		}
	}
	return false
}

// Clear lifts all faults.
func (g *Registry) Clear() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = nil
}

// List returns the faults in force with their hits.
func (g *Registry) List() []Fault {
	g.mu.RLock()
	defer g.mu.RUnlock()
	list := make([]Fault, 0, len(g.faults))
	for _, f := range g.faults {
		list = append(list, *f)
	}
	return list
}

// Hit returns the faults that strike this request, and counts them.
func (g *Registry) Hit(r *http.Request, keyID string) []Fault {
	if g.empty() {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	var struck []Fault
	for _, f := range g.faults {
		if f.Times > 0 && f.Hits >= f.Times || !f.matches(r, keyID) {
			continue
		}
		if f.Probability > 0 && rand.Float64() >= f.Probability {
			continue
		}
		f.Hits++
		struck = append(struck, *f)
	}
	return struck
}

func (g *Registry) empty() bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return len(g.faults) == 0
}

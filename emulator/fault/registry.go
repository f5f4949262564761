package fault

import (
	"math/rand/v2"
	"net/http"
	"sync"

	"github.com/google/uuid"
)

// Registry holds the faults in force, counts answers and knows the open streams. It may be used concurrently; the zero
// value is empty and ready.
type Registry struct {
	mu     sync.RWMutex
	faults []*Fault

	streams streams
	answers answers
}

// Add puts a fault in force and returns it with its ID. ErrInvalid when it makes no sense.
func (g *Registry) Add(f Fault) (Fault, error) {
	if err := f.check(); err != nil {
		return Fault{}, err
	}
	f.ID, f.Hits = uuid.NewString(), 0
	if f.Kind == Stale {
		f.recorded = &recordings{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = append(g.faults, &f)
	return f, nil
}

// Restore replaces the faults in force by others, with their IDs and hits. ErrInvalid when one of them makes no sense; nothing
// has changed then.
func (g *Registry) Restore(faults []Fault) error {
	if err := Check(faults); err != nil {
		return err
	}
	restored := make([]*Fault, 0, len(faults))
	for _, f := range faults {
		if f.ID == "" {
			f.ID = uuid.NewString()
		}
		if f.Kind == Stale {
			f.recorded = &recordings{}
		}
		restored = append(restored, &f)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.faults = restored
	return nil
}

// Check returns ErrInvalid when one of the faults makes no sense.
func Check(faults []Fault) error {
	for _, f := range faults {
		if err := f.check(); err != nil {
			return err
		}
	}
	return nil
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

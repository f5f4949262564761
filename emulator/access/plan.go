package access

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"sync"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Plan is a market data subscription.
type Plan string

// The plans. The zero value stands for AlgoTraderPlus.
const (
	// Basic is the free plan: stocks of IEX in real time and of all exchanges 15 minutes late, indicative option quotes.
	Basic Plan = "basic"
	// AlgoTraderPlus has all exchanges and OPRA in real time.
	AlgoTraderPlus Plan = "algo_trader_plus"
)

// Requests a minute that the plans allow.
const (
	basicRequests = 200
	plusRequests  = 10_000
)

// ErrPlan is returned for a plan that does not exist.
var ErrPlan = errors.New("unknown market data plan")

// Requests returns how many market data requests a minute the plan allows.
func (p Plan) Requests() int {
	if p == Basic {
		return basicRequests
	}
	return plusRequests
}

// Plans knows the plan of every key. The zero value gives all AlgoTraderPlus; it may be used concurrently.
type Plans struct {
	opened map[string]Plan

	mu    sync.RWMutex
	byKey map[string]Plan
}

// NewPlans returns the plans that keys begin with; an empty one is AlgoTraderPlus. ErrPlan.
func NewPlans(opened map[string]Plan) (*Plans, error) {
	p := &Plans{opened: maps.Clone(opened)}
	return p, p.Restore(opened)
}

// Of returns a key's plan.
func (p *Plans) Of(keyID string) Plan {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if plan := p.byKey[keyID]; plan != "" {
		return plan
	}
	return AlgoTraderPlus
}

// All returns the plan of every key that was given one.
func (p *Plans) All() map[string]Plan {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return maps.Clone(p.byKey)
}

// Set gives a key a plan; empty: AlgoTraderPlus. ErrPlan.
func (p *Plans) Set(keyID string, plan Plan) error {
	if err := plan.check(); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.byKey == nil {
		p.byKey = make(map[string]Plan)
	}
	p.byKey[keyID] = plan
	return nil
}

// Restore replaces all plans. ErrPlan; nothing has changed then.
func (p *Plans) Restore(plans map[string]Plan) error {
	for keyID, plan := range plans {
		if err := plan.check(); err != nil {
			return fmt.Errorf("%s: %w", keyID, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.byKey = maps.Clone(plans)
	return nil
}

// Reset gives every key the plan that it began with.
func (p *Plans) Reset() { _ = p.Restore(p.opened) } // they were checked when they were given

func (p Plan) check() error {
	switch p {
	case "", Basic, AlgoTraderPlus:
		return nil
	default:
		return fmt.Errorf("%w: %q (want %s or %s)", ErrPlan, string(p), Basic, AlgoTraderPlus)
	}
}

// PlanHandler answers {"key_id":K,"plan":P}, which changes the plan of a key.
func PlanHandler(plans *Plans) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		const maxBody = 1 << 16
		var wanted struct {
			KeyID string `json:"key_id"`
			Plan  Plan   `json:"plan"`
		}
		decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&wanted); err != nil {
			wire.WriteError(w, wire.Plain(http.StatusBadRequest, "body: %v", err))
			return
		}
		if wanted.KeyID == "" {
			wire.WriteError(w, wire.Plain(http.StatusBadRequest, "key_id: it is required"))
			return
		}
		if err := plans.Set(wanted.KeyID, wanted.Plan); err != nil {
			wire.WriteError(w, wire.Plain(http.StatusBadRequest, "plan: %v", err))
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
}

// Package watch is the API of price watches: who has one gets an event when the price of a symbol reaches a level.
package watch

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/crossing"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

const (
	// defaultLife is how long a watch without expires_at waits.
	defaultLife = 30 * 24 * time.Hour
	maxRuleID   = 128
)

// Request is the body that makes a watch.
type Request struct {
	Symbol     string          `json:"symbol" example:"AAPL" doc:"Stock symbol, OCC option symbol or crypto pair."`
	AssetClass string          `json:"asset_class,omitempty" enum:"us_equity,us_option,crypto" doc:"us_equity without it."`
	Direction  string          `json:"direction" enum:"above,below" doc:"It fires when the price is at the level or beyond it."`
	Level      *decimal.Number `json:"level" example:"200"`
	Source     string          `json:"source,omitempty" enum:"trade,bid,ask" doc:"The price that counts; trade without it."`
	Repeat     bool            `json:"repeat,omitempty" doc:"Fires each time that the price comes back from the other side, instead of once."`
	ExpiresAt  *time.Time      `json:"expires_at,omitempty" doc:"At most 90 days away; 30 days without it."`
	RuleID     string          `json:"rule_id,omitempty" doc:"Your own name of what it is for; it comes back in the event."`
}

// Watches is a list of watches.
type Watches struct {
	Watches []crossing.Watch `json:"watches"`
}

// API serves the watches.
type api struct {
	store *crossing.Store
	clock clock.Clock
	limit int
}

// Register adds the operations to a router. limit is the most watches of one account.
func Register(router *serve.Router, p *platform.Platform, limit int) {
	a := &api{store: crossing.NewStore(p.Redis), clock: p.Clock, limit: limit}
	common := serve.Operation{Tag: "Watches", Permission: auth.PermissionMarketData, Limit: platform.LimitAccount, Problems: []*problem.Kind{problem.Unavailable}}
	id := serve.Parameter{Name: "id", In: serve.InPath, Description: "ID of the watch."}
	op := func(id, method, path, summary string, problems ...*problem.Kind) serve.Operation {
		o := common
		o.ID, o.Method, o.Path, o.Summary = id, method, path, summary
		o.Problems = append([]*problem.Kind{problem.Unavailable}, problems...)
		return o
	}
	create := op("createWatch", http.MethodPost, "/api/v1/watches", "Watch a price level", problem.RiskLimit)
	create.Status = http.StatusCreated
	create.Description = "When the price reaches the level, ai.opitios.quote.crossed is published, once for each crossing."
	serve.Handle(router, create, a.create)
	serve.Handle(router, op("listWatches", http.MethodGet, "/api/v1/watches", "List the account's watches"), a.list)
	get := op("getWatch", http.MethodGet, "/api/v1/watches/{id}", "Read a watch", problem.EndpointNotFound)
	get.Parameters = []serve.Parameter{id}
	serve.Handle(router, get, a.get)
	remove := op("deleteWatch", http.MethodDelete, "/api/v1/watches/{id}", "Remove a watch", problem.EndpointNotFound)
	remove.Parameters = []serve.Parameter{id}
	serve.Handle(router, remove, a.remove)
}

func (a *api) create(ctx context.Context, r *serve.Request[Request]) (*crossing.Watch, error) {
	w, err := a.watch(&r.Body, r.Claims.AccountID)
	if err != nil {
		return nil, err
	}
	if err := a.store.Create(ctx, w, a.limit); err != nil {
		if errors.Is(err, crossing.ErrTooMany) {
			return nil, problem.RiskLimit.New("the account has %d watches already, as many as it may have", a.limit).
				With("limit", "watches").With("allowed", a.limit)
		}
		return nil, unavailable(err)
	}
	return w, nil
}

// watch checks a request, field by field.
func (a *api) watch(r *Request, accountID string) (*crossing.Watch, error) {
	now := a.clock.Now().UTC()
	class, ok := tick.ParseClass(r.AssetClass)
	if !ok {
		return nil, problem.InvalidRequest.New("asset_class must be us_equity, us_option or crypto").Field("asset_class")
	}
	symbol, err := class.ParseSymbol(r.Symbol)
	if err != nil {
		return nil, problem.InvalidRequest.New("symbol: %v", err).Field("symbol")
	}
	w := &crossing.Watch{
		ID: ulid.Make().String(), AccountID: accountID, RuleID: r.RuleID, AssetClass: class.String(), Symbol: symbol,
		Direction: r.Direction, Source: r.Source, Repeat: r.Repeat, CreatedAt: now, ExpiresAt: now.Add(defaultLife),
	}
	if w.Source == "" {
		w.Source = crossing.Trade
	}
	if r.ExpiresAt != nil {
		w.ExpiresAt = r.ExpiresAt.UTC()
	}
	switch {
	case w.Direction != crossing.Above && w.Direction != crossing.Below:
		return nil, problem.InvalidRequest.New("direction must be above or below").Field("direction")
	case w.Source != crossing.Trade && w.Source != crossing.Bid && w.Source != crossing.Ask:
		return nil, problem.InvalidRequest.New("source must be trade, bid or ask").Field("source")
	case r.Level == nil || !r.Level.IsPos():
		return nil, problem.InvalidRequest.New("level must be greater than 0").Field("level")
	case len(r.RuleID) > maxRuleID:
		return nil, problem.InvalidRequest.New("rule_id has at most %d characters", maxRuleID).Field("rule_id").With("limit", maxRuleID)
	case !w.ExpiresAt.After(now) || w.ExpiresAt.Sub(now) > crossing.MaxLife:
		return nil, problem.InvalidRequest.New("expires_at must be in the future, and at most 90 days away").Field("expires_at")
	}
	w.Level = *r.Level
	return w, nil
}

func (a *api) list(ctx context.Context, r *serve.Request[serve.None]) (Watches, error) {
	found, err := a.store.List(ctx, r.Claims.AccountID)
	if err != nil {
		return Watches{}, unavailable(err)
	}
	if found == nil {
		found = []crossing.Watch{}
	}
	return Watches{found}, nil
}

func (a *api) get(ctx context.Context, r *serve.Request[serve.None]) (crossing.Watch, error) {
	w, err := a.store.Get(ctx, r.Claims.AccountID, r.PathValue("id"))
	return w, public(err)
}

func (a *api) remove(ctx context.Context, r *serve.Request[serve.None]) (serve.None, error) {
	return serve.None{}, public(a.store.Delete(ctx, r.Claims.AccountID, r.PathValue("id")))
}

// public translates an error for the caller: another account's watch does not exist.
func public(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, crossing.ErrNotFound):
		return problem.EndpointNotFound.New("the account has no such watch")
	default:
		return unavailable(err)
	}
}

func unavailable(err error) error {
	return problem.Unavailable.New("watches can't be reached right now").Because(err)
}

// Package account is the function that gives out tokens and shows accounts: balances, positions and, to
// administrators, all accounts and what no subscriber would take. Its reads are served from snapshots in Redis that
// are dropped the moment an account changes.
package account

import (
	"context"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/telemetry"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// Function is the account function. Create one with New; after Start it may be used concurrently.
type Function struct {
	platform    *platform.Platform
	router      *serve.Router
	issuer      *auth.Issuer
	revocations *auth.RedisRevocations
	snapshots   *snapshots
	deadLetters *deadLetters
	sessions    *sessions
	tokenLife   revocationLife
	switches    *killswitch.Store
}

var _ serve.Function = (*Function)(nil)

// New builds the function without touching the network.
func New(cfg Config, d platform.Dependencies) (*Function, error) {
	if cfg.CacheTTL == 0 {
		cfg.CacheTTL = defaultCacheTTL
	}
	if cfg.SessionLead == 0 {
		cfg.SessionLead = defaultSessionLead
	}
	p, err := platform.New(cfg.Config, d)
	if err != nil {
		return nil, err
	}
	issuer, err := auth.NewIssuer(p.Keys, cfg.TokenLife, d.Clock)
	if err != nil {
		return nil, err
	}
	proofs, err := auth.NewProofVerifier(p.Keys, vault.Secrets{Accounts: p.Accounts}, d.Clock)
	if err != nil {
		return nil, err
	}
	f := &Function{
		platform: p, router: p.NewRouter("Opitios Alpaca: accounts"), issuer: issuer,
		revocations: p.Revocations, tokenLife: revocationLife(cfg.TokenLife),
		snapshots: newSnapshots(p, cfg.CacheTTL, telemetry.NewCache(d.Registerer)),
		switches:  killswitch.NewStore(p.Redis), deadLetters: newDeadLetters(p.Redis, d.Clock, d.Logger, proofs, issuer),
		sessions: newSessions(p, cfg.SessionLead),
	}
	f.routes()
	return f, nil
}

func (f *Function) routes() {
	f.handleTokens()
	f.handleTickets()
	f.handleBalances()
	f.handlePositions()
	f.handleAccounts()
	f.handleDeadLetters()
	f.handleKillSwitches()
	f.handleRisk()
	f.handleEvents()
}

// Start reads the accounts and begins the background work.
func (f *Function) Start(ctx context.Context) error { return f.platform.Start(ctx) }

// ServeHTTP answers one request or takes one event.
func (f *Function) ServeHTTP(w http.ResponseWriter, r *http.Request) { f.router.ServeHTTP(w, r) }

// Ready reports whether requests can be served.
func (f *Function) Ready(ctx context.Context) (bool, error) { return f.platform.Ready(ctx) }

// Alive reports whether the process should go on.
func (f *Function) Alive(ctx context.Context) (bool, error) { return f.platform.Alive(ctx) }

// Stop ends the background work and closes the connections.
func (f *Function) Stop(ctx context.Context) error { return f.platform.Stop(ctx) }

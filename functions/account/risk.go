package account

import (
	"context"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// AccountControls are the limits and risk controls that hold for an account now.
type AccountControls struct {
	AccountID string        `json:"account_id"`
	Limits    AccountLimits `json:"limits"`
	Risk      risk.Controls `json:"risk"`
	// ChangedAt is when the file that they come from was changed; null without a file.
	ChangedAt *time.Time `json:"changed_at"`
}

// AccountLimits are an account's rate limits.
type AccountLimits struct {
	OrdersPerMinute int `json:"orders_per_minute"`
	// AlpacaRequestsPerMinute is what is used of Alpaca's Trading API until its answers say less; CancelReserve is kept for
	// cancels.
	AlpacaRequestsPerMinute int `json:"alpaca_requests_per_minute"`
	CancelReserve           int `json:"cancel_reserve"`
}

func (f *Function) handleRisk() {
	serve.Handle(f.router, serve.Operation{
		ID: "getAccountControls", Method: http.MethodGet, Path: "/api/v1/admin/accounts/{account_id}/risk", Tag: "admin",
		Summary:    "Limits and risk controls that hold for one account",
		Permission: auth.PermissionAdmin, Limit: platform.LimitAccount, Parameters: []serve.Parameter{accountParameter()},
		Problems: []*problem.Kind{problem.AccountNotFound},
	}, f.accountControls)
}

func (f *Function) accountControls(ctx context.Context, r *serve.Request[serve.None]) (AccountControls, error) {
	account, err := f.reach(ctx, r.Claims, r.PathValue("account_id"))
	if err != nil {
		return AccountControls{}, err
	}
	allowed := f.platform.Allowance(account.ID, alpaca.APITrading)
	held := AccountControls{
		AccountID: account.ID, Risk: f.platform.Controls.Of(account.ID).Risk,
		Limits: AccountLimits{
			OrdersPerMinute: f.platform.OrderRate(account.ID).Limit, AlpacaRequestsPerMinute: allowed.Most(), CancelReserve: allowed.Reserve,
		},
	}
	if changed := f.platform.Controls.Changed(); !changed.IsZero() {
		held.ChangedAt = &changed
	}
	return held, nil
}

package account

import (
	"context"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
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
	serve.Handle(f.router, serve.Operation{
		ID: "getCeilings", Method: http.MethodGet, Path: "/api/v1/admin/risk", Tag: "admin",
		Summary:    "Ceilings over all accounts together, and what is used of them",
		Permission: auth.PermissionAdmin, Limit: platform.LimitAccount,
	}, f.allCeilings)
}

// AllCeilings are the ceilings that hold for all accounts together now.
type AllCeilings struct {
	Ceilings risk.Ceilings `json:"ceilings"`
	// Used is what counts against them; null without a ceiling.
	Used *CeilingsUsed `json:"used"`
	// ChangedAt is when the file that they come from was changed; null without a file.
	ChangedAt *time.Time `json:"changed_at"`
}

// CeilingsUsed is what all accounts have open, and what they sent today.
type CeilingsUsed struct {
	// Complete is false while the orders are counted at Alpaca anew: until then no order is taken.
	Complete   bool  `json:"complete"`
	OpenOrders int64 `json:"open_orders"`
	// OpenValue and DailyValue are in USD.
	OpenValue  decimal.Number `json:"open_value"`
	DailyValue decimal.Number `json:"daily_value"`
}

func (f *Function) allCeilings(ctx context.Context, _ *serve.Request[serve.None]) (AllCeilings, error) {
	held := AllCeilings{Ceilings: *f.platform.Controls.Ceilings(), ChangedAt: f.controlsChanged()}
	if !held.Ceilings.Any() {
		return held, nil
	}
	complete, use, err := ceiling.New(f.platform.Redis, ceiling.Config{}).State(ctx)
	if err != nil {
		return AllCeilings{}, problem.Unavailable.New("what is used of the ceilings can't be read right now").Because(err)
	}
	held.Used = &CeilingsUsed{
		Complete: complete, OpenOrders: use.OpenOrders,
		OpenValue: decimal.Number{Decimal: use.OpenValue}, DailyValue: decimal.Number{Decimal: use.DailyValue},
	}
	return held, nil
}

// controlsChanged is when the controls file was changed, nil without one.
func (f *Function) controlsChanged() *time.Time {
	if changed := f.platform.Controls.Changed(); !changed.IsZero() {
		return &changed
	}
	return nil
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
	held.ChangedAt = f.controlsChanged()
	return held, nil
}

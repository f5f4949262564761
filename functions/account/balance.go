package account

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// Account is the state of an account; money in Currency.
type Account struct {
	// AccountID is the account's ID in this service, AccountNumber Alpaca's number of it.
	AccountID     string `json:"account_id"`
	AccountNumber string `json:"account_number"`
	// Status is Alpaca's, for example "ACTIVE".
	Status          string         `json:"status"`
	Currency        string         `json:"currency"`
	BuyingPower     decimal.Number `json:"buying_power"`
	RegTBuyingPower decimal.Number `json:"regt_buying_power"`
	// DaytradingBuyingPower and PatternDayTrader are null since Alpaca stopped sending them in July 2026.
	DaytradingBuyingPower *decimal.Number `json:"daytrading_buying_power"`
	Cash                  decimal.Number  `json:"cash"`
	PortfolioValue        decimal.Number  `json:"portfolio_value"`
	Equity                decimal.Number  `json:"equity"`
	// LastEquity is the equity at 16:00 New York time of the previous trading day.
	LastEquity        decimal.Number `json:"last_equity"`
	Multiplier        decimal.Number `json:"multiplier"`
	PatternDayTrader  *bool          `json:"pattern_day_trader"`
	InitialMargin     decimal.Number `json:"initial_margin"`
	MaintenanceMargin decimal.Number `json:"maintenance_margin"`
	LongMarketValue   decimal.Number `json:"long_market_value"`
	// ShortMarketValue is negative.
	ShortMarketValue decimal.Number `json:"short_market_value"`
	TradingBlocked   bool           `json:"trading_blocked"`
	AccountBlocked   bool           `json:"account_blocked"`
	ShortingEnabled  bool           `json:"shorting_enabled"`
	// AsOf is when Alpaca was asked.
	AsOf time.Time `json:"as_of"`
}

func (f *Function) handleBalances() {
	serve.Handle(f.router, serve.Operation{
		ID: "getAccount", Method: http.MethodGet, Path: "/api/v1/account", Tag: "account",
		Summary:    "Balances and status of the token's account",
		Permission: auth.PermissionAccountRead, Limit: platform.LimitAccount, Problems: readProblems(),
	}, func(ctx context.Context, r *serve.Request[serve.None]) (Account, error) {
		return f.balance(ctx, r.Claims, r.Claims.AccountID)
	})
	serve.Handle(f.router, serve.Operation{
		ID: "getAccountById", Method: http.MethodGet, Path: "/api/v1/accounts/{account_id}", Tag: "account",
		Summary:    "Balances and status of one account: the token's own or, for an administrator, any",
		Permission: auth.PermissionAccountRead, Limit: platform.LimitAccount,
		Parameters: []serve.Parameter{accountParameter()}, Problems: append(readProblems(), problem.AccountNotFound),
	}, func(ctx context.Context, r *serve.Request[serve.None]) (Account, error) {
		return f.balance(ctx, r.Claims, r.PathValue("account_id"))
	})
}

// readProblems are the ways in which a read of an account can fail.
func readProblems() []*problem.Kind {
	return []*problem.Kind{problem.UpstreamFailed, problem.Unavailable, problem.UpstreamTimeout}
}

func (f *Function) balance(ctx context.Context, claims *auth.Claims, accountID string) (Account, error) {
	account, err := f.reach(ctx, claims, accountID)
	if err != nil {
		return Account{}, err
	}
	return readSnapshot[Account](ctx, f.snapshots, account, "account", f.fetchBalance)
}

func (f *Function) fetchBalance(ctx context.Context, account vault.Account, asOf time.Time) (json.RawMessage, error) {
	found, err := f.platform.Alpaca.Account(ctx, account.Credentials)
	if err != nil {
		return nil, err
	}
	return json.Marshal(accountOf(account.ID, found, asOf))
}

func accountOf(accountID string, a *alpaca.Account, asOf time.Time) Account {
	number := func(d decimal.Decimal) decimal.Number { return decimal.Number{Decimal: d} }
	return Account{
		AccountID: accountID, AccountNumber: a.AccountNumber, Status: a.Status, Currency: a.Currency,
		BuyingPower: number(a.BuyingPower), RegTBuyingPower: number(a.RegTBuyingPower),
		DaytradingBuyingPower: decimal.NumberOf(a.DaytradingBuyingPower), Cash: number(a.Cash),
		PortfolioValue: number(a.PortfolioValue), Equity: number(a.Equity), LastEquity: number(a.LastEquity),
		Multiplier: number(a.Multiplier), PatternDayTrader: a.PatternDayTrader,
		InitialMargin: number(a.InitialMargin), MaintenanceMargin: number(a.MaintenanceMargin),
		LongMarketValue: number(a.LongMarketValue), ShortMarketValue: number(a.ShortMarketValue),
		TradingBlocked: a.TradingBlocked, AccountBlocked: a.AccountBlocked, ShortingEnabled: a.ShortingEnabled,
		AsOf: asOf,
	}
}

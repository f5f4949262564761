package account

import (
	"context"
	"errors"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// AccountSummary is what administrators see of an account in the list; never its credentials.
type AccountSummary struct {
	AccountID string `json:"account_id"`
	// AccountType is "paper" or "live".
	AccountType string            `json:"account_type"`
	Permissions []auth.Permission `json:"permissions"`
	// MarketData says that the account's key pair serves everybody's market-data reads.
	MarketData bool `json:"market_data"`
}

func accountParameter() serve.Parameter {
	return serve.Parameter{Name: "account_id", In: serve.InPath, Description: "The account's ID in this service."}
}

func (f *Function) handleAccounts() {
	serve.Handle(f.router, serve.Operation{
		ID: "listAccounts", Method: http.MethodGet, Path: "/api/v1/accounts", Tag: "admin",
		Summary: "All accounts", Permission: auth.PermissionAdmin, Limit: platform.LimitAccount,
		Problems: []*problem.Kind{problem.Unavailable},
	}, f.listAccounts)
}

func (f *Function) listAccounts(ctx context.Context, _ *serve.Request[serve.None]) ([]AccountSummary, error) {
	accounts, err := f.platform.Accounts.List(ctx)
	if err != nil {
		return nil, problem.Unavailable.New("accounts can't be listed right now").Because(err)
	}
	summaries := make([]AccountSummary, len(accounts))
	for i, account := range accounts {
		summaries[i] = AccountSummary{
			AccountID: account.ID, AccountType: account.Type, MarketData: account.MarketData,
			Permissions: append([]auth.Permission{}, account.Permissions...),
		}
	}
	return summaries, nil
}

// reach returns the account if the token may touch it. Only an administrator learns whether an account exists.
func (f *Function) reach(ctx context.Context, claims *auth.Claims, accountID string) (vault.Account, error) {
	if !claims.CanReach(accountID) {
		return vault.Account{}, forbiddenAccount()
	}
	account, err := f.platform.Accounts.Account(ctx, accountID)
	switch {
	case errors.Is(err, vault.ErrAccountNotFound) && claims.Allows(auth.PermissionAdmin):
		return vault.Account{}, problem.AccountNotFound.New("no account has this ID").Field("account_id")
	case errors.Is(err, vault.ErrAccountNotFound):
		return vault.Account{}, forbiddenAccount()
	case err != nil:
		return vault.Account{}, problem.Unavailable.New("accounts can't be looked up right now").Because(err)
	}
	return account, nil
}

func forbiddenAccount() error { return problem.Forbidden.New("the token does not reach this account") }

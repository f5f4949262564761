package order

import (
	"context"
	"errors"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/bucket"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// placeOrder is the handler that places orders of one asset class.
func (f *Function) placeOrder(assetClass string) func(context.Context, *serve.Request[order.OrderRequest]) (any, error) {
	return func(ctx context.Context, r *serve.Request[order.OrderRequest]) (any, error) {
		dry, err := boolParameter(r.URL.Query(), validateParameter)
		if err != nil {
			return nil, err
		}
		account, err := f.account(ctx, r.Claims.AccountID)
		if err != nil {
			return nil, err
		}
		key, err := idempotencyKey(r.Header)
		if err != nil {
			return nil, err
		}
		p, err := f.newPlacement(account, assetClass, key, r.Answer.Get(serve.RequestIDHeader), &r.Body)
		if err != nil {
			return nil, err
		}
		if dry {
			return f.dryRun(ctx, r.Answer, p)
		}
		return f.placeLimited(ctx, r.Answer, p)
	}
}

// placeLimited places p and tells in the answer's header what is left of the account's order limit.
func (f *Function) placeLimited(ctx context.Context, answer http.Header, p *placement) (order.Order, error) {
	placed, grant, err := f.place(ctx, p)
	f.setOrderLimit(answer, p.account.ID, grant)
	return placed, err
}

func (f *Function) setOrderLimit(answer http.Header, accountID string, grant bucket.Grant) {
	if grant.Reset > 0 || grant.Remaining > 0 {
		serve.SetRateLimit(answer, serve.Decision{
			Limit: f.ordersPerMinute(accountID), Remaining: grant.Remaining, Reset: grant.Reset,
		}, f.Clock.Now())
	}
}

// account is the caller's account with its credentials.
func (f *Function) account(ctx context.Context, id string) (vault.Account, error) {
	account, err := f.Accounts.Account(ctx, id)
	if errors.Is(err, vault.ErrAccountNotFound) {
		return vault.Account{}, problem.AccountNotFound.New("no account %s", id).With("account_id", id)
	}
	return account, err
}

func (f *Function) getOrder(ctx context.Context, r *serve.Request[serve.None]) (order.Order, error) {
	id := r.PathValue("order_id")
	if !isOrderID(id) {
		return order.Order{}, orderNotFound(id)
	}
	account, err := f.account(ctx, r.Claims.AccountID)
	if err != nil {
		return order.Order{}, err
	}
	found, err := f.Alpaca.OrderByID(ctx, account.Credentials, id, true)
	return nativeOrder(found, id, err)
}

func (f *Function) getOrderByClientOrderID(ctx context.Context, r *serve.Request[serve.None]) (order.Order, error) {
	id := r.PathValue("client_order_id")
	if len(id) > maxClientOrderID || !printable(id) {
		return order.Order{}, orderNotFound(id)
	}
	account, err := f.account(ctx, r.Claims.AccountID)
	if err != nil {
		return order.Order{}, err
	}
	found, err := f.Alpaca.OrderByClientOrderID(ctx, account.Credentials, id)
	return nativeOrder(found, id, err)
}

func nativeOrder(found *alpaca.Order, id string, err error) (order.Order, error) {
	switch {
	case errors.Is(err, alpaca.ErrNotFound):
		return order.Order{}, orderNotFound(id)
	case err != nil:
		return order.Order{}, alpaca.Problem(err)
	}
	return order.FromAlpaca(found), nil
}

func orderNotFound(id string) error {
	return problem.OrderNotFound.New("the account has no order %.128q", id)
}

// isOrderID reports whether id has the form of a UUID: anything else can't be an order, and is never put into a path.
func isOrderID(id string) bool {
	if len(id) != 36 {
		return false
	}
	for i, c := range []byte(id) {
		dash := i == 8 || i == 13 || i == 18 || i == 23
		hex := c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
		if dash != (c == '-') || !dash && !hex {
			return false
		}
	}
	return true
}

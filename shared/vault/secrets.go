package vault

import (
	"context"
	"errors"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Secrets gives a proof verifier the accounts' own Alpaca secrets, as auth.Secrets wants them.
type Secrets struct{ Accounts Accounts }

// SecretKey returns the account's Alpaca secret. The error wraps problem.AccountNotFound for an unknown account.
func (s Secrets) SecretKey(ctx context.Context, accountID string) (string, error) {
	account, err := s.Accounts.Account(ctx, accountID)
	if errors.Is(err, ErrAccountNotFound) {
		return "", problem.AccountNotFound.New("no account %s", accountID).Because(err)
	}
	if err != nil {
		return "", err
	}
	return account.Credentials.SecretKey, nil
}

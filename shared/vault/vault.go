// Package vault knows the accounts: what they may do and the credentials with which Alpaca knows them.
package vault

import (
	"context"
	"errors"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
)

// ErrAccountNotFound means that no account has this ID or key.
var ErrAccountNotFound = errors.New("account not found")

// The types of an account.
const (
	TypePaper = "paper"
	TypeLive  = "live"
)

// Account is one Alpaca account in our care.
type Account struct {
	// ID is the name that clients and tokens use; it is ours, not Alpaca's.
	ID string
	// Type is TypePaper or TypeLive.
	Type string
	// Credentials are the account's own key pair at Alpaca.
	Credentials alpaca.Credentials
	// Permissions are what a token for the account may hold.
	Permissions []auth.Permission
	// MarketData says that the key pair may serve everybody's market-data reads.
	MarketData bool
}

// Accounts is what the functions need of an account store. Implementations may be used concurrently.
type Accounts interface {
	// Account returns the account with this ID, or ErrAccountNotFound.
	Account(ctx context.Context, id string) (Account, error)
	// MarketData returns the accounts whose key pairs serve market-data reads, at least one.
	MarketData(ctx context.Context) ([]Account, error)
}

// Store is an account store with all that the functions' start and their background work need.
type Store interface {
	Accounts
	// Load reads the accounts; before it the store has none.
	Load() error
	// List returns all accounts in the order of their IDs.
	List(ctx context.Context) ([]Account, error)
}

package account

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"slices"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/config"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// TokenRequest asks for a token with the account's own Alpaca key pair.
type TokenRequest struct {
	AccountID string        `json:"account_id" doc:"The account's ID in this service."`
	APIKey    string        `json:"api_key" doc:"The account's Alpaca key ID."`
	SecretKey config.Secret `json:"secret_key" doc:"The account's Alpaca secret key."`
	// Permissions is a part of what the account may do; absent means all of it.
	Permissions []string `json:"permissions,omitempty" doc:"A subset of the account's permissions; absent means all of them."`
}

// Token is a new access token.
type Token struct {
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	// ExpiresIn is the token's life in seconds.
	ExpiresIn   int64             `json:"expires_in" doc:"Seconds until the token expires."`
	AccountID   string            `json:"account_id"`
	Permissions []auth.Permission `json:"permissions"`
}

func (f *Function) handleTokens() {
	serve.Handle(f.router, serve.Operation{
		ID: "createToken", Method: http.MethodPost, Path: "/api/v1/auth/token", Tag: "auth",
		Summary: "Get an access token for an account with its Alpaca key pair", Limit: platform.LimitTokens,
		Problems: []*problem.Kind{problem.InvalidToken, problem.Forbidden},
	}, f.createToken)
	serve.Handle(f.router, serve.Operation{
		ID: "revokeToken", Method: http.MethodPost, Path: "/api/v1/auth/revoke", Tag: "auth",
		Summary:     "Revoke the presented token, or, as an administrator, any",
		Description: "Takes the token to be revoked as bearer token, whatever its permissions are.",
		Limit:       platform.LimitTokens,
		Parameters: []serve.Parameter{{
			Name: "jti", In: serve.InQuery, Description: "The ID of another token; administrators only.",
		}},
		Problems: []*problem.Kind{problem.InvalidToken, problem.Forbidden, problem.Unavailable},
	}, f.revokeToken)
}

func (f *Function) createToken(ctx context.Context, r *serve.Request[TokenRequest]) (Token, error) {
	if err := r.Body.validate(); err != nil {
		return Token{}, err
	}
	account, err := f.authenticate(ctx, r.Body)
	if err != nil {
		return Token{}, err
	}
	permissions, err := grant(account.Permissions, r.Body.Permissions)
	if err != nil {
		return Token{}, err
	}
	token, claims, err := f.issuer.Issue(account.ID, "", permissions)
	if err != nil {
		return Token{}, err
	}
	life := claims.ExpiresAt.Sub(claims.IssuedAt)
	return Token{
		AccessToken: token, TokenType: "bearer", ExpiresIn: int64(life.Seconds()),
		AccountID: account.ID, Permissions: claims.Permissions,
	}, nil
}

func (r TokenRequest) validate() error {
	for _, field := range []struct{ name, value string }{
		{"account_id", r.AccountID}, {"api_key", r.APIKey}, {"secret_key", r.SecretKey.Reveal()},
	} {
		if field.value == "" {
			return problem.InvalidRequest.New("%s is required", field.name).Field(field.name)
		}
	}
	if r.Permissions != nil && len(r.Permissions) == 0 {
		return problem.InvalidRequest.New("permissions must be absent or name at least one").Field("permissions")
	}
	return nil
}

// authenticate returns the account when the key pair is its own. Whoever asks learns neither which accounts exist
// nor which half of the pair was wrong: the answer is the same, and the same work is done for it.
func (f *Function) authenticate(ctx context.Context, r TokenRequest) (vault.Account, error) {
	account, err := f.platform.Accounts.Account(ctx, r.AccountID)
	if err != nil && !errors.Is(err, vault.ErrAccountNotFound) {
		return vault.Account{}, problem.Unavailable.New("accounts can't be looked up right now").Because(err)
	}
	offered := alpaca.Credentials{KeyID: r.APIKey, SecretKey: r.SecretKey.Reveal()}
	if matches := sameCredentials(account.Credentials, offered); !matches || err != nil {
		return vault.Account{}, problem.InvalidToken.New("account or key pair is not right")
	}
	return account, nil
}

// sameCredentials compares digests, so that the time tells neither content nor length, and both halves always.
func sameCredentials(a, b alpaca.Credentials) bool {
	keyA, keyB := sha256.Sum256([]byte(a.KeyID)), sha256.Sum256([]byte(b.KeyID))
	secretA, secretB := sha256.Sum256([]byte(a.SecretKey)), sha256.Sum256([]byte(b.SecretKey))
	return subtle.ConstantTimeCompare(keyA[:], keyB[:])&subtle.ConstantTimeCompare(secretA[:], secretB[:]) == 1
}

// grant returns what a token gets: all the account has, or the part that was asked for.
func grant(own []auth.Permission, asked []string) ([]auth.Permission, error) {
	if len(own) == 0 {
		return nil, problem.Forbidden.New("the account has no permissions")
	}
	if asked == nil {
		return own, nil
	}
	var granted []auth.Permission
	for _, name := range asked {
		permission, err := auth.ParsePermission(name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(own, permission) {
			return nil, problem.Forbidden.New("the account lacks the permission %q", permission).
				With("permission", string(permission))
		}
		if !slices.Contains(granted, permission) {
			granted = append(granted, permission)
		}
	}
	return granted, nil
}

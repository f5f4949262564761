package quote

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// snapshots is what the function needs of the Alpaca client.
type snapshots interface {
	Snapshots(ctx context.Context, cred alpaca.Credentials, symbols []string, feed string) (map[string]alpaca.Snapshot, error)
}

// upstream reads from Alpaca with the market-data accounts in turn, so that each gives its share of the rate limit.
// Safe for concurrent use.
type upstream struct {
	client   snapshots
	accounts vault.Accounts
	feed     string
	turn     atomic.Uint64
}

// read returns the snapshots of symbols; a symbol that Alpaca does not know is left out. The data API refuses a whole
// list for one symbol that it calls invalid: that one is dropped and the others are asked for again.
func (u *upstream) read(ctx context.Context, symbols []string) (map[string]alpaca.Snapshot, error) {
	rest := slices.Clone(symbols)
	for len(rest) > 0 {
		found, err := u.readOnce(ctx, rest)
		if err == nil {
			return found, nil
		}
		at := refusedSymbol(err, rest)
		if at < 0 {
			return nil, publicError(err)
		}
		rest = slices.Delete(rest, at, at+1)
	}
	return nil, nil
}

// readOnce makes one upstream call, and one more with the next account when the first was refused or is used up.
func (u *upstream) readOnce(ctx context.Context, symbols []string) (map[string]alpaca.Snapshot, error) {
	accounts, err := u.accounts.MarketData(ctx)
	if err != nil {
		return nil, err
	}
	count := uint64(len(accounts))
	turn := u.turn.Add(1)
	found, err := u.client.Snapshots(ctx, accounts[turn%count].Credentials, symbols, u.feed)
	if err == nil || count == 1 || !worthAnotherAccount(err) {
		return found, err
	}
	return u.client.Snapshots(ctx, accounts[(turn+1)%count].Credentials, symbols, u.feed)
}

func worthAnotherAccount(err error) bool {
	return errors.Is(err, alpaca.ErrUnauthorized) || errors.Is(err, alpaca.ErrForbidden) || errors.Is(err, alpaca.ErrRateLimited)
}

// refusedSymbol returns the position of the symbol that Alpaca calls invalid, as in "invalid symbol: X does not
// match ...", or -1.
func refusedSymbol(err error, symbols []string) int {
	var failed *alpaca.Error
	if !errors.Is(err, alpaca.ErrInvalid) || !errors.As(err, &failed) {
		return -1
	}
	_, named, found := strings.Cut(failed.Message, "invalid symbol")
	if !found {
		return -1
	}
	if len(symbols) == 1 {
		return 0
	}
	for _, word := range strings.Fields(named) {
		if at := slices.Index(symbols, strings.Trim(word, `:,.;"'`)); at >= 0 {
			return at
		}
	}
	return -1
}

// publicError translates a failure for the caller. The credentials are the service's own, so that their refusal is
// not the caller's 403.
func publicError(err error) error {
	if errors.Is(err, alpaca.ErrUnauthorized) || errors.Is(err, alpaca.ErrForbidden) {
		return problem.UpstreamFailed.New("Alpaca refuses the service's market-data credentials").Because(err)
	}
	return alpaca.Problem(err)
}

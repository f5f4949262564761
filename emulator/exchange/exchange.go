// Package exchange is the emulated broker and venue: accounts with their money, the life of orders, and the fills.
//
// One lock guards an account and everything that belongs to it, and it is never held while waiting for anything; no
// account can hold up another. Lock order: account, then book or agenda.
package exchange

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/market"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Settings configure an Exchange. The zero value behaves as Alpaca's paper trading does.
type Settings struct {
	Seed uint64
	// FillLatency is the time from submission to the first look for a fill; zero: 30 to 800 ms at random, as paper
	// trading takes; negative: everything happens within the request.
	FillLatency time.Duration
	// PartialFillProbability is how often an eligible order is filled in part only; zero: 0.10; negative: never.
	PartialFillProbability float64
	// EventHistory is how many events an account keeps; zero: 20,000.
	EventHistory int
	// LimitPriceAway is how far a limit may be from a stock's last price, as a fraction of it; zero: any distance. Alpaca has
	// such a bound and does not publish it.
	LimitPriceAway decimal.Decimal
	// Disputed chooses where Alpaca's own sources disagree.
	Disputed Disputed
}

// Defaults of Settings, from Alpaca's description of paper trading.
const (
	defaultPartialFill  = 0.10
	defaultEventHistory = 20_000
	sweepInterval       = market.Step
)

// Exchange holds all accounts. It may be used concurrently.
type Exchange struct {
	settings  Settings
	clock     *session.Clock
	market    *market.Market
	catalogue *asset.Catalogue
	book      *book
	agenda    *agenda
	halts     marks // symbols that do not trade at the moment
	offerings marks // stocks before their first trade
	scarce    marks // stocks that became hard to borrow

	combination *asset.Asset // what the parent of a multi-leg order trades: nothing that has a name

	mu       sync.RWMutex
	accounts []*Account
	byKey    map[string]*Account
}

// New returns an exchange without accounts.
func New(settings Settings, clock *session.Clock, prices *market.Market, catalogue *asset.Catalogue) *Exchange {
	if settings.PartialFillProbability == 0 {
		settings.PartialFillProbability = defaultPartialFill
	}
	if settings.EventHistory <= 0 {
		settings.EventHistory = defaultEventHistory
	}
	return &Exchange{
		settings: settings, clock: clock, market: prices, catalogue: catalogue,
		book: newBook(), agenda: newAgenda(), byKey: make(map[string]*Account),
		combination: &asset.Asset{},
	}
}

// Run moves orders along until ctx ends.
func (x *Exchange) Run(ctx context.Context) {
	var group sync.WaitGroup
	group.Go(func() { x.agenda.serve(ctx) })
	group.Go(func() { x.sweepUntil(ctx) })
	group.Wait()
}

// Opening describes an account to open. A zero Cash stands for 100,000 USD.
type Opening struct {
	ID, KeyID, SecretKey string
	Cash                 decimal.Decimal
}

// Open adds an account. An error when the ID is no UUID, or the key is missing or taken.
func (x *Exchange) Open(opening Opening) (*Account, error) {
	if _, err := uuid.Parse(opening.ID); err != nil {
		return nil, fmt.Errorf("account ID %q: %w", opening.ID, err)
	}
	if opening.KeyID == "" || opening.SecretKey == "" {
		return nil, fmt.Errorf("account %s: key ID and secret key must not be empty", opening.ID)
	}
	if opening.Cash.IsZero() {
		opening.Cash = decimal.FromInt(100_000)
	}
	opened := x.newAccount(opening)
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, taken := x.byKey[opening.KeyID]; taken {
		return nil, fmt.Errorf("account %s: key ID %s belongs to another account", opening.ID, opening.KeyID)
	}
	x.byKey[opening.KeyID] = opened
	x.accounts = append(x.accounts, opened)
	return opened, nil
}

func (x *Exchange) newAccount(opening Opening) *Account {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(opening.ID)) // never fails
	source := rand.NewPCG(x.settings.Seed, hash.Sum64())
	now := x.clock.Now()
	a := &Account{
		ID: opening.ID, KeyID: opening.KeyID, Number: fmt.Sprintf("PA%010d", hash.Sum64()%10_000_000_000),
		CreatedAt: now.Truncate(time.Microsecond),
		secret:    sha256.Sum256([]byte(opening.SecretKey)), exchange: x, cash: opening.Cash,
		opening: opening.Cash, source: source,
		configuration: x.defaultConfiguration(), dice: rand.New(source),
		holdings: make(map[string]*holding), orders: make(map[string]*entry), byClientID: make(map[string]*entry),
		open:       make(map[queue][]*entry),
		lastEquity: opening.Cash, lastClose: x.clock.Calendar.PreviousClose(now),
	}
	a.history = history{
		limit: x.settings.EventHistory, entropy: ulid.Monotonic(readerOf(source), 0),
		subscriptions: make(map[*Subscription]struct{}),
	}
	return a
}

// Authenticate returns the account that a key pair belongs to. The comparison takes the same time for every secret.
func (x *Exchange) Authenticate(keyID, secretKey string) (*Account, bool) {
	found, ok := x.Account(keyID)
	if !ok {
		return nil, false
	}
	digest := sha256.Sum256([]byte(secretKey))
	return found, subtle.ConstantTimeCompare(digest[:], found.secret[:]) == 1
}

// Account returns the account of a key ID.
func (x *Exchange) Account(keyID string) (*Account, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	found, ok := x.byKey[keyID]
	return found, ok
}

// Accounts returns all accounts in the order in which they were opened.
func (x *Exchange) Accounts() []*Account {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return append([]*Account(nil), x.accounts...)
}

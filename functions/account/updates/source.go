package updates

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/lease"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// acquisitions is how many leases are asked for at a time: fewer than there are connections to Redis.
const acquisitions = 16

// source finds the active accounts and follows those whose lease it gets. What goes wrong with one account stays with
// it.
type source struct {
	platform *platform.Platform
	config   Config
	metrics  *metrics
	active   *activeSet
	memory   *memory
	journal  *journal
	// book has the open orders of all accounts, for the ceilings over them.
	book *ceiling.Book

	followers sync.WaitGroup
	mu        sync.Mutex
	followed  map[string]bool
	unknown   map[string]bool // active accounts that the vault does not have: said once
}

func newSource(p *platform.Platform, cfg Config, m *metrics) *source {
	return &source{
		platform: p, config: cfg, metrics: m, active: newActiveSet(p.Redis), memory: newMemory(p.Redis), journal: newJournal(p.Redis),
		book:     ceiling.New(p.Redis, ceiling.Config{}),
		followed: make(map[string]bool), unknown: make(map[string]bool),
	}
}

// run follows accounts until ctx ends, and returns when all their streams are closed and their leases given back.
func (s *source) run(ctx context.Context) {
	defer s.followers.Wait()
	subscription := s.platform.Redis.Subscribe(ctx, store.ActiveAccountsChannel())
	defer func() { _ = subscription.Close() }() // nothing is left to be done about an error
	announcements := subscription.ChannelWithSubscriptions()
	scan := time.NewTicker(s.config.ScanInterval)
	defer scan.Stop()
	s.scan(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-scan.C:
			s.scan(ctx)
		case announced, open := <-announcements:
			if !open { // the client was closed: the scan is left
				announcements = nil
				continue
			}
			s.hear(ctx, announced)
		}
	}
}

// hear starts with an account that just got an order. After a reconnect some may have been missed.
func (s *source) hear(ctx context.Context, announced any) {
	switch announced := announced.(type) {
	case *redis.Message:
		s.follow(ctx, announced.Payload)
	case *redis.Subscription:
		s.scan(ctx)
	}
}

// scan tries every active account that is not followed.
func (s *source) scan(ctx context.Context) {
	s.restore(ctx)
	accounts, err := s.active.accounts(ctx)
	if err != nil && ctx.Err() == nil {
		s.platform.Logger.Warn("active accounts not read", zap.Error(err))
	}
	var group errgroup.Group
	group.SetLimit(acquisitions)
	for _, accountID := range accounts {
		group.Go(func() error {
			s.follow(ctx, accountID)
			return nil
		})
	}
	_ = group.Wait() // follow has no error to give
}

// restore makes accounts active whose orders under way Redis may have forgotten.
func (s *source) restore(ctx context.Context) {
	accounts, err := s.platform.Accounts.List(ctx)
	lost := 0
	if err == nil {
		lost, err = s.memory.restore(ctx, accounts)
	}
	if err != nil && ctx.Err() == nil {
		s.platform.Logger.Warn("not known whether Redis lost data", zap.Error(err))
	}
	if lost > 0 {
		s.metrics.lost.Add(float64(lost))
		s.platform.Logger.Warn("Redis is new, lost its data, or another server took over: accounts are followed again", zap.Int("shards", lost))
	}
}

// follow follows the account if nobody does yet and there is room for it.
func (s *source) follow(ctx context.Context, accountID string) {
	if !s.begin(accountID) {
		return
	}
	held, err := s.acquire(ctx, accountID)
	if err != nil {
		s.end(accountID)
		if !errors.Is(err, lease.ErrHeld) && !errors.Is(err, vault.ErrAccountNotFound) && ctx.Err() == nil {
			s.platform.Logger.Warn("account not followed", zap.String("account_id", accountID), zap.Error(err))
		}
		return
	}
	s.followers.Go(func() {
		defer s.end(accountID)
		newFollower(s, accountID, held).run(ctx)
	})
}

// begin takes one of the places, and reports whether there was one.
func (s *source) begin(accountID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.followed[accountID] || len(s.followed) >= s.config.MaxStreams {
		return false
	}
	s.followed[accountID] = true
	return true
}

func (s *source) end(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.followed, accountID)
}

func (s *source) acquire(ctx context.Context, accountID string) (lease.Lease, error) {
	if _, err := s.platform.Accounts.Account(ctx, accountID); err != nil {
		s.sayUnknown(accountID)
		return lease.Lease{}, err
	}
	return s.platform.Leases.Acquire(ctx, store.UpdatesLeaseKey(accountID), s.config.LeaseLife)
}

// sayUnknown logs an account without credentials once and not at every scan.
func (s *source) sayUnknown(accountID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unknown[accountID] {
		return
	}
	s.unknown[accountID] = true
	s.platform.Logger.Error("active account is not in the vault: its trade updates are not followed",
		zap.String("account_id", accountID))
}

package stream

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/functions/quote/interest"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

const (
	// fetchTimeout bounds the look for values that are known already.
	fetchTimeout = 5 * time.Second
	// sweepEvery is how often streams are looked after.
	sweepEvery = time.Second
	// maxFetches bounds the looks for known values at a time.
	maxFetches = 16
)

// Latest returns what is known of symbols now, nil for one that nothing is known of, in their order.
type Latest func(ctx context.Context, class tick.Class, symbols []string) []*alpaca.Snapshot

// Service serves streams. Create it with New, call Run, and Drain before the process ends. It may be used concurrently.
type Service struct {
	config   Config
	redis    store.Client
	clock    clock.Clock
	logger   *zap.Logger
	verifier *auth.Verifier
	latest   Latest
	tickets  *auth.Tickets
	revoked  *auth.RedisRevocations
	places   *places
	metrics  *metrics
	hub      *hub
	listener *listener
	forget   *redis.Script

	// status is what the feed said last, nil while it says nothing.
	status  atomic.Pointer[status.Feed]
	frames  sync.Pool
	fetches chan struct{}

	draining atomic.Bool
	open     sync.WaitGroup  // every goroutine that serves a stream
	opening  sync.Mutex      // between draining and open
	life     context.Context //nolint:containedctx // of the looks under way: it ends with Drain
	cancel   context.CancelFunc
}

// New returns the streams of a function. latest is where the first value of a topic comes from.
func New(cfg Config, p *platform.Platform, d platform.Dependencies, latest Latest) *Service {
	s := &Service{
		config: cfg.withDefaults(), redis: p.Redis, clock: d.Clock, logger: d.Logger, verifier: p.Verifier, latest: latest,
		tickets: auth.NewTickets(p.Redis, p.Revocations, d.Clock), revoked: p.Revocations,
		metrics: newMetrics(d.Registerer, d.HTTP), forget: redis.NewScript(forgetLua), fetches: make(chan struct{}, maxFetches),
	}
	s.frames.New = func() any { buffer := make([]byte, 0, 4<<10); return &buffer }
	s.places = newPlaces(p.Redis, s.config.AccountConnections, d.Logger)
	s.hub = newHub(interest.NewRegistry(p.Redis, ulid.Make().String(), interest.DefaultLife, d.Logger), s.metrics)
	s.listener = newListener(s)
	s.hub.listener = s.listener
	s.life, s.cancel = context.WithCancel(context.Background())
	return s
}

// Run does what streams need in the background until ctx ends.
func (s *Service) Run(ctx context.Context) {
	var parts sync.WaitGroup
	parts.Go(func() { s.hub.registry.Run(ctx) })
	parts.Go(func() { s.listener.run(ctx) })
	parts.Go(func() { s.lookAfter(ctx) })
	parts.Go(func() { s.hearRevocations(ctx) })
	parts.Wait()
}

// begin counts a stream in, or says why there is no room. leave must be called when it ends.
func (s *Service) begin(name string) error {
	s.opening.Lock()
	defer s.opening.Unlock()
	if s.draining.Load() {
		return problem.Unavailable.New("this instance is stopping").After(time.Second)
	}
	if s.hub.count() >= s.config.Connections {
		return problem.Unavailable.New("this instance serves as many streams as it can").With("limit", s.config.Connections).After(time.Second)
	}
	s.open.Add(1)
	s.metrics.open.WithLabelValues(name).Inc()
	return nil
}

func (s *Service) leave(name string) {
	s.metrics.open.WithLabelValues(name).Dec()
	s.open.Done()
}

// Drain ends every stream with code 1012 and a token with which the next one goes on where this one was. It returns
// when all have ended, or at the end of ctx.
func (s *Service) Drain(ctx context.Context) {
	s.opening.Lock()
	s.draining.Store(true)
	s.opening.Unlock()
	s.relieve(ctx, s.hub.all(), "the instance stops: open the stream again")
	ended := make(chan struct{})
	go func() {
		s.open.Wait()
		close(ended)
	}()
	patience := time.NewTimer(time.Second)
	defer patience.Stop()
	select {
	case <-ended:
	case <-patience.C: // who does not read the farewell is cut off
	case <-ctx.Done():
	}
	for _, c := range s.hub.all() {
		c.transport.abort()
	}
	s.cancel()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// lookAfter sends heartbeats, ends the streams of expired tokens, asks old ones to come again, and forgets what nobody watches.
func (s *Service) lookAfter(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	next := make(map[*client]time.Time)
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		s.hub.sweep(time.Now())
		now := s.clock.Now()
		clients := s.hub.all()
		due := make(map[*client]time.Time, len(clients))
		for _, c := range clients {
			due[c] = next[c]
			if due[c].IsZero() {
				due[c] = c.opened.Add(s.config.Heartbeat)
			}
			if claims := c.claims.Load(); claims != nil && !now.Before(claims.ExpiresAt) {
				c.end(codeUnauthorized, "the token has expired")
				continue
			}
			if !now.Before(due[c]) {
				due[c] = now.Add(s.config.Heartbeat)
				c.notice(heartbeatMessage(now))
				s.check(ctx, c)
			}
		}
		next = due
		s.relieveOld(ctx, clients, now)
		if time.Since(renewed) > placeLife/3 {
			renewed = time.Now()
			s.places.renew(ctx, clients)
		}
	}
}

// check ends a stream whose peer is gone.
func (s *Service) check(ctx context.Context, c *client) {
	s.spawn(func() {
		ctx, cancel := context.WithTimeout(ctx, s.config.Heartbeat)
		defer cancel()
		if err := c.transport.ping(ctx); err != nil && s.life.Err() == nil {
			c.transport.abort()
		}
	})
}

// spawn runs work that Drain waits for; nothing is begun once it waits.
func (s *Service) spawn(work func()) {
	s.opening.Lock()
	defer s.opening.Unlock()
	if !s.draining.Load() {
		s.open.Go(work)
	}
}

// hearRevocations ends the streams of revoked tokens.
func (s *Service) hearRevocations(ctx context.Context) {
	err := s.revoked.Watch(ctx, func(jti string) {
		for _, c := range s.hub.all() {
			if claims := c.claims.Load(); claims != nil && claims.ID == jti {
				c.end(codeUnauthorized, "the token has been revoked")
			}
		}
	}, func() { s.recheck(ctx) })
	if err != nil && ctx.Err() == nil {
		s.logger.Error("streams: revocations are not watched", zap.Error(err))
	}
}

// recheck looks the tokens of all streams up, after some revocations may not have been heard.
func (s *Service) recheck(ctx context.Context) {
	for _, c := range s.hub.all() {
		claims := c.claims.Load()
		if claims == nil || claims.ID == "" {
			continue
		}
		if revoked, err := s.revoked.Revoked(ctx, claims.ID); err == nil && revoked {
			c.end(codeUnauthorized, "the token has been revoked")
		}
	}
}

// tellClass sends a notice to everybody who watches something of a class.
func (s *Service) tellClass(class tick.Class, body []byte) {
	for _, c := range s.hub.all() {
		if c.watches(class) {
			c.notice(body)
		}
	}
}

func (s *Service) setStatus(said *status.Feed) { s.status.Store(said) }

// fetch looks topics up whose value is not known here, and gives it to those who wait.
func (s *Service) fetch(ids []tick.Topic) {
	if len(ids) == 0 {
		return
	}
	s.spawn(func() {
		s.fetches <- struct{}{}
		defer func() { <-s.fetches }()
		s.read(s.life, ids, false)
	})
}

// settled is by when what was known of a symbol a moment ago counts as old everywhere.
const settled = 1200 * time.Millisecond

// renew gives the newest values to all who watch topics, after some ticks were missed.
func (s *Service) renew(ids []tick.Topic) {
	if len(ids) == 0 {
		return
	}
	s.spawn(func() {
		timer := time.NewTimer(settled)
		defer timer.Stop()
		select {
		case <-timer.C:
			s.read(s.life, ids, true)
		case <-s.life.Done():
		}
	})
}

func (s *Service) read(ctx context.Context, ids []tick.Topic, renew bool) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	for _, class := range tick.Classes() {
		index := make(map[string]int)
		var symbols []string
		for _, id := range ids {
			if _, ok := index[id.Symbol]; id.Class == class && !ok {
				index[id.Symbol] = len(symbols)
				symbols = append(symbols, id.Symbol)
			}
		}
		if len(symbols) == 0 {
			continue
		}
		snapshots := s.latest(ctx, class, symbols)
		for _, id := range ids {
			if id.Class != class || snapshots[index[id.Symbol]] == nil {
				continue
			}
			if e, ok := tick.FromSnapshot(id, snapshots[index[id.Symbol]]); ok {
				s.hub.offer(id, e.AppendJSON(nil), renew)
			}
		}
	}
}

func newConnectionID() string {
	var random [8]byte
	_, _ = rand.Read(random[:]) // crypto/rand never fails: it ends the program instead
	return hex.EncodeToString(random[:])
}

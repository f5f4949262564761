package stream

import (
	"context"
	"errors"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/functions/quote/feed/status"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// listenAhead is how many messages of Redis may wait for the hub.
const listenAhead = 4096

// place is one channel of ticks.
type place struct {
	class tick.Class
	shard int
}

func placeOf(id tick.Topic) place { return place{id.Class, tick.Shard(id.Symbol)} }
func (p place) channel() string   { return store.TicksChannel(p.class.String(), p.shard) }

// position is how far a channel has been heard.
type position struct {
	token    int64
	sequence uint64
}

// listener hears what the feed publishes, while there is a client to hear it for. Its methods may be called
// concurrently.
type listener struct {
	redis   store.Client
	logger  *zap.Logger
	service *Service
	wake    chan struct{}

	mu     sync.Mutex
	places map[place]bool // what is to be heard

	quiet atomic.Bool // mute, for others

	// Of the goroutine of run.
	subscribed map[place]bool
	heard      map[string]position
	state      *status.Feed
	// said is when the feed said something last, by this process's clock.
	said time.Time
	// mute: the feed has said nothing for too long, and the clients know.
	mute bool
}

func newListener(s *Service) *listener {
	return &listener{
		redis: s.redis, logger: s.logger, service: s, wake: make(chan struct{}, 1), places: make(map[place]bool),
		subscribed: make(map[place]bool), heard: make(map[string]position),
	}
}

// follow listens to the channels of topics too.
func (l *listener) follow(ids []tick.Topic) {
	l.mu.Lock()
	for _, id := range ids {
		l.places[placeOf(id)] = true
	}
	l.mu.Unlock()
	l.rouse()
}

// leave stops listening to the channels that are not among those that are left.
func (l *listener) leave(left map[place]bool) {
	l.mu.Lock()
	maps.DeleteFunc(l.places, func(p place, _ bool) bool { return !left[p] })
	l.mu.Unlock()
	l.rouse()
}

func (l *listener) rouse() {
	select {
	case l.wake <- struct{}{}:
	default: // a wake-up is waiting already
	}
}

// run listens whenever there is something to listen to, until ctx ends.
func (l *listener) run(ctx context.Context) {
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
			return
		case <-l.wake:
		}
		if l.wanted() {
			l.listen(ctx)
		}
	}
}

func (l *listener) wanted() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.places) > 0
}

// listen hears the channels until ctx ends or nobody wants any.
func (l *listener) listen(ctx context.Context) {
	subscription := l.redis.Subscribe(ctx, store.FeedStatusChannel())
	defer func() {
		_ = subscription.Close() // nothing is left to be done about an error
		l.state, l.mute = nil, false
		l.quiet.Store(false)
		l.service.setStatus(nil) // nobody keeps it up from here on
		clear(l.subscribed)
		clear(l.heard)
	}()
	l.adjust(ctx, subscription)
	l.said = time.Now()
	l.readStatus(ctx)
	messages := subscription.ChannelWithSubscriptions(redis.WithChannelSize(listenAhead))
	look := time.NewTicker(status.Every)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case message, open := <-messages:
			if !open {
				return
			}
			l.take(message)
		case <-l.wake:
			l.adjust(ctx, subscription)
		case <-look.C:
			if !l.wanted() {
				return
			}
			l.lookForSilence()
		}
	}
}

// adjust subscribes to what is wanted and no longer to what is not. Without Redis it fails: go-redis remembers the
// channels, and subscribes to them when it is back.
func (l *listener) adjust(ctx context.Context, subscription *redis.PubSub) {
	var added, removed []string
	l.mu.Lock()
	for p := range l.places {
		if !l.subscribed[p] {
			l.subscribed[p] = true
			added = append(added, p.channel())
		}
	}
	for p := range l.subscribed {
		if !l.places[p] {
			delete(l.subscribed, p)
			delete(l.heard, p.channel())
			removed = append(removed, p.channel())
		}
	}
	l.mu.Unlock()
	var err error
	if len(added) > 0 {
		err = subscription.Subscribe(ctx, added...)
	}
	if len(removed) > 0 {
		err = errors.Join(err, subscription.Unsubscribe(ctx, removed...))
	}
	if err != nil {
		l.logger.Debug("streams: channels not changed yet", zap.Error(err))
	}
}

func (l *listener) take(message any) {
	switch message := message.(type) {
	case *redis.Message:
		if message.Channel == store.FeedStatusChannel() {
			if said := l.decode([]byte(message.Payload)); said != nil {
				l.takeStatus(said)
			}
			return
		}
		l.takeTicks(message)
	case *redis.Subscription:
		// After a reconnect what was published in between is lost.
		if _, before := l.heard[message.Channel]; before && message.Kind == "subscribe" {
			delete(l.heard, message.Channel)
			l.missed(message.Channel)
		}
	}
}

// takeTicks hands a batch to the hub. A batch that does not follow the last one shows that some were missed, and so does
// the first of another leader: that one knows of no gap when Redis lost what the former said. A batch of a former leader
// is dropped.
func (l *listener) takeTicks(message *redis.Message) {
	opened, err := tick.Open([]byte(message.Payload))
	if err != nil {
		l.logger.Error("streams: batch of ticks not understood", zap.String("channel", message.Channel), zap.Error(err))
		return
	}
	last, known := l.heard[message.Channel]
	if known && opened.Token < last.token {
		return
	}
	l.heard[message.Channel] = position{opened.Token, opened.Sequence}
	if known && (opened.Token != last.token || opened.Sequence != last.sequence+1) {
		l.missed(message.Channel)
	}
	for {
		id, body, ok, err := opened.Next()
		if err != nil {
			l.logger.Error("streams: batch of ticks not understood", zap.String("channel", message.Channel), zap.Error(err))
		}
		if !ok || err != nil {
			return
		}
		if l.service.hub.wants(id) {
			l.service.hub.publish(id, append([]byte(nil), body...)) // or one message would keep its whole batch in memory
		}
	}
}

// missed tells those who watch something in a channel that ticks are missing, and gives them the newest values.
func (l *listener) missed(channel string) {
	ids := l.service.hub.followed(func(t tick.Topic) bool { return placeOf(t).channel() == channel })
	if len(ids) == 0 {
		return
	}
	l.service.metrics.gaps.Inc()
	symbols := make(map[string]bool, len(ids))
	for _, id := range ids {
		symbols[id.Symbol] = true
	}
	notice := gapMessage(ids[0].Class, "missed", time.Time{}, time.Time{}, symbols)
	for c := range l.service.hub.watchers(ids) {
		c.notice(notice)
	}
	l.service.renew(ids)
}

// readStatus takes what the feed said last, unless it is silent since.
func (l *listener) readStatus(ctx context.Context) {
	data, err := l.redis.Get(ctx, store.FeedStatusKey()).Bytes()
	if err != nil {
		if !errors.Is(err, redis.Nil) {
			l.logger.Debug("streams: status of the feed not read", zap.Error(err))
		}
		return
	}
	if said := l.decode(data); said != nil && time.Since(said.At) < status.Silence {
		l.takeStatus(said)
	}
}

// decode returns nil for what is no status.
func (l *listener) decode(data []byte) *status.Feed {
	said, err := status.Decode(data)
	if err != nil {
		l.logger.Error("streams: status of the feed not understood", zap.Error(err))
		return nil
	}
	return said
}

// takeStatus tells the clients what changed.
func (l *listener) takeStatus(said *status.Feed) {
	former := l.state
	if former != nil && said.Token < former.Token {
		return // a former leader
	}
	recovered := l.mute
	l.state, l.said, l.mute = said, time.Now(), false
	l.quiet.Store(false)
	for i, class := range tick.Classes() {
		now := said.Classes[i]
		if former == nil || recovered || changed(former.Classes[i], now) {
			l.service.tellClass(class, statusMessage(class, now))
		}
		if former != nil && now.Gaps != former.Classes[i].Gaps {
			l.service.tellClass(class, gapMessage(class, "upstream", now.From, now.To, nil))
			l.service.renew(l.service.hub.followed(func(t tick.Topic) bool { return t.Class == class }))
		}
	}
	l.service.setStatus(said)
}

func changed(a, b status.Class) bool {
	if a.State != b.State || a.Source != b.Source || len(a.Limited) != len(b.Limited) {
		return true
	}
	for i := range a.Limited {
		if a.Limited[i] != b.Limited[i] {
			return true
		}
	}
	return false
}

// lookForSilence marks everything as stale when the feed says nothing any more.
func (l *listener) lookForSilence() {
	if l.mute || time.Since(l.said) < status.Silence {
		return
	}
	l.mute = true
	l.quiet.Store(true)
	l.service.setStatus(nil)
	for _, class := range tick.Classes() {
		l.service.tellClass(class, staleMessage(class, l.said))
	}
}

// silent reports whether the feed has said nothing for too long.
func (l *listener) silent() bool { return l.quiet.Load() }

package feed

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/marketfeed"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// subscription is what one connection is subscribed to. It belongs to one goroutine.
type subscription struct {
	*upstream
	socket *marketfeed.Socket
	source marketfeed.Source
	held   map[tick.Topic]bool
	// limited are the topics that the plan has no room for; they are tried again when others left.
	limited map[tick.Topic]bool
}

func newSubscription(u *upstream, socket *marketfeed.Socket, source marketfeed.Source) *subscription {
	return &subscription{
		upstream: u, socket: socket, source: source, held: make(map[tick.Topic]bool), limited: make(map[tick.Topic]bool),
	}
}

// sync subscribes and unsubscribes the difference between what is held and what is wanted.
func (s *subscription) sync(ctx context.Context, wanted map[tick.Topic]int) error {
	var leave, join []tick.Topic
	for topic := range s.held {
		if wanted[topic] == 0 {
			leave = append(leave, topic)
		}
	}
	for topic := range s.limited {
		if wanted[topic] == 0 || len(leave) > 0 {
			delete(s.limited, topic)
		}
	}
	for topic := range wanted {
		if !s.held[topic] && !s.limited[topic] && s.class.Has(topic.Kind) && s.source.Carries(topic.Symbol) {
			join = append(join, topic)
		}
	}
	if len(leave)+len(join) == 0 {
		return nil
	}
	if err := s.socket.Unsubscribe(ctx, leave); err != nil {
		return err
	}
	for _, topic := range leave {
		delete(s.held, topic)
	}
	// What most instances watch comes first, in case there is not room for all.
	slices.SortFunc(join, func(a, b tick.Topic) int {
		return cmp.Or(cmp.Compare(wanted[b], wanted[a]), cmp.Compare(a.Symbol, b.Symbol), cmp.Compare(a.Kind, b.Kind))
	})
	// Events may come before the acknowledgement does.
	s.admit(slices.Values(join))
	err := s.join(ctx, join)
	s.admit(maps.Keys(s.held))
	s.series.topics.Set(float64(len(s.held)))
	s.series.limited.Set(float64(len(s.limited)))
	s.poller.set(slices.Collect(maps.Keys(s.limited)))
	return err
}

// admit lets events of what is held, and of more, pass.
func (s *subscription) admit(more func(yield func(tick.Topic) bool)) {
	admitted := maps.Clone(s.held)
	for topic := range more {
		admitted[topic] = true
	}
	s.upstream.held.Store(&admitted)
}

// join subscribes to topics, to as many as the plan has room for: Alpaca refuses a request as a whole and does not say
// how many there may be, so that after a refusal ever fewer are asked for.
func (s *subscription) join(ctx context.Context, topics []tick.Topic) error {
	for size := len(topics); len(topics) > 0; size = min(size, len(topics)) {
		taken, err := s.socket.Subscribe(ctx, topics[:size])
		for _, topic := range taken {
			s.held[topic] = true
		}
		topics = topics[len(taken):]
		switch {
		case err == nil:
		case !errors.Is(err, marketfeed.ErrSymbolLimit):
			return err
		case size == 1:
			s.platform.Logger.Warn("feed: the data plan has no room for more", zap.Stringer("class", s.class),
				zap.Int("topics", len(s.held)), zap.Int("beyond", len(topics)))
			for _, topic := range topics {
				s.limited[topic] = true
			}
			return nil
		default:
			size = max(1, size/2)
		}
	}
	return nil
}

// limitedNames are the topics without a stream, in order.
func (s *subscription) limitedNames() []string {
	if len(s.limited) == 0 {
		return nil
	}
	names := make([]string, 0, len(s.limited))
	for topic := range s.limited {
		names = append(names, topic.String())
	}
	slices.Sort(names)
	return names
}

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
	// wanted is what is subscribed to, as far as there is room: by how many instances each topic is watched.
	wanted map[tick.Topic]int
}

func newSubscription(u *upstream, socket *marketfeed.Socket, source marketfeed.Source) *subscription {
	return &subscription{
		upstream: u, socket: socket, source: source, held: make(map[tick.Topic]bool), limited: make(map[tick.Topic]bool),
	}
}

// sync subscribes and unsubscribes the difference between what is held and what is wanted.
func (s *subscription) sync(ctx context.Context, wanted map[tick.Topic]int) error {
	if maps.Equal(wanted, s.wanted) {
		return nil
	}
	s.wanted = wanted
	leave, join := s.difference()
	if err := s.leave(ctx, leave); err != nil {
		return err
	}
	// Events may come before the acknowledgement does.
	s.admit(slices.Values(join))
	err := s.join(ctx, join)
	if err == nil {
		err = s.makeRoom(ctx)
	}
	s.admit(maps.Keys(s.held))
	s.series.topics.Set(float64(len(s.held)))
	s.series.limited.Set(float64(len(s.limited)))
	s.poller.set(slices.Collect(maps.Keys(s.limited)))
	return err
}

// difference returns what is to leave and what is to join, the latter in the order of its weight in case there is not
// room for all. What found no room is tried again when others leave.
func (s *subscription) difference() (leave, join []tick.Topic) {
	for topic := range s.held {
		if s.wanted[topic] == 0 {
			leave = append(leave, topic)
		}
	}
	for topic := range s.limited {
		if s.wanted[topic] == 0 || len(leave) > 0 {
			delete(s.limited, topic)
		}
	}
	for topic := range s.wanted {
		if !s.held[topic] && !s.limited[topic] && s.class.Has(topic.Kind) && s.source.Carries(topic.Symbol) {
			join = append(join, topic)
		}
	}
	slices.SortFunc(join, s.heavierFirst)
	return leave, join
}

// heavierFirst orders by how many instances topics are watched; what price watches need comes before that.
func (s *subscription) heavierFirst(a, b tick.Topic) int {
	return cmp.Or(cmp.Compare(s.wanted[b], s.wanted[a]), cmp.Compare(a.Symbol, b.Symbol), cmp.Compare(a.Kind, b.Kind))
}

func (s *subscription) leave(ctx context.Context, topics []tick.Topic) error {
	if err := s.socket.Unsubscribe(ctx, topics); err != nil {
		return err
	}
	for _, topic := range topics {
		delete(s.held, topic)
	}
	return nil
}

// makeRoom gives what price watches need and found no room for the places of what clients only look at, the lightest
// first, until all have one or there is none left to give.
func (s *subscription) makeRoom(ctx context.Context) error {
	urgent := slices.DeleteFunc(slices.Collect(maps.Keys(s.limited)), s.light)
	if len(urgent) == 0 {
		return nil
	}
	slices.SortFunc(urgent, s.heavierFirst)
	var given []tick.Topic
	for room := s.givable(); len(urgent) > 0 && len(room) > 0; {
		places := room[:min(len(urgent), len(room))]
		room = room[len(places):]
		given = append(given, places...)
		if err := s.exchange(ctx, places, urgent); err != nil {
			return err
		}
		urgent = slices.DeleteFunc(urgent, func(topic tick.Topic) bool { return s.held[topic] })
	}
	if len(urgent) == 0 {
		return nil
	}
	// Of what was given in vain that which needs no place gets it back.
	slices.SortFunc(given, s.heavierFirst)
	slices.SortStableFunc(given, func(a, b tick.Topic) int { return cmp.Compare(placeless(b), placeless(a)) })
	return s.exchange(ctx, nil, given)
}

// exchange gives places up and takes others, as many as there are.
func (s *subscription) exchange(ctx context.Context, give, take []tick.Topic) error {
	if err := s.leave(ctx, give); err != nil {
		return err
	}
	for _, topic := range give {
		s.limited[topic] = true
	}
	for _, topic := range take {
		delete(s.limited, topic)
	}
	s.admit(slices.Values(take))
	return s.join(ctx, take)
}

// givable is what may give its place to a price watch, in this order.
func (s *subscription) givable() []tick.Topic {
	held := slices.DeleteFunc(slices.Collect(maps.Keys(s.held)), func(topic tick.Topic) bool { return !s.light(topic) })
	slices.SortFunc(held, func(a, b tick.Topic) int {
		return cmp.Or(cmp.Compare(placeless(a), placeless(b)), s.heavierFirst(b, a))
	})
	return held
}

// light reports whether clients only look at the topic.
func (s *subscription) light(topic tick.Topic) bool { return s.wanted[topic] < crossingWeight }

// placeless is 1 for topics that the plan's limit does not count, as Alpaca's page "About Market Data API" says: that of
// stocks is of trades and quotes, that of options of quotes.
func placeless(topic tick.Topic) int {
	if topic.Kind == tick.Bar || topic.Class == tick.Option && topic.Kind == tick.Trade {
		return 1
	}
	return 0
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

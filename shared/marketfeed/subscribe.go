package marketfeed

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// Subscribe adds topics and waits until Alpaca has acknowledged them. ErrSymbolLimit: the plan allows fewer; what was
// taken before is returned as taken, the rest is as before.
func (s *Socket) Subscribe(ctx context.Context, topics []tick.Topic) (taken []tick.Topic, err error) {
	for part := range slices.Chunk(topics, symbolsPerRequest) {
		if err := s.request(ctx, "subscribe", part); err != nil {
			return taken, err
		}
		taken = append(taken, part...)
	}
	return taken, nil
}

// Unsubscribe removes topics.
func (s *Socket) Unsubscribe(ctx context.Context, topics []tick.Topic) error {
	for part := range slices.Chunk(topics, symbolsPerRequest) {
		if err := s.request(ctx, "unsubscribe", part); err != nil {
			return err
		}
	}
	return nil
}

// request sends one request and waits for its answer.
func (s *Socket) request(ctx context.Context, action string, topics []tick.Topic) error {
	s.requests.Lock()
	defer s.requests.Unlock()
	waiter := make(chan error, 1)
	s.waiter.Store(&waiter)
	defer s.waiter.Store(nil)
	message := map[string]any{"action": action}
	for _, kind := range tick.Kinds() {
		var symbols []string
		for _, topic := range topics {
			if topic.Kind == kind {
				symbols = append(symbols, topic.Symbol)
			}
		}
		if len(symbols) > 0 {
			message[kind.Channel()] = symbols
		}
	}
	if err := s.send(ctx, message); err != nil {
		return err
	}
	select {
	case err := <-waiter:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(s.config.Timeout):
		return fmt.Errorf("%w: %s was not answered within %s", ErrSilent, action, s.config.Timeout)
	}
}

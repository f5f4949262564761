package stream

import (
	"context"
	"math/rand/v2"
	"time"
)

// relief is when a stream that opens now is asked to come again, zero for never. It is up to a tenth of the age early, so
// that those that came together, after a rollout, do not come together again.
func (c Config) relief(now time.Time) time.Time {
	if c.MaxAge <= 0 {
		return time.Time{}
	}
	return now.Add(c.MaxAge - rand.N(c.MaxAge/10+1))
}

// relieve ends streams with code 1012 and a token with which the next one goes on where this one was.
func (s *Service) relieve(ctx context.Context, clients []*client, reason string) {
	tokens := s.rememberAll(ctx, clients)
	for i, c := range clients {
		farewell := Message{
			Type: "closing", Code: codeRestart, Reason: reason, ResumeToken: tokens[i],
			ReconnectAfterMS: i % 1000, // not all at once
		}
		c.outbox.finish(farewell.encode(), codeRestart, "come again")
	}
}

// relieveOld asks the streams whose time is over to come again. Cut off by Knative's limit on the length of a request, they
// would have no token to go on with.
func (s *Service) relieveOld(ctx context.Context, clients []*client, now time.Time) {
	var old []*client
	for _, c := range clients {
		if !c.relieved.IsZero() && !now.Before(c.relieved) {
			c.relieved = time.Time{} // told once
			old = append(old, c)
		}
	}
	if len(old) > 0 {
		s.relieve(ctx, old, "the stream is as old as it may get: open it again")
	}
}

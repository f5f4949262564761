package stream

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

// resumeLife is how long a client may take to come again.
const resumeLife = 5 * time.Minute

// memory is what is remembered of a stream that was ended by us.
type memory struct {
	AccountID string   `json:"account_id"`
	Topics    []string `json:"topics"`
}

// rememberAll writes down what clients watch, and returns a token for each; an empty one where there is nothing to go
// on with, or no Redis.
func (s *Service) rememberAll(ctx context.Context, clients []*client) []string {
	tokens := make([]string, len(clients))
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, err := s.redis.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, c := range clients {
			claims := c.claims.Load()
			held := s.hub.heldBy(c)
			if claims == nil || len(held) == 0 {
				continue
			}
			kept := memory{AccountID: claims.AccountID, Topics: make([]string, len(held))}
			for j, id := range held {
				kept.Topics[j] = id.String()
			}
			content, err := json.Marshal(kept)
			if err != nil {
				return err
			}
			random := make([]byte, 18)
			_, _ = rand.Read(random) // crypto/rand never fails: it ends the program instead
			tokens[i] = base64.RawURLEncoding.EncodeToString(random)
			pipe.Set(ctx, store.StreamResumeKey(tokens[i]), content, resumeLife)
		}
		return nil
	})
	if err != nil {
		s.logger.Warn("streams: clients have to subscribe again", zap.Error(err))
		return make([]string, len(clients))
	}
	return tokens
}

// recall returns what a stream of the account watched, and forgets it.
func (s *Service) recall(ctx context.Context, accountID, token string) ([]tick.Topic, error) {
	unknown := problem.InvalidRequest.New("the resume token is unknown, used or too old: subscribe again").Field("resume_token")
	if len(token) == 0 || len(token) > 64 {
		return nil, unknown
	}
	content, err := s.forget.Run(ctx, s.redis, []string{store.StreamResumeKey(token)}, accountID).Text()
	if errors.Is(err, redis.Nil) {
		return nil, unknown
	}
	if err != nil {
		return nil, problem.Unavailable.New("the stream can't be resumed right now: subscribe again").Because(err)
	}
	var kept memory
	if err := json.Unmarshal([]byte(content), &kept); err != nil {
		return nil, unknown.Because(fmt.Errorf("resume: %w", err))
	}
	ids := make([]tick.Topic, 0, len(kept.Topics))
	for _, name := range kept.Topics {
		if id, err := tick.ParseTopic(name); err == nil {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// forgetLua gives the memory out once, and to its own account only.
const forgetLua = `
local kept = redis.call('GET', KEYS[1])
if not kept then return false end
if cjson.decode(kept).account_id ~= ARGV[1] then return false end
redis.call('DEL', KEYS[1])
return kept`

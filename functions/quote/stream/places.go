package stream

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
)

// placeLife is how long the place of a stream whose instance died is taken.
const placeLife = 90 * time.Second

// places count the streams of each account over all instances. While Redis is away nobody is refused. Safe for
// concurrent use.
type places struct {
	client store.Client
	limit  int
	logger *zap.Logger
	take   *redis.Script
}

func newPlaces(client store.Client, limit int, logger *zap.Logger) *places {
	return &places{client: client, limit: limit, logger: logger, take: redis.NewScript(`
local t = redis.call('TIME')
local now = tonumber(t[1]) * 1000 + math.floor(tonumber(t[2]) / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
local held = redis.call('ZCARD', KEYS[1])
for i = 3, #ARGV do
  if ARGV[2] == '0' or held < tonumber(ARGV[2]) then
    redis.call('ZADD', KEYS[1], now + tonumber(ARGV[1]), ARGV[i])
    held = held + 1
  else
    return 0
  end
end
redis.call('PEXPIRE', KEYS[1], ARGV[1])
return 1`)}
}

// enter takes a place of the account for a stream.
func (p *places) enter(ctx context.Context, accountID, connectionID string) error {
	taken, err := p.run(ctx, accountID, p.limit, connectionID)
	if err != nil {
		p.logger.Debug("streams: place not taken", zap.Error(err))
		return nil
	}
	if taken == 0 {
		return problem.RateLimitExceeded.New("the account has %d streams open already", p.limit).
			With("limit", "stream_connections").With("allowed", p.limit)
	}
	return nil
}

// leave gives the place back.
func (p *places) leave(ctx context.Context, accountID, connectionID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := p.client.ZRem(ctx, store.StreamConnectionsKey(accountID), connectionID).Err(); err != nil {
		p.logger.Debug("streams: place not given back: it ends by itself", zap.Error(err))
	}
}

// renew keeps the places of clients.
func (p *places) renew(ctx context.Context, clients []*client) {
	byAccount := make(map[string][]any)
	for _, c := range clients {
		if claims := c.claims.Load(); claims != nil {
			byAccount[claims.AccountID] = append(byAccount[claims.AccountID], c.id)
		}
	}
	for accountID, ids := range byAccount {
		if _, err := p.run(ctx, accountID, 0, ids...); err != nil {
			p.logger.Debug("streams: places not renewed", zap.Error(err))
			return
		}
	}
}

func (p *places) run(ctx context.Context, accountID string, limit int, ids ...any) (int, error) {
	args := append([]any{placeLife.Milliseconds(), limit}, ids...)
	return p.take.Run(ctx, p.client, []string{store.StreamConnectionsKey(accountID)}, args...).Int()
}

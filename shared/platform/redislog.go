package platform

import (
	"context"
	"fmt"

	"go.uber.org/zap"
)

// redisLog puts what the Redis client says about its connections into the function's own log. The client has one
// logger for the whole process, so that only Main sets it.
type redisLog struct{ logger *zap.Logger }

// Printf writes one line.
func (l redisLog) Printf(_ context.Context, format string, values ...any) {
	l.logger.Warn("redis", zap.String("cause", fmt.Sprintf(format, values...)))
}

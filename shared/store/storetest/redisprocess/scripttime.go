package redisprocess

import (
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
)

// ScriptTime is the microseconds that a server spent on scripts since it started.
func ScriptTime(ctx context.Context, client *redis.Client) (float64, error) {
	stats, err := client.InfoMap(ctx, "commandstats").Result()
	if err != nil {
		return 0, fmt.Errorf("redis INFO commandstats: %w", err)
	}
	var calls, microseconds float64
	line := stats["Commandstats"]["cmdstat_evalsha"]
	if _, err := fmt.Sscanf(line, "calls=%f,usec=%f", &calls, &microseconds); err != nil {
		return 0, fmt.Errorf("redis INFO commandstats: %q: %w", line, err)
	}
	return microseconds, nil
}

package store

import (
	"context"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// reloadEvery is how often a cluster client asks which node has which slots, when nothing fails.
const reloadEvery = 10 * time.Second

// reload is a hook that asks a cluster anew which node has which slots after a node did not answer. The client itself
// does so only when a node says MOVED or refuses connections: to one that hangs it would go on talking for a minute after a
// replica took over.
type reload struct{ client *redis.ClusterClient }

// DialHook changes nothing.
func (reload) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook looks at the error of a command.
func (r reload) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		err := next(ctx, command)
		r.after(ctx, err)
		return err
	}
}

// ProcessPipelineHook looks at the error of a pipeline.
func (r reload) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		err := next(ctx, commands)
		r.after(ctx, err)
		return err
	}
}

// after asks anew in the background, several failures at a time once.
func (r reload) after(ctx context.Context, err error) {
	if err != nil && unanswered(err) {
		r.client.ReloadState(ctx)
	}
}

// unanswered reports that no node answered, or that one said that the cluster is incomplete.
func unanswered(err error) bool {
	var network net.Error
	var answer redis.Error
	switch {
	case errors.As(err, &network), errors.Is(err, context.DeadlineExceeded), errors.Is(err, redis.ErrPoolTimeout):
		return true
	case errors.As(err, &answer):
		return strings.HasPrefix(err.Error(), "CLUSTERDOWN")
	}
	return false
}

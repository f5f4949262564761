package store

import (
	"context"
	"time"

	"github.com/redis/go-redis/v9"
)

// Pipeliner sends several commands at once.
type Pipeliner interface {
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// clustered is a client of many nodes: WAIT must go to the node, and over the connection, that took the write.
type clustered interface {
	MasterForKey(ctx context.Context, key string) (*redis.Client, error)
	ReloadState(ctx context.Context)
}

// RunReplicated runs script and returns its result together with how many replicas confirmed its writes, waiting up to
// timeout for the number wanted. One round trip, the wait for the replicas apart. The keys share a slot.
func RunReplicated(
	ctx context.Context, client Pipeliner, script *redis.Script, wanted int, timeout time.Duration, keys []string, args ...any,
) (*redis.Cmd, int) {
	result, confirmed := runReplicated(ctx, client, script.EvalSha, wanted, timeout, keys, args)
	if redis.HasErrorPrefix(result.Err(), "NOSCRIPT") {
		return runReplicated(ctx, client, script.Eval, wanted, timeout, keys, args)
	}
	return result, confirmed
}

// evaluate is EVALSHA or EVAL of a script.
type evaluate func(ctx context.Context, c redis.Scripter, keys []string, args ...any) *redis.Cmd

func runReplicated(
	ctx context.Context, client Pipeliner, run evaluate, wanted int, timeout time.Duration, keys []string, args []any,
) (*redis.Cmd, int) {
	node := client
	cluster, many := client.(clustered)
	if many {
		master, err := cluster.MasterForKey(ctx, keys[0])
		if err != nil {
			return failed(ctx, err), 0
		}
		node = master
	}
	var result, waited *redis.Cmd
	_, _ = node.Pipelined(ctx, func(pipe redis.Pipeliner) error { // each command has its own error
		result = run(ctx, pipe, keys, args...)
		waited = pipe.Do(ctx, "wait", wanted, timeout.Milliseconds())
		return nil
	})
	if many && redis.HasErrorPrefix(result.Err(), "MOVED") {
		cluster.ReloadState(ctx) // a failover: the caller's repeat finds the new master
	}
	confirmed, err := waited.Int()
	if err != nil {
		return result, 0 // perhaps written, and nobody confirmed it
	}
	return result, confirmed
}

// failed is a command that could not be sent.
func failed(ctx context.Context, err error) *redis.Cmd {
	command := redis.NewCmd(ctx)
	command.SetErr(err)
	return command
}

package redisprocess_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// TestComesBackEmpty: a server that was a replica has written what it copied to its folder, and must not begin with that
// when it was killed and is started again: it would be a master of long ago.
func TestComesBackEmpty(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	master, replica := start(ctx, t), start(ctx, t)
	client, copied := master.Client(), replica.Client()
	defer client.Close()
	defer copied.Close()
	if err := client.Set(ctx, "k", "v", 0).Err(); err != nil {
		t.Fatal(err)
	}
	host, port, _ := strings.Cut(master.Address(), ":")
	if err := copied.Do(ctx, "REPLICAOF", host, port).Err(); err != nil {
		t.Fatal(err)
	}
	for copied.Get(ctx, "k").Val() != "v" {
		if ctx.Err() != nil {
			t.Fatal("not copied")
		}
	}
	if err := errors.Join(replica.Signal(syscall.SIGKILL), replica.Restart(ctx)); err != nil {
		t.Fatal(err)
	}
	if n, err := copied.DBSize(ctx).Result(); err != nil || n != 0 {
		t.Errorf("%d keys (%v) after the restart", n, err)
	}
}

func start(ctx context.Context, t *testing.T) *redisprocess.Server {
	t.Helper()
	server, err := redisprocess.Start(ctx, false)
	if errors.Is(err, redisprocess.ErrMissing) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	return server
}

package store_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
)

func TestKeysOfAnAccountShareASlot(t *testing.T) {
	t.Parallel()
	const account = "ACC001"
	tag := store.ShardTag(store.Shard(account))
	keys := []string{
		store.IntentKey(account, "c"), store.IdempotencyKey(account, "k"), store.BucketKey(account, "orders"),
		store.UpstreamTakenKey(account, "trading"), store.UpstreamSaidKey(account, "trading"), store.SnapshotKey(account, "positions"), store.GenerationKey(account),
		store.SequenceKey(account), store.SeenKey(account, "e"), store.CursorKey(account), store.UpdatesLeaseKey(account),
		store.OutboxKey(store.Shard(account)), store.OutboxLeaseKey(store.Shard(account)), store.ActiveAccountsKey(store.Shard(account)),
	}
	seen := map[string]bool{}
	for _, key := range keys {
		if !strings.Contains(key, tag) || seen[key] {
			t.Errorf("key %s lacks tag %s or repeats", key, tag)
		}
		seen[key] = true
	}
}

func TestShardIsStable(t *testing.T) {
	t.Parallel()
	// Stored data depends on these: a change here loses every intent.
	for account, want := range map[string]int{"ACC001": 33, "": 5, "demo-0001": 30} {
		if got := store.Shard(account); got != want {
			t.Errorf("Shard(%q) = %d, want %d", account, got, want)
		}
	}
}

func TestOpen(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, url string
		cluster   bool
		bad       bool
	}{
		{name: "server", url: "redis://127.0.0.1:6379/0"},
		{name: "cluster", url: "redis+cluster://127.0.0.1:7000?addr=127.0.0.1:7001", cluster: true},
		{name: "unknown scheme", url: "http://127.0.0.1", bad: true},
		{name: "no URL", url: "::", bad: true},
		{name: "bad option", url: "redis://user:hunter2@127.0.0.1:6379/0?nonsense=1", bad: true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			client, err := store.Open(c.url, store.Options{})
			if c.bad {
				if !errors.Is(err, store.ErrURL) || strings.Contains(err.Error(), "hunter2") {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			if _, isCluster := client.(*redis.ClusterClient); isCluster != c.cluster {
				t.Fatalf("got %T", client)
			}
		})
	}
}

// A command must not wait for dial after dial while Redis is away.
func TestDialsOnce(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://127.0.0.1:1", "redis+cluster://127.0.0.1:1"} {
		client, err := store.Open(url, store.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		retries := 0
		switch c := client.(type) {
		case *redis.Client:
			retries = c.Options().DialerRetries
		case *redis.ClusterClient:
			retries = c.Options().DialerRetries
		}
		if retries != 1 {
			t.Errorf("%s: dials %d times", url, retries)
		}
	}
}

func TestScriptHasTheSharedFunctions(t *testing.T) {
	t.Parallel()
	server := miniredis.RunT(t)
	client, err := store.Open("redis://"+server.Addr(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	script := store.NewScript(`
local granted, remaining = gcra(KEYS[1], 10, 1000000, 3, 0, 0, now_us(), 0)
local first = append_event(KEYS[2], KEYS[3], KEYS[4], 'a', '{}', 1000, 100)
local second = append_event(KEYS[2], KEYS[3], KEYS[4], 'a', '{}', 1000, 100)
return {granted, remaining, first, second}`)
	got, err := script.Run(t.Context(), client, []string{"b{x}", "s{x}", "q{x}", "e{x}"}).Int64Slice()
	if err != nil {
		t.Fatal(err)
	}
	if got[0] != 3 || got[1] != 7 || got[2] <= 0 || got[3] != 0 {
		t.Fatalf("got %v", got)
	}
}

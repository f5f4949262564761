package interest

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

//go:embed live.lua
var liveLua string

// readerRedis is what a Reader needs of a client.
type readerRedis interface {
	redis.Scripter
	Pipelined(ctx context.Context, fn func(redis.Pipeliner) error) ([]redis.Cmder, error)
}

// Reader reads what all instances watch. It belongs to one goroutine.
type Reader struct {
	client readerRedis
	script *redis.Script
	known  map[string]declared
}

// declared is what an instance watched at a version.
type declared struct {
	version string
	topics  []tick.Topic
}

// NewReader returns a reader that has read nothing yet.
func NewReader(client readerRedis) *Reader {
	return &Reader{client: client, script: redis.NewScript(liveLua), known: make(map[string]declared)}
}

// Read returns by how many instances each topic is watched, and whether that differs from the last time. Only what
// changed is read again.
func (r *Reader) Read(ctx context.Context) (watched map[tick.Topic]int, changed bool, err error) {
	live, err := r.script.Run(ctx, r.client, []string{store.InterestInstancesKey(), store.InterestVersionsKey()}).StringSlice()
	if err != nil {
		return nil, false, fmt.Errorf("read interest: %w", err)
	}
	next := make(map[string]declared, len(live)/2)
	var stale []string
	for i := 0; i+1 < len(live); i += 2 {
		former, found := r.known[live[i]]
		if !found || former.version != live[i+1] {
			former = declared{version: live[i+1]}
			stale = append(stale, live[i])
		}
		next[live[i]] = former
	}
	if len(stale) == 0 && len(next) == len(r.known) {
		return nil, false, nil
	}
	if err := r.read(ctx, next, stale); err != nil {
		return nil, false, err
	}
	r.known = next
	watched = make(map[tick.Topic]int)
	for _, instance := range next {
		for _, topic := range instance.topics {
			watched[topic]++
		}
	}
	return watched, true, nil
}

func (r *Reader) read(ctx context.Context, into map[string]declared, instances []string) error {
	if len(instances) == 0 {
		return nil
	}
	members := make([]*redis.StringSliceCmd, len(instances))
	_, err := r.client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for i, instance := range instances {
			members[i] = pipe.SMembers(ctx, store.InterestKey(instance))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read interest: %w", err)
	}
	for i, instance := range instances {
		own := into[instance]
		for _, text := range members[i].Val() {
			if topic, err := tick.ParseTopic(text); err == nil { // else a newer release's, which this one can't serve
				own.topics = append(own.topics, topic)
			}
		}
		into[instance] = own
	}
	return nil
}

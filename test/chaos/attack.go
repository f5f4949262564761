package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// attack is one thing that goes wrong, at its time.
type attack struct {
	at     time.Duration
	name   string
	target int
	lasts  time.Duration
	number int
	fault  map[string]any // of Alpaca
}

func (a attack) String() string { return fmt.Sprintf("%s %d %s", a.name, a.target, a.lasts) }

// The attacks, each with how often it comes.
func weights() []struct {
	name   string
	weight int
} {
	return []struct {
		name   string
		weight int
	}{
		{"alpaca-fault", 34}, {"alpaca-cut-streams", 4},
		{"kill-order", 14}, {"pause-order", 9}, {"stop-order", 3},
		{"kill-updates", 6}, {"pause-updates", 4},
		{"redis-failover", 5}, {"redis-takeover", 2}, {"redis-kill", 4}, {"redis-pause", 4}, {"redis-client-pause", 3},
		{"redis-flush", 2}, {"redis-flush-one", 2}, {"expire-leases", 6}, {"sink-down", 4}, {"sweep-tick", 4},
	}
}

// plan is the schedule of a seed.
func plan(settings Settings) []attack {
	dice := rand.New(rand.NewPCG(settings.Seed, 1))
	sum := 0
	for _, w := range weights() {
		sum += w.weight
	}
	var attacks []attack
	for at := 2 * time.Second; at < settings.Duration; at += time.Duration(300+dice.IntN(1800)) * time.Millisecond {
		n, a := dice.IntN(sum), attack{at: at, number: len(attacks)}
		for _, w := range weights() {
			if n -= w.weight; n < 0 {
				a.name = w.name
				break
			}
		}
		a.target, a.lasts = dice.IntN(1<<16), time.Duration(200+dice.IntN(2500))*time.Millisecond
		if a.name == "pause-order" || a.name == "pause-updates" {
			a.lasts += 2 * time.Second // longer than most leases
		}
		if a.name == "alpaca-fault" {
			a.fault = alpacaFault(dice)
		}
		attacks = append(attacks, a)
	}
	return attacks
}

// alpacaFault is a number of answers that go wrong. slow_body and truncated carry the request out first: the order is
// taken, and its client hears nothing in time, or half of it.
func alpacaFault(dice *rand.Rand) map[string]any {
	const (
		submit, find, stream   = "POST /v2/orders", "GET /v2/orders:by_client_order_id", "GET /v2/events/trades"
		change, exits, cancels = "PATCH /v2/orders/*", "GET /v2/positions*", "DELETE /v2/orders*"
	)
	times := 3 + dice.IntN(25)
	fault := func(route string, kind string, more ...any) map[string]any {
		f := map[string]any{"route": route, "kind": kind, "times": times}
		for n := 0; n+1 < len(more); n += 2 {
			f[more[n].(string)] = more[n+1]
		}
		return f
	}
	route := []string{submit, submit, submit, find, change, exits, cancels, "*"}[dice.IntN(8)]
	switch dice.IntN(10) {
	case 0, 1:
		return fault(route, "drop_after")
	case 2:
		return fault(route, "drop_before")
	case 3:
		return fault(route, "slow_body", "bytes_per_second", 200)
	case 4:
		return fault(route, "truncated", "keep_bytes", dice.IntN(300))
	case 5:
		return fault(route, "status", "status", []int{500, 502, 503, 504}[dice.IntN(4)], "code", 50010000, "message", "internal server error occurred")
	case 6:
		return fault(route, "rate_limit")
	case 7:
		return fault(route, "latency", "latency_ms", 900, "jitter_ms", 400) // around the upstream timeout
	case 8:
		return fault(submit, "latency", "latency_ms", 50, "jitter_ms", 300)
	default:
		return fault(stream, "drop_before")
	}
}

// attacker carries the attacks out. Each waits for its end beside the next, but what is done to Redis comes one after the
// other: a cluster whose every copy of a slot is gone proves nothing.
type attacker struct {
	world   *world
	courier *courier
	redis   sync.Mutex
	wait    sync.WaitGroup

	mu      sync.Mutex
	done    map[string]int
	last    string
	skipped int
}

// run carries out the plan and returns when the last attack is over.
func (a *attacker) run(ctx context.Context, attacks []attack) {
	started := time.Now()
	for _, each := range attacks {
		if pause(ctx, time.Until(started.Add(each.at))) != nil {
			break
		}
		a.wait.Go(func() { a.carryOut(ctx, each) })
	}
	a.wait.Wait()
}

func (a *attacker) carryOut(ctx context.Context, each attack) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	happened := a.against(ctx, each)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !happened {
		a.skipped++
		return
	}
	a.done[each.name]++
	a.last = each.String()
}

// against does one attack and reports whether it happened.
func (a *attacker) against(ctx context.Context, each attack) bool {
	order := a.world.orders[each.target%orderFunctions]
	source := a.world.sources[each.target%updateSources]
	switch each.name {
	case "alpaca-fault":
		return a.world.alpaca.fault(ctx, each.fault) == nil
	case "alpaca-cut-streams":
		return a.world.alpaca.cut(ctx) == nil
	case "kill-order":
		return crash(ctx, order, each.lasts)
	case "stop-order":
		return order.stop() == nil && order.restart() == nil
	case "pause-order":
		return freeze(ctx, order, each.lasts)
	case "kill-updates":
		return crash(ctx, source, each.lasts)
	case "pause-updates":
		return freeze(ctx, source, each.lasts)
	case "sink-down":
		a.world.collector.down.Store(true)
		_ = pause(ctx, each.lasts)
		a.world.collector.down.Store(false)
		return true
	case "sweep-tick":
		a.courier.tick(ctx, each.number)
		return true
	}
	a.redis.Lock()
	defer a.redis.Unlock()
	return a.againstRedis(ctx, each) && a.healed(ctx)
}

func crash(ctx context.Context, p *process, away time.Duration) bool {
	p.kill()
	_ = pause(ctx, away)
	return p.restart() == nil
}

func freeze(ctx context.Context, p *process, away time.Duration) bool {
	if !p.signal(syscall.SIGSTOP) {
		return false
	}
	_ = pause(ctx, away)
	p.signal(syscall.SIGCONT)
	return true
}

func (a *attacker) againstRedis(ctx context.Context, each attack) bool {
	masters, replicas := a.roles(ctx)
	if len(masters) == 0 || len(replicas) == 0 {
		return false
	}
	master, replica := masters[each.target%len(masters)], replicas[each.target%len(replicas)]
	switch each.name {
	case "redis-failover":
		return command(ctx, replica, "CLUSTER", "FAILOVER")
	case "redis-takeover":
		return command(ctx, replica, "CLUSTER", "FAILOVER", "TAKEOVER")
	case "redis-kill":
		if master.Signal(syscall.SIGKILL) != nil {
			return false
		}
		_ = pause(ctx, each.lasts) // shorter than a failover takes, or longer
		return master.Restart(ctx) == nil
	case "redis-pause":
		if master.Signal(syscall.SIGSTOP) != nil {
			return false
		}
		_ = pause(ctx, 2*each.lasts)
		return master.Signal(syscall.SIGCONT) == nil
	case "redis-client-pause":
		return command(ctx, master, "CLIENT", "PAUSE", each.lasts.Milliseconds())
	case "redis-flush":
		for _, each := range masters {
			command(ctx, each, "FLUSHALL")
		}
		return true
	case "redis-flush-one":
		return command(ctx, master, "FLUSHALL")
	case "expire-leases":
		return a.expireLeases(ctx, each.target)
	}
	return false
}

// expireLeases ends the leases of a part of all shards and accounts, as their end by themselves would.
func (a *attacker) expireLeases(ctx context.Context, target int) bool {
	client, err := store.Open(a.world.redis.URL(), store.Options{Timeout: time.Second})
	if err != nil {
		return false
	}
	defer client.Close()
	_, err = client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
		for shard := target % 3; shard < store.Shards; shard += 3 {
			pipe.Del(ctx, store.OutboxLeaseKey(shard))
		}
		everybody := a.world.everybody()
		for i := target % 3; i < len(everybody); i += 3 {
			pipe.Del(ctx, store.UpdatesLeaseKey(everybody[i].id))
		}
		return nil
	})
	return err == nil
}

// roles returns the masters and the replicas that are up.
func (a *attacker) roles(ctx context.Context) (masters, replicas []*redisprocess.Server) {
	for _, server := range a.world.redis.Servers {
		client := server.Client()
		role, err := client.Do(ctx, "ROLE").Slice()
		_ = client.Close()
		switch {
		case err != nil || len(role) == 0:
		case role[0] == "master":
			masters = append(masters, server)
		default:
			replicas = append(replicas, server)
		}
	}
	return masters, replicas
}

// healed waits until there are three masters with a replica in step each, so that the next attack meets a whole cluster.
func (a *attacker) healed(ctx context.Context) bool {
	for ctx.Err() == nil {
		if a.world.redis.Whole(ctx, 3) {
			return true
		}
		_ = pause(ctx, 50*time.Millisecond)
	}
	return false
}

func command(ctx context.Context, server *redisprocess.Server, arguments ...any) bool {
	client := server.Client()
	defer client.Close()
	return client.Do(ctx, arguments...).Err() == nil
}

// state is what the progress line says.
func (a *attacker) state() (count int, last string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, n := range a.done {
		count += n
	}
	return count, a.last
}

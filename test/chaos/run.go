package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/redis/go-redis/v9"
)

// Run runs one chaos and returns what it found. The error is for a world that could not be built, or not be looked at.
func Run(ctx context.Context, settings Settings) (*Report, error) {
	if err := settings.withDefaults(); err != nil {
		return nil, err
	}
	redis.SetLogger(silent{}) // that nodes are away is what this is about
	say(settings.Output, "chaos: seed %d, %s, INTENT_REPLICAS=%s: building and starting ...", settings.Seed, settings.Duration, settings.intentReplicas())
	w, err := newWorld(ctx, settings)
	if err != nil {
		return nil, err
	}
	defer w.stop()
	r := newRun(w)
	r.storm(ctx)
	if err := r.calm(ctx); err != nil {
		return nil, err
	}
	return r.verdict(ctx)
}

// silent keeps what the Redis client says of its connections to itself.
type silent struct{}

// Printf writes nothing.
func (silent) Printf(context.Context, string, ...any) {}

// chaos is one run.
type chaos struct {
	world    *world
	attacker *attacker
	courier  *courier
	http     *http.Client
	started  time.Time

	mu      sync.Mutex
	intents []*intent
	notes   []*intent           // of desks: what they found is no order's
	cancels map[string][]string // by account: orders whose cancel was taken
	limited map[string]int      // answers with 429, by the limit
	settled atomic.Int64
	hits    int // requests that Alpaca's faults struck
	busy    sync.WaitGroup
}

func newRun(w *world) *chaos {
	transport := &http.Transport{MaxIdleConnsPerHost: clients, IdleConnTimeout: time.Second}
	h := &http.Client{Transport: transport}
	c := &courier{world: w, http: h}
	r := &chaos{
		world: w, http: h, courier: c, started: time.Now(), cancels: make(map[string][]string), limited: make(map[string]int),
		attacker: &attacker{world: w, courier: c, done: make(map[string]int)},
	}
	c.run = r
	return r
}

// add makes an intent known to the verdict.
func (r *chaos) add(i *intent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intents = append(r.intents, i)
}

// absorb keeps what a desk noted beside its orders.
func (r *chaos) absorb(i *intent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.notes = append(r.notes, i)
}

// canceled notes that somebody was told that an order is being canceled.
func (r *chaos) canceled(t *trader, orderID string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cancels[t.id] = append(r.cancels[t.id], orderID)
}

// note looks at an answer whatever it is to: no request is so wrong that it is our error, and no client is so quick that
// the order limit refuses it.
func (r *chaos) note(i *intent, request string, a *answer) {
	switch {
	case a.code == "INTERNAL_ERROR", a.status == http.StatusInternalServerError:
		i.surprise("%s: %d %s", request, a.status, a.body)
	case a.status == http.StatusTooManyRequests:
		if a.limit != "alpaca" && a.limit != "Alpaca's own" {
			i.surprise("%s: %d %s", request, a.status, a.body)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.limited[a.limit]++
	}
}

// storm is the time of orders and attacks.
func (r *chaos) storm(ctx context.Context) {
	over, stop := context.WithTimeout(ctx, r.world.settings.Duration)
	defer stop()
	var progress sync.WaitGroup
	progress.Go(func() { r.progress(over) })
	progress.Go(func() { r.attacker.run(over, plan(r.world.settings)) })
	for n := range r.world.desks {
		r.busy.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, r.world.settings.Duration+patience)
			defer cancel()
			r.trades(ctx, over, n)
		})
	}
	r.trade(ctx, over)
	progress.Wait()
}

// trade lets clients place the seed's orders, at the rate asked for or as fast as clients get free.
func (r *chaos) trade(ctx, over context.Context) {
	free := make(chan struct{}, clients)
	tick := time.NewTicker(time.Second / time.Duration(r.world.settings.Rate))
	defer tick.Stop()
	for number := 0; ; number++ {
		select {
		case <-over.Done():
			return
		case <-tick.C:
		}
		select {
		case <-over.Done():
			return
		case free <- struct{}{}:
		}
		i := newIntent(r.world.settings.Seed, number, r.world.traders, r.world.listing)
		r.add(i)
		r.busy.Go(func() {
			defer func() { <-free }()
			r.pursue(ctx, i)
		})
	}
}

// pursue is one client with one order.
func (r *chaos) pursue(ctx context.Context, i *intent) {
	ctx, cancel := context.WithTimeout(ctx, r.world.settings.Duration+patience)
	defer cancel()
	if i.way == byCommand {
		r.courier.request(ctx, i)
		r.settled.Add(1)
		return
	}
	c := &client{intent: i, run: r, at: i.number % orderFunctions}
	c.place(ctx)
}

func (r *chaos) progress(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			r.say()
		}
	}
}

// say writes one line about where the run is.
func (r *chaos) say() {
	r.mu.Lock()
	asked := len(r.intents)
	r.mu.Unlock()
	faults, last := r.attacker.state()
	arrived, repeated, refused := r.world.collector.counts()
	say(r.world.settings.Output, "%5.0fs  asked %d, settled %d; events %d, repeated %d, refused %d; faults %d (%s)",
		time.Since(r.started).Seconds(), asked, r.settled.Load(), arrived, repeated, refused, faults, last)
}

func say(to io.Writer, format string, args ...any) {
	if to != nil {
		_, _ = fmt.Fprintf(to, format+"\n", args...) // a reader that is gone is not our error
	}
}

// calm ends all faults and waits until the clients have their answers and the subscribers their events.
func (r *chaos) calm(ctx context.Context) error {
	say(r.world.settings.Output, "calm: faults off, waiting for answers and events ...")
	hits, err := r.world.alpaca.hits(ctx)
	if err != nil {
		return err
	}
	r.hits = hits
	if err := r.world.alpaca.heal(ctx); err != nil {
		return err
	}
	r.world.collector.calm()
	for _, p := range r.world.functions() {
		p.signal(syscall.SIGCONT)
		if err := p.restart(); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if !r.attacker.healed(ctx) {
		return fmt.Errorf("the Redis Cluster did not become whole again")
	}
	answered := make(chan struct{})
	go func() {
		r.busy.Wait()
		close(answered)
	}()
	select {
	case <-answered:
	case <-ctx.Done(): // the verdict names who has no answer
	}
	return r.awaitEvents(ctx)
}

// awaitEvents waits until every event is there, or patience ends; which are missing is the verdict's to say.
func (r *chaos) awaitEvents(ctx context.Context) error {
	for ctx.Err() == nil {
		found, err := r.judge(context.WithoutCancel(ctx))
		if err != nil || found.missing == 0 {
			return err
		}
		say(r.world.settings.Output, "calm: %d events are still missing", found.missing)
		_ = pause(ctx, 2*time.Second)
	}
	return nil
}

// verdict ends the functions as a rollout does, which publishes what is left, and judges.
func (r *chaos) verdict(ctx context.Context) (*Report, error) {
	stopped := r.world.drainFunctions()
	report, err := r.judge(ctx)
	if err != nil {
		return nil, err
	}
	if stopped != nil {
		report.Wrong = append(report.Wrong, stopped.Error())
	}
	faults, _ := r.attacker.state()
	report.Faults, report.Attacks, report.Skipped = faults, r.attacker.done, r.attacker.skipped
	report.Events, report.Repeated, _ = r.world.collector.counts()
	report.Seed, report.Took = r.world.settings.Seed, time.Since(r.started)
	report.Hits, report.Replicas = r.hits, r.world.settings.intentReplicas()
	r.mu.Lock()
	report.Limited = maps.Clone(r.limited)
	r.mu.Unlock()
	return report, nil
}

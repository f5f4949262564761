package stream

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

func TestDrainedStreamGoesOnElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := w.start(Config{})
	c := first.open(w.token("ACC001", time.Hour), "AAPL", "MSFT")
	w.publish(1, "AAPL", 150)
	c.until("a tick", bid("AAPL", 150))
	go first.Drain(t.Context())
	closing := c.until("a farewell", ofType("closing"))
	if closing.Code != codeRestart || closing.ResumeToken == "" {
		t.Fatalf("%+v", closing.Message)
	}
	if code := c.ended(); code != codeRestart {
		t.Fatalf("closed with %d", code)
	}
	second := w.start(Config{})
	thief := second.open(w.token("ACC002", time.Hour))
	thief.send(Request{Action: "resume", ResumeToken: closing.ResumeToken})
	if m := thief.until("a refusal", ofType("error")); m.Error.Code != "INVALID_REQUEST" {
		t.Fatalf("%+v", m.Error)
	}
	c = second.open(w.token("ACC001", time.Hour))
	c.send(Request{Action: "resume", ResumeToken: closing.ResumeToken})
	if m := c.until("the subscription", ofType("subscription")); !slices.Equal(m.Quotes, []string{"AAPL", "MSFT"}) {
		t.Fatalf("%+v", m.Message)
	}
	latest := map[string]bool{}
	c.until("the latest value of each", func(m received) bool {
		if m.Type == "quote" && m.BidPrice == 99 {
			latest[m.Symbol] = true
		}
		return len(latest) == 2
	})
	storetest.Eventually(t, "both instances hear the feed", func() bool { return w.hearers("MSFT") == 2 })
	w.publish(1, "MSFT", 151)
	c.until("a tick", bid("MSFT", 151))
	again := second.open(w.token("ACC001", time.Hour))
	again.send(Request{Action: "resume", ResumeToken: closing.ResumeToken})
	again.until("a second use is refused", ofType("error"))
}

func TestOldStreamIsAskedToComeAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{MaxAge: 10 * time.Minute})
	old := i.open(w.token("ACC001", time.Hour), "AAPL")
	w.clock.Advance(8 * time.Minute)
	young := i.open(w.token("ACC001", time.Hour), "AAPL")
	w.clock.Advance(2 * time.Minute)
	closing := old.until("a farewell", ofType("closing"))
	if code := old.ended(); closing.Code != codeRestart || code != codeRestart {
		t.Fatalf("closed with %d after %+v", code, closing.Message)
	}
	next := i.open(w.token("ACC001", time.Hour))
	next.send(Request{Action: "resume", ResumeToken: closing.ResumeToken})
	next.until("the latest value", bid("AAPL", 99))
	storetest.Eventually(t, "only the old one has left", func() bool { return i.hub.count() == 2 })
	w.publish(1, "AAPL", 150)
	young.until("a tick", bid("AAPL", 150))
	next.until("a tick", bid("AAPL", 150))
}

func TestStreamsAreNotAllRelievedAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC)
	if at := (Config{}).relief(now); !at.IsZero() {
		t.Errorf("without a limit: %s", at)
	}
	const age = 590 * time.Second
	at := map[time.Time]bool{}
	for range 1000 {
		relieved := Config{MaxAge: age}.relief(now)
		if relieved.Before(now.Add(age*9/10)) || relieved.After(now.Add(age)) {
			t.Fatalf("%s after it opened", relieved.Sub(now))
		}
		at[relieved] = true
	}
	if len(at) < 900 {
		t.Errorf("1000 streams end at %d moments", len(at))
	}
}

func TestLimitOfStreamsOfAnAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one, two := w.start(Config{AccountConnections: 2}), w.start(Config{AccountConnections: 2})
	token := w.token("ACC001", time.Hour)
	first := one.open(token)
	first.until("the first", ofType("authenticated"))
	two.open(token).until("the second, on another instance", ofType("authenticated"))
	third := one.open(token)
	if m := third.until("the third is refused", ofType("error")); m.Error.Code != "RATE_LIMIT_EXCEEDED" {
		t.Fatalf("%+v", m.Error)
	}
	if code := third.ended(); code != codeTooManyRequests {
		t.Fatalf("closed with %d", code)
	}
	two.open(w.token("ACC002", time.Hour)).until("another account", ofType("authenticated"))
	_ = first.conn.CloseNow()
	storetest.Eventually(t, "the first has left", func() bool { return one.hub.count() == 0 })
	storetest.Eventually(t, "there is a place", func() bool {
		m := two.open(token).until("an answer", func(m received) bool { return m.Type == "authenticated" || m.Type == "error" })
		return m.Type == "authenticated"
	})
}

func TestExpiredTokenEndsItsStream(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{})
	short, long := i.open(w.token("ACC001", time.Minute), "AAPL"), i.open(w.token("ACC001", time.Minute), "AAPL")
	longer := w.token("ACC001", time.Hour)
	long.send(Request{Action: "auth", Token: longer})
	long.until("a newer token", ofType("authenticated"))
	w.clock.Advance(2 * time.Minute)
	if m := short.until("a farewell", ofType("closing")); m.Code != codeUnauthorized {
		t.Fatalf("%+v", m.Message)
	}
	if code := short.ended(); code != codeUnauthorized {
		t.Fatalf("closed with %d", code)
	}
	w.publish(1, "AAPL", 150)
	long.until("the stream with the newer token goes on", bid("AAPL", 150))
}

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{Heartbeat: time.Second})
	c := i.open(w.token("ACC001", time.Hour))
	c.send(Request{Action: "ping"})
	c.until("an answer", ofType("pong"))
	w.clock.Advance(time.Second)
	c.until("a heartbeat", ofType("heartbeat"))
	// From here on the client reads nothing, and so answers no ping.
	storetest.Eventually(t, "who answers no ping is cut off", func() bool {
		w.clock.Advance(time.Second)
		return i.hub.count() == 0
	})
}

func TestSilentFeedAndTheNextOneAreTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{})
	c := i.open(w.token("ACC001", time.Hour), "AAPL")
	w.report(1, 0)
	c.until("live", func(m received) bool { return m.Type == "status" && m.State == "live" })
	w.publish(1, "AAPL", 150)
	c.until("a tick", bid("AAPL", 150))
	c.until("stale, as nobody says anything", func(m received) bool { return m.Type == "status" && m.State == "stale" })
	late := i.open(w.token("ACC001", time.Hour), "AAPL")
	late.until("stale, told to who comes later", func(m received) bool { return m.Type == "status" && m.State == "stale" })
	clear(w.sequences)
	w.report(2, 1)
	c.until("live again", func(m received) bool { return m.Type == "status" && m.State == "live" })
	c.until("the gap", func(m received) bool { return m.Type == "gap" && m.Reason == "upstream" })
	w.publish(2, "AAPL", 160)
	c.until("a tick of the next leader", bid("AAPL", 160))
	w.publish(1, "AAPL", 140) // the former leader wakes up
	w.publish(2, "AAPL", 161)
	if m := c.until("the next tick", func(m received) bool { return m.Type == "quote" && m.BidPrice != 99 }); m.BidPrice != 161 {
		t.Fatalf("a tick of the former leader: %+v", m)
	}
}

func TestRedisAwayUnderClients(t *testing.T) {
	t.Parallel()
	w, c := newWatched(t)
	w.redis.Close()
	c.until("stale", func(m received) bool { return m.Type == "status" && m.State == "stale" })
	c.send(Request{Action: "ping"})
	c.until("the stream is open", ofType("pong"))
	if err := w.redis.Restart(); err != nil {
		t.Fatal(err)
	}
	c.until("what was missed", func(m received) bool { return m.Type == "gap" && m.Reason == "missed" })
	w.report(1, 0)
	c.until("live again", func(m received) bool { return m.Type == "status" && m.State == "live" })
	w.publish(1, "AAPL", 151)
	c.until("a tick", bid("AAPL", 151))
}

func TestSlowClientIsToldWhatItMissed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{WriteTimeout: time.Hour, Heartbeat: time.Hour})
	token := w.token("ACC001", time.Hour)
	fast, slow := i.open(token, "AAPL"), i.open(token, "AAPL")
	price := i.flood(fast, func() bool { return testutil.ToFloat64(i.metrics.skipped) > 0 || i.slow() == 1 })
	for range 10_000 {
		price++
		i.say(price)
	}
	for _, c := range i.hub.all() {
		c.outbox.mu.Lock()
		if waiting := len(c.outbox.waiting); waiting > roomy+maxNotices+1 {
			t.Errorf("%d messages wait", waiting)
		}
		c.outbox.mu.Unlock()
	}
	if m := slow.until("what was skipped", ofType("skipped")); m.Skipped["AAPL"] == 0 || m.Count != m.Skipped["AAPL"] {
		t.Errorf("%+v", m.Message)
	}
	i.say(price + 1)
	fast.until("the newest", bid("AAPL", float64(price+1)))
	slow.until("the newest", bid("AAPL", float64(price+1)))
}

func TestClientThatNeverReadsIsGivenUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := w.start(Config{WriteTimeout: time.Second, Heartbeat: time.Hour})
	token := w.token("ACC001", time.Hour)
	fast := i.open(token, "AAPL")
	i.open(token, "AAPL") // never reads again
	price := i.flood(fast, func() bool { return i.hub.count() == 1 })
	i.say(price + 1)
	fast.until("the next tick", bid("AAPL", float64(price+1)))
}

// say publishes a bid of AAPL.
func (i *instance) say(price int64) {
	id := tick.Topic{Class: tick.Stock, Kind: tick.Quote, Symbol: "AAPL"}
	i.hub.publish(id, event("AAPL", price).AppendJSON(nil))
}

// flood publishes until done, 64 ticks at a time, each of which fast reads before the next come. It returns the last bid.
func (i *instance) flood(fast *reader, done func() bool) int64 {
	i.w.t.Helper()
	var price int64 = 1000
	storetest.Eventually(i.w.t, "the client that does not read is noticed", func() bool {
		first := price + 1
		for range 64 {
			price++
			i.say(price)
		}
		for at := first; at <= price; at++ {
			fast.until("every tick in its order", bid("AAPL", float64(at)))
		}
		return done()
	})
	return price
}

// slow is how many clients get only the newest.
func (i *instance) slow() int {
	count := 0
	for _, c := range i.hub.all() {
		c.outbox.mu.Lock()
		if c.outbox.slow {
			count++
		}
		c.outbox.mu.Unlock()
	}
	return count
}

package order_test

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/redis/go-redis/v9"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/killswitch"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// guarded is a stage with risk controls that can be changed; its account has 100,000 USD.
type guarded struct {
	*stage
	path    string
	written time.Time
}

func newGuarded(t *testing.T, client redis.UniversalClient, controls string, options ...option) *guarded {
	t.Helper()
	g := &guarded{path: filepath.Join(t.TempDir(), "controls.json"), written: opening()}
	g.write(t, controls)
	options = append(options, func(c *orderfn.Config) { c.ControlsFile, c.MinCash = g.path, 5000 })
	g.stage = newStage(t, client, options...)
	if err := g.function.Controls.Load(); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *guarded) write(t *testing.T, controls string) {
	t.Helper()
	if err := os.WriteFile(g.path, []byte(`{"defaults":{"risk":`+controls+`}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	g.written = g.written.Add(time.Second)
	if err := os.Chtimes(g.path, g.written, g.written); err != nil {
		t.Fatal(err)
	}
}

// resting is a buy that no market fills.
const resting = `{"type":"limit","limit_price":1,"time_in_force":"day"}`

func (g *guarded) refused(r reply, control string) failure {
	g.t.Helper()
	f := g.mustFail(r, problem.RiskLimit)
	if f.Details["control"] != control {
		g.t.Fatalf("got %s, want %s", r, control)
	}
	return f
}

// breaches are the risk events in the outbox.
func (b *bench) breaches() []event.RiskBreached {
	b.t.Helper()
	var found []event.RiskBreached
	for _, entry := range b.redis.XRange(b.t.Context(), store.OutboxKey(store.Shard(b.account)), "-", "+").Val() {
		var e event.Event
		if err := json.Unmarshal([]byte(entry.Values["event"].(string)), &e); err != nil {
			b.t.Fatal(err)
		}
		if e.Type() != event.TypeRiskBreached || entry.Values["account"] != b.account {
			continue
		}
		breach, err := event.Decode[event.RiskBreached](e)
		if err != nil {
			b.t.Fatal(err)
		}
		found = append(found, breach)
	}
	return found
}

func TestOrderOverALimitIsRefusedAndTold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		g := newGuarded(t, client, `{"max_order_qty":10}`)
		for range 2 { // a repeat gets the same answer, and is no second event
			f := g.refused(g.place(`{"qty":11,"client_order_id":"big"}`), "max_order_qty")
			if f.Details["limit"] != json.Number("10") || f.Details["actual"] != json.Number("11") {
				t.Fatalf("%v", f.Details)
			}
		}
		if breaches := g.breaches(); len(breaches) != 1 || breaches[0].Rule != "max_order_qty" || breaches[0].Observed.String() != "11" || breaches[0].Action != "refused" {
			t.Fatalf("%+v", breaches)
		}
		if n := len(g.emulator.AcceptedOrders(keyID(g.account))); n != 0 {
			t.Fatalf("%d orders were sent", n)
		}
		text := "# HELP risk_refusals_total Orders that a risk control refused, or that it could not check.\n" +
			"# TYPE risk_refusals_total counter\nrisk_refusals_total{control=\"max_order_qty\"} 1\n"
		if err := testutil.GatherAndCompare(g.registry, strings.NewReader(text), "risk_refusals_total"); err != nil {
			t.Fatal(err)
		}
	})
}

func TestChangedControlHoldsForTheNextOrder(t *testing.T) {
	client, _ := storetest.Embedded(t)
	g := newGuarded(t, client, `{"max_order_qty":10}`)
	g.refused(g.place(with(t, resting, `{"qty":11}`)), "max_order_qty")
	g.write(t, `{"max_order_qty":11}`)
	g.clock.Advance(time.Second)
	g.placed(g.place(with(t, resting, `{"qty":11}`)))
}

func TestMinimumOfCashCountsOpenBuys(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		g := newGuarded(t, client, `{}`) // 95,000 USD may be spent
		g.placed(g.place(with(t, resting, `{"qty":60000}`)))
		f := g.refused(g.place(with(t, resting, `{"qty":36000}`)), "min_cash")
		if f.Details["actual"] != json.Number("4000") {
			t.Fatalf("%v", f.Details)
		}
		g.placed(g.place(with(t, resting, `{"qty":35000}`)))
	})
}

// TestOrdersAtOnceDoNotShareACap: of many orders at the same time no more pass than the cap has room for.
func TestOrdersAtOnceDoNotShareACap(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		g := newGuarded(t, client, `{"max_open_orders":3}`)
		var wait sync.WaitGroup
		var passed atomic.Int64
		for range 12 {
			wait.Go(func() {
				if g.place(resting).Status == http.StatusCreated {
					passed.Add(1)
				}
			})
		}
		wait.Wait()
		sent := int64(len(g.emulator.AcceptedOrders(keyID(g.account))))
		if sent != passed.Load() || sent > 3 {
			t.Fatalf("%d orders passed and %d were sent, 3 may be open", passed.Load(), sent)
		}
	})
}

func TestRepeatedOrder(t *testing.T) {
	client, advance := storetest.Embedded(t)
	g := newGuarded(t, client, `{"repeat_window":"5s"}`)
	g.placed(g.place(resting))
	g.refused(g.place(resting), "repeated_orders")
	g.placed(g.place(with(t, resting, `{"qty":2}`)))
	advance(6 * time.Second)
	g.placed(g.place(resting))
}

func TestKillSwitch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		g := newGuarded(t, client, `{"min_cash":null}`)
		open := g.placed(g.place(resting))
		switches := killswitch.NewStore(client)
		for i, scope := range []string{killswitch.All, g.account} {
			at := opening().Add(time.Duration(i) * time.Hour)
			if err := switches.Set(t.Context(), scope, killswitch.State{Engaged: true, Reason: "drill", By: "ops", At: at}); err != nil {
				t.Fatal(err)
			}
			g.refused(g.place(`{"client_order_id":"`+scope+`"}`), "kill_switch")
			if err := switches.Set(t.Context(), scope, killswitch.State{At: at.Add(time.Minute)}); err != nil {
				t.Fatal(err)
			}
			g.placed(g.place(with(t, resting, `{"client_order_id":"`+scope+`"}`))) // nothing of the refusal is left
		}
		if err := switches.Set(t.Context(), g.account, killswitch.State{Engaged: true, Reason: "drill", At: opening()}); err != nil {
			t.Fatal(err)
		}
		if got := g.send(http.MethodDelete, "/api/v1/orders/"+open.OrderID, ""); got.Status != http.StatusOK {
			t.Fatalf("a cancel: %s", got)
		}
	})
}

// TestClosesPassAKillSwitchThatAllowsThem: the calls that close positions do, also by an instance's own copy of the switch;
// an order that would have the same effect does not.
func TestClosesPassAKillSwitchThatAllowsThem(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		g := newGuarded(t, client, `{"min_cash":null}`)
		switches := killswitch.NewStore(client)
		trip := func(state killswitch.State) {
			t.Helper()
			state.Reason, state.At = "drill", g.clock.Now()
			g.clock.Advance(time.Second)
			if err := switches.Set(t.Context(), killswitch.All, state); err != nil {
				t.Fatal(err)
			}
			if err := g.function.RefreshKillSwitches(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		for _, symbol := range []string{"AAPL", "MSFT"} {
			g.placed(g.place(with(t, market, `{"symbol":"`+symbol+`","qty":2}`)))
		}
		trip(killswitch.State{Engaged: true, CancelOrders: true})
		g.refused(g.send(http.MethodDelete, "/api/v1/positions/AAPL", ""), "kill_switch")
		g.refused(g.send(http.MethodDelete, "/api/v1/positions", ""), "kill_switch")
		trip(killswitch.State{Engaged: true, CancelOrders: true, AllowCloses: true})
		g.refused(g.place(`{"side":"sell"}`), "kill_switch")
		if got := g.send(http.MethodDelete, "/api/v1/positions/AAPL?qty=1", ""); got.Status != http.StatusOK && got.Status != http.StatusCreated {
			t.Fatalf("a close: %s", got)
		}
		if got := g.send(http.MethodDelete, "/api/v1/positions", ""); got.Status != http.StatusOK || strings.Contains(string(got.Data), `"error"`) {
			t.Fatalf("a close of all: %s", got)
		}
		positions, err := g.function.Alpaca.Positions(t.Context(), alpaca.Credentials{AccountID: g.account, KeyID: keyID(g.account), SecretKey: secretKey(g.account)})
		if err != nil || len(positions) != 0 {
			t.Fatalf("%d positions are left, %v", len(positions), err)
		}
	})
}

// TestKillSwitchOutlivesTheLossOfRedis: an instance that knows of it gives it back.
func TestKillSwitchOutlivesTheLossOfRedis(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		g := newGuarded(t, client, `{"min_cash":null}`)
		switches := killswitch.NewStore(client)
		if err := switches.Set(t.Context(), killswitch.All, killswitch.State{Engaged: true, Reason: "drill", At: opening()}); err != nil {
			t.Fatal(err)
		}
		if err := g.function.RefreshKillSwitches(t.Context()); err != nil {
			t.Fatal(err)
		}
		for shard := range store.Shards {
			if err := client.Del(t.Context(), store.KillSwitchKey(shard)).Err(); err != nil {
				t.Fatal(err)
			}
		}
		g.refused(g.place(`{}`), "kill_switch")
		if err := g.function.RefreshKillSwitches(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := switches.Read(t.Context())
		for shard := range store.Shards {
			if err != nil || !found[shard][killswitch.All].Engaged {
				t.Fatalf("shard %d: %+v, %v", shard, found[shard], err)
			}
		}
	})
}

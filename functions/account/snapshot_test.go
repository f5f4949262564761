package account

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/store"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestAccountFields(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	got := f.get("/api/v1/account", f.token(alice, auth.PermissionAccountRead))
	const want = `{"account_id":"alice","account_number":"PA123","status":"ACTIVE","currency":"USD","buying_power":400000,` +
		`"regt_buying_power":200000,"daytrading_buying_power":null,"cash":100000,"portfolio_value":100000.5,"equity":100000.5,` +
		`"last_equity":99000,"multiplier":4,"pattern_day_trader":null,"initial_margin":10,"maintenance_margin":5,` +
		`"long_market_value":20,"short_market_value":-7.25,"trading_blocked":false,"account_blocked":false,` +
		`"shorting_enabled":true,"as_of":"2026-11-23T14:30:00Z"}`
	if string(got.Data) != want {
		t.Fatalf("got  %s\nwant %s", got.Data, want)
	}
}

func TestPositions(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(alice, auth.PermissionAccountRead)
	const short = `{"symbol":"AAPL","asset_class":"us_equity","qty":-2.5,"side":"short","market_value":-260,"cost_basis":-250.625,` +
		`"unrealized_pl":-9.375,"unrealized_plpc":-0.0374,"avg_entry_price":100.25,"current_price":104,"qty_available":-2.5,` +
		`"lastday_price":103,"change_today":0.00971,"as_of":"2026-11-23T14:30:00Z"}`
	for _, test := range []struct {
		path   string
		status int
		code   string
	}{
		{"/api/v1/positions/AAPL", 200, ""},
		{"/api/v1/positions/aapl", 200, ""},
		{"/api/v1/positions/BTCUSD", 200, ""},
		{"/api/v1/positions/BTC%2FUSD", 200, ""},
		{"/v1/positions/AAPL", 200, ""},
		{"/api/v1/positions/MSFT", 404, "POSITION_NOT_FOUND"},
		{"/api/v1/positions/a%20b", 400, "INVALID_REQUEST"},
		{"/api/v1/positions/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 400, "INVALID_REQUEST"},
	} {
		if got := f.get(test.path, token); got.status != test.status || got.Error.Code != test.code {
			t.Errorf("%s: %d %s", test.path, got.status, got.text)
		}
	}
	if got := f.get("/api/v1/positions/AAPL", token); string(got.Data) != short {
		t.Errorf("got %s", got.Data)
	}
	if list := decodeData[[]Position](t, f.get("/api/v1/positions", token)); len(list) != 2 || list[1].MarketValue != nil {
		t.Errorf("%+v", list)
	}
	if calls := f.alpaca.count("/v2/positions"); calls != 1 {
		t.Errorf("%d calls for one snapshot", calls)
	}
}

func TestSnapshotLivesForItsTTL(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(alice, auth.PermissionAccountRead)
	for range 5 {
		f.get("/api/v1/account", token)
	}
	if calls := f.alpaca.count("/v2/account"); calls != 1 {
		t.Fatalf("%d calls within the TTL", calls)
	}
	f.pass(2 * time.Second)
	f.get("/api/v1/account", token)
	if calls := f.alpaca.count("/v2/account"); calls != 2 {
		t.Fatalf("%d calls after the TTL", calls)
	}
	if err := f.snapshots.invalidate(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	f.get("/api/v1/account", token)
	if calls := f.alpaca.count("/v2/account"); calls != 3 {
		t.Fatalf("%d calls after a change", calls)
	}
}

// A read that began before a fill is answered, but neither kept nor shared with who asks after the fill.
func TestReadBeforeAChangeIsNotKeptAfterIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(alice, auth.PermissionAccountRead)
	gate := make(chan struct{})
	f.alpaca.set(func(a *fakeAlpaca) { a.gate, a.asked = gate, make(chan string, 4) })
	before, after := make(chan answer, 1), make(chan answer, 1)
	go func() { before <- f.get("/api/v1/account", token) }()
	<-f.alpaca.asked
	if err := f.snapshots.invalidate(t.Context(), alice); err != nil {
		t.Fatal(err)
	}
	f.alpaca.set(func(a *fakeAlpaca) { a.gate, a.cash = nil, "98000" })
	go func() { after <- f.get("/api/v1/account", token) }()
	<-f.alpaca.asked // it asks itself instead of waiting for the former
	late := <-after
	close(gate)
	early := <-before
	if cash := decodeData[Account](t, late).Cash.String(); cash != "98000" {
		t.Errorf("after the fill: %s", cash)
	}
	if early.status != http.StatusOK {
		t.Errorf("before the fill: %s", early.text)
	}
	if cash := decodeData[Account](t, f.get("/api/v1/account", token)).Cash.String(); cash != "98000" {
		t.Errorf("kept: %s", cash)
	}
	if calls := f.alpaca.count("/v2/account"); calls != 2 {
		t.Errorf("%d calls", calls)
	}
}

func TestSimultaneousReadsAreOneCall(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(alice, auth.PermissionAccountRead)
	gate := make(chan struct{})
	f.alpaca.set(func(a *fakeAlpaca) { a.gate, a.asked = gate, make(chan string, 64) })
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got := f.get("/api/v1/account", token); got.status != 200 {
				t.Error(got.text)
			}
		})
	}
	<-f.alpaca.asked
	close(gate)
	all.Wait()
	if calls := f.alpaca.count("/v2/account"); calls != 1 {
		t.Fatalf("%d calls", calls)
	}
}

func TestReadsGiveWayToOrders(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(alice, auth.PermissionAccountRead)
	f.get("/api/v1/account", token)
	// Only what reads leave to orders and cancels is left of the account's requests.
	cfg := f.platform.Config
	take := func(priority alpaca.Priority) error {
		_, err := f.platform.Upstream.Take(t.Context(), alpaca.Spending{AccountID: alice, API: alpaca.APITrading, Priority: priority})
		return err
	}
	for range cfg.TradingRequestsPerMinute - 1 - 2*cfg.CancelReserve {
		if err := take(alpaca.PriorityUrgent); err != nil {
			t.Fatal(err)
		}
	}
	got := f.get("/api/v1/positions", token)
	if got.status != 429 || got.Error.Code != "RATE_LIMIT_EXCEEDED" || got.header.Get("Retry-After") == "" {
		t.Fatalf("without a snapshot: %d %s", got.status, got.text)
	}
	f.clock.Advance(3 * time.Second) // for the function alone: the bucket does not fill meanwhile
	if stale := decodeData[Account](t, f.get("/api/v1/account", token)); !stale.AsOf.Equal(start()) {
		t.Fatalf("with a snapshot: as of %s", stale.AsOf)
	}
	if f.alpaca.count("/v2/account") != 1 || f.alpaca.count("/v2/positions") != 0 {
		t.Fatal("Alpaca was asked")
	}
	if err := take(alpaca.PriorityOrder); err != nil {
		t.Fatal("nothing is left for an order", err)
	}
}

func TestAlpacaFails(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name             string
		alpaca, status   int
		withSnapshot, ok bool
	}{
		{"500", 500, 502, false, false},
		{"500 is told in spite of a snapshot", 500, 502, true, false},
		{"429", 429, 429, false, false},
		{"429 with a snapshot", 429, 200, true, true},
		{"401", 401, 403, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			token := f.token(alice, auth.PermissionAccountRead)
			if test.withSnapshot {
				f.get("/api/v1/account", token)
				f.pass(3 * time.Second)
			}
			f.alpaca.set(func(a *fakeAlpaca) { a.status = test.alpaca })
			if got := f.get("/api/v1/account", token); got.status != test.status || (got.Data != nil) != test.ok {
				t.Fatalf("%d %s", got.status, got.text)
			}
		})
	}
}

func TestReadsGoOnWithoutRedis(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	token := f.token(alice, auth.PermissionAccountRead)
	f.redis.Close()
	for range 2 {
		if got := f.get("/api/v1/account", token); got.status != 200 {
			t.Fatalf("%d %s", got.status, got.text)
		}
	}
	if calls := f.alpaca.count("/v2/account"); calls != 2 {
		t.Fatalf("%d calls", calls)
	}
}

// The scripts work on every kind of Redis.
func TestSnapshotScripts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		ctx := t.Context()
		s := newSnapshots(nil, time.Second, nil)
		keep := func(generation, data string, asOf int64) int64 {
			t.Helper()
			keys := []string{store.SnapshotKey(alice, "account"), store.GenerationKey(alice)}
			kept, err := s.store.Run(ctx, client, keys, generation, data, asOf, 60_000).Int64()
			if err != nil {
				t.Fatal(err)
			}
			return kept
		}
		drop := func() {
			t.Helper()
			keys := []string{store.GenerationKey(alice), store.SnapshotKey(alice, "account"), store.SnapshotKey(alice, "positions")}
			if err := s.drop.Run(ctx, client, keys, 60_000).Err(); err != nil {
				t.Fatal(err)
			}
		}
		if keep("", "a", 10) != 1 || keep("", "b", 9) != 0 || keep("", "c", 11) != 1 {
			t.Fatal("a later read must win")
		}
		drop()
		if client.Exists(ctx, store.SnapshotKey(alice, "account")).Val() != 0 {
			t.Fatal("the snapshot is still there")
		}
		if keep("", "d", 12) != 0 || keep("1", "e", 12) != 1 {
			t.Fatal("a read from before the change must not be kept")
		}
	})
}

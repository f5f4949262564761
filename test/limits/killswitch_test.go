package limits

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/functions/account"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

const (
	// instances is how many order functions there are.
	instances = 3
	// killSwitchAccounts: the first is the one that is busy when the switch is tripped.
	killSwitchAccounts = 3
)

// attempt is an order that was sent while the switch was tripped.
type attempt struct {
	began  time.Time
	status int
}

// TestKillSwitchEverywhere: a trip through the admin API of one function stops the orders of all instances and cancels
// what is open; cancels and closes pass; it holds while Redis is away and after Redis lost its data.
func TestKillSwitchEverywhere(t *testing.T) {
	server, err := redisprocess.Start(t.Context(), false)
	if err != nil {
		t.Skipf("redis-server: %v", err)
	}
	t.Cleanup(server.Stop)
	w := newFleet(t, server)
	for i := range killSwitchAccounts {
		w.must(w.orders[i%instances], i, http.MethodPost, "/api/v1/stocks/order", resting, http.StatusCreated)
	}
	w.must(w.orders[0], 1, http.MethodPost, "/api/v1/stocks/order", `{"symbol":"AAPL","side":"buy","type":"market","qty":3}`, http.StatusCreated)
	w.must(w.orders[1], 2, http.MethodPost, "/api/v1/stocks/order", `{"symbol":"MSFT","side":"buy","type":"market","qty":3}`, http.StatusCreated)

	// Every instance places orders of the busy account all the time, beyond what Alpaca allows it.
	attempts, quiet := w.bombard()
	tripped, answered := w.trip()
	storetest.Eventually(t, "every instance's own copy knows", w.everyCopyKnows)
	t.Logf("every instance's own copy of the switch knew %s after the answer", time.Since(answered).Round(time.Millisecond))
	quiet()
	w.nonePassed(*attempts, answered)
	w.allCanceled(tripped)

	w.must(w.orders[2], 1, http.MethodDelete, "/api/v1/positions/AAPL", "", http.StatusOK)
	w.outage("Redis hangs", func() error { return server.Signal(syscall.SIGSTOP) }, func() error { return server.Signal(syscall.SIGCONT) })
	w.outage("Redis lost its data", func() error { return server.Signal(syscall.SIGKILL) }, func() error { return server.Restart(t.Context()) })

	w.must(w.accounts, 0, http.MethodDelete, "/api/v1/admin/kill-switch?reason=over", "", http.StatusOK)
	for i := range instances {
		storetest.Eventually(t, "orders are taken again", func() bool {
			return w.do(w.orders[i], 1, http.MethodPost, "/api/v1/stocks/order", resting).Code == http.StatusCreated
		})
	}
	for key, byStatus := range w.emulated.Faults().Answers() {
		if byStatus["429"] != 0 {
			t.Errorf("%s: Alpaca answered 429 %d times", key, byStatus["429"])
		}
	}
	// The switch of one account, with its orders.
	text := w.must(w.accounts, 0, http.MethodPost, "/api/v1/admin/accounts/"+accountID(1)+"/kill-switch", `{"reason":"one","cancel_orders":true}`, http.StatusOK)
	one := decoded[account.KillSwitchSet](t, text)
	if len(one.Accounts) != 1 || one.Accounts[0].AccountID != accountID(1) || one.Accounts[0].Canceled != instances || w.open(1) != 0 {
		t.Errorf("%s; %d are open", text, w.open(1))
	}
	w.must(w.orders[0], 1, http.MethodPost, "/api/v1/stocks/order", resting, http.StatusUnprocessableEntity)
	w.must(w.orders[0], 2, http.MethodPost, "/api/v1/stocks/order", resting, http.StatusCreated)
}

// bombard sends orders of the first account through every instance until stop is called.
func (w *fleet) bombard() (attempts *[]attempt, stop func()) {
	var (
		mu   sync.Mutex
		wait sync.WaitGroup
		all  []attempt
	)
	ctx, cancel := context.WithCancel(w.t.Context())
	for _, function := range w.orders {
		wait.Go(func() {
			for tick := time.Tick(5 * time.Millisecond); ctx.Err() == nil; <-tick {
				began := time.Now()
				code := w.do(function, 0, http.MethodPost, "/api/v1/stocks/order", resting).Code
				mu.Lock()
				all = append(all, attempt{began, code})
				mu.Unlock()
			}
		})
	}
	storetest.Eventually(w.t, "orders pass", func() bool {
		mu.Lock()
		defer mu.Unlock()
		passed := 0
		for _, a := range all {
			if a.status == http.StatusCreated {
				passed++
			}
		}
		return passed >= 10*instances
	})
	return &all, func() { cancel(); wait.Wait() }
}

// trip stops all accounts and returns what became of their open orders, and when that was answered.
func (w *fleet) trip() (account.KillSwitchSet, time.Time) {
	w.t.Helper()
	text := w.must(w.accounts, 0, http.MethodPost, "/api/v1/admin/kill-switch", `{"reason":"drill","cancel_orders":true}`, http.StatusOK)
	return decoded[account.KillSwitchSet](w.t, text), time.Now()
}

// nonePassed: the script that reserves an order checks the switch, so that not one passes that began after the answer.
func (w *fleet) nonePassed(attempts []attempt, answered time.Time) {
	w.t.Helper()
	passed, refused, last := 0, 0, time.Time{}
	for _, a := range attempts {
		switch {
		case a.status == http.StatusCreated && a.began.After(answered):
			w.t.Errorf("an order passed that began %s after the trip was answered", a.began.Sub(answered))
		case a.status == http.StatusCreated:
			passed++
			if a.began.After(last) {
				last = a.began
			}
		case a.status == http.StatusUnprocessableEntity:
			refused++
		}
	}
	if refused == 0 {
		w.t.Error("no order was refused by the switch")
	}
	w.t.Logf("%d orders through %d instances: %d passed, the last began %s before the answer; %d refused by the switch",
		len(attempts), instances, passed, answered.Sub(last).Round(time.Millisecond), refused)
}

// allCanceled: each account is told of apart, and nothing is left open, orders that were on their way included.
func (w *fleet) allCanceled(set account.KillSwitchSet) {
	w.t.Helper()
	if len(set.Accounts) != killSwitchAccounts {
		w.t.Fatalf("%+v", set)
	}
	for _, one := range set.Accounts {
		if one.Error != nil || one.Canceled == 0 {
			w.t.Errorf("%+v", one)
		}
	}
	storetest.Eventually(w.t, "nothing is open", func() bool {
		return w.open(0)+w.open(1)+w.open(2) == 0
	})
}

// outage lets Redis go and come back: no order passes at any time, a cancel passes through every instance.
func (w *fleet) outage(name string, begin, finish func() error) {
	w.t.Helper()
	if err := begin(); err != nil {
		w.t.Fatal(err)
	}
	before := len(w.emulated.AcceptedOrders(keyID(2)))
	for i, function := range w.orders {
		got := w.do(function, 2, http.MethodPost, "/api/v1/stocks/order", resting)
		if got.Code != http.StatusServiceUnavailable && got.Code != http.StatusUnprocessableEntity {
			w.t.Errorf("%s: an order: %d %s", name, got.Code, got.Body)
		}
		placed := w.elsewhere(2, name+strconv.Itoa(i))
		w.must(function, 2, http.MethodDelete, "/api/v1/orders/"+placed, "", http.StatusOK)
	}
	if err := finish(); err != nil {
		w.t.Fatal(err)
	}
	for _, function := range w.orders {
		storetest.Eventually(w.t, name+": the switch refuses again", func() bool {
			got := w.do(function, 2, http.MethodPost, "/api/v1/stocks/order", resting).Code
			if got == http.StatusCreated {
				w.t.Fatalf("%s: an order passed", name)
			}
			return got == http.StatusUnprocessableEntity
		})
	}
	storetest.Eventually(w.t, name+": the switch is in Redis", func() bool {
		got := w.do(w.accounts, 0, http.MethodGet, "/api/v1/admin/kill-switch", "")
		return got.Code == http.StatusOK && decoded[account.KillSwitches](w.t, got.Body.String()).All != nil
	})
	if after := len(w.emulated.AcceptedOrders(keyID(2))); after != before+instances { // those of elsewhere
		w.t.Errorf("%s: %d orders were sent", name, after-before-instances)
	}
}

// elsewhere places an order past us and returns its ID.
func (w *fleet) elsewhere(i int, id string) string {
	w.t.Helper()
	one := decimal.FromInt(1)
	placed, err := w.client.PlaceOrder(w.t.Context(), credentials(i), alpaca.OrderRequest{
		Symbol: "AAPL", Qty: &one, LimitPrice: &one, Side: alpaca.SideBuy, Type: alpaca.TypeLimit, TimeInForce: alpaca.TimeInForceDay,
		ClientOrderID: strings.ReplaceAll(id, " ", "-"),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return placed.ID
}

// open is how many open orders Alpaca shows of an account.
func (w *fleet) open(i int) int {
	orders, err := w.client.Orders(w.t.Context(), credentials(i), alpaca.OrdersQuery{Status: "open"})
	if err != nil {
		w.t.Fatal(err)
	}
	return len(orders)
}

func (w *fleet) everyCopyKnows() bool {
	for _, registry := range w.registries {
		if gauge(w.t, registry, "kill_switch_engaged", "all") != 1 {
			return false
		}
	}
	return true
}

// gauge is a metric's value at a scope.
func gauge(t *testing.T, registry *prometheus.Registry, name, scope string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, series := range family.GetMetric() {
			for _, label := range series.GetLabel() {
				if family.GetName() == name && label.GetValue() == scope {
					return series.GetGauge().GetValue()
				}
			}
		}
	}
	return 0
}

func (w *fleet) must(function http.Handler, i int, method, path, body string, status int) string {
	w.t.Helper()
	got := w.do(function, i, method, path, body)
	if got.Code != status {
		w.t.Fatalf("%s %s: %d %s, want %d", method, path, got.Code, got.Body, status)
	}
	return got.Body.String()
}

// do sends a request of an account to a function, with the admin's token to the admin API.
func (w *fleet) do(function http.Handler, i int, method, path, body string) *httptest.ResponseRecorder {
	request := httptest.NewRequestWithContext(w.t.Context(), method, path, strings.NewReader(body))
	token := w.tokens[i]
	if strings.HasPrefix(path, "/api/v1/admin/") {
		token = w.admin
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	recorder := httptest.NewRecorder()
	function.ServeHTTP(recorder, request)
	return recorder
}

func decoded[T any](t *testing.T, text string) T {
	t.Helper()
	var envelope struct {
		Data T `json:"data"`
	}
	if err := json.Unmarshal([]byte(text), &envelope); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return envelope.Data
}

func accountID(i int) string { return fmt.Sprintf("ACC%03d", i) }
func keyID(i int) string     { return "PK" + strconv.Itoa(i) }

func credentials(i int) alpaca.Credentials {
	return alpaca.Credentials{AccountID: accountID(i), KeyID: keyID(i), SecretKey: "secret"}
}

// resting is a buy that no market fills.
const resting = `{"symbol":"AAPL","side":"buy","type":"limit","qty":1,"limit_price":1,"time_in_force":"day"}`

// startFast starts an emulator with Alpaca's 200 requests a minute whose orders are filled within the request.
func startFast(t *testing.T) *emulator.Emulator {
	t.Helper()
	return startEmulator(t, emulator.Config{FillLatency: -1, PartialFillProbability: -1}, killSwitchAccounts)
}

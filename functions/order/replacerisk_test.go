package order_test

import (
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// open is the quantity of all open orders at the emulated Alpaca.
func (g *guarded) open() decimal.Decimal {
	g.t.Helper()
	orders, err := g.function.Alpaca.Orders(g.t.Context(), g.credentials(), alpaca.OrdersQuery{Status: "open"})
	if err != nil {
		g.t.Fatal(err)
	}
	sum := decimal.Decimal{}
	for _, o := range orders {
		sum = sum.Add(*o.Qty)
	}
	return sum
}

func (g *guarded) replace(orderID, change string) reply {
	g.t.Helper()
	return g.send(http.MethodPatch, "/api/v1/orders/"+orderID, change)
}

// TestWhatAReplacementHoldsCounts: the orders after it see what it may do, before the account is read again.
func TestWhatAReplacementHoldsCounts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, client redis.UniversalClient, _ func(time.Duration)) {
		t.Run("position", func(t *testing.T) {
			g := newGuarded(t, client, `{"max_position_qty":100,"min_cash":null}`)
			o := g.placed(g.place(with(t, resting, `{"qty":10}`)))
			g.refused(g.replace(o.OrderID, `{"qty":101}`), "max_position_qty")
			if got := g.replace(o.OrderID, `{"qty":95}`); got.Status != http.StatusOK { // not 10 and 95
				t.Fatalf("%s", got)
			}
			g.refused(g.place(with(t, resting, `{"qty":90}`)), "max_position_qty")
			if sum := g.open(); !sum.Equal(decimal.FromInt(95)) {
				t.Errorf("%s shares are bid for", sum)
			}
		})
		t.Run("cash", func(t *testing.T) {
			g := newGuarded(t, client, `{}`) // of 100,000 USD 5,000 must stay
			o := g.placed(g.place(with(t, resting, `{"qty":1}`)))
			if got := g.replace(o.OrderID, `{"qty":90000}`); got.Status != http.StatusOK {
				t.Fatalf("%s", got)
			}
			g.refused(g.place(with(t, resting, `{"qty":90000}`)), "min_cash")
		})
		t.Run("two at once", func(t *testing.T) {
			g := newGuarded(t, client, `{"max_position_qty":100,"min_cash":null}`)
			var orders []string
			for range 2 {
				orders = append(orders, g.placed(g.place(with(t, resting, `{"qty":10}`))).OrderID)
			}
			var both sync.WaitGroup
			for _, id := range orders {
				both.Go(func() { g.replace(id, `{"qty":80}`) })
			}
			both.Wait()
			if sum := g.open(); sum.GreaterThan(decimal.FromInt(100)) {
				t.Errorf("%s shares are bid for", sum)
			}
		})
		t.Run("a refused one holds nothing", func(t *testing.T) {
			g := newGuarded(t, client, `{"max_position_qty":100,"min_cash":null}`)
			o := g.placed(g.place(with(t, resting, `{"qty":10}`)))
			g.mustFail(g.replace(o.OrderID, `{"qty":101}`), problem.RiskLimit)
			g.placed(g.place(with(t, resting, `{"qty":90}`)))
		})
	})
}

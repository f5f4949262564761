package event_test

import (
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

const source = "/test/producer"

func start() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

func number(text string) *decimal.Number { return &decimal.Number{Decimal: decimal.MustParse(text)} }

func requested() event.OrderRequested {
	return event.OrderRequested{
		AccountID: "acc-1", AssetClass: event.AssetClassUSEquity,
		Order: order.OrderRequest{
			Symbol: "AAPL", Qty: number("10"), Side: "buy", Type: "limit", TimeInForce: "day",
			LimitPrice: number("187.25"), ClientOrderID: "c-1",
		},
	}
}

// newEvent makes a command with a fixed clock.
func newEvent(t testing.TB, options ...event.Option) event.Event {
	t.Helper()
	builder := event.Builder{Clock: clock.NewFake(start())}
	e, err := builder.New(event.TypeOrderRequested, source, "acc-1", requested(), options...)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

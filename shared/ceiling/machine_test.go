package ceiling_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/shared/ceiling"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/risk"
	"github.com/opitios-ai/alpaca-knative/shared/store/storetest"
)

// sentOrder is what the model remembers of an order that passed.
type sentOrder struct {
	at    time.Duration
	cents int
}

func dollars(cents int) *decimal.Decimal {
	return usd(fmt.Sprintf("%d.%02d", cents/100, cents%100))
}

// TestAgainstModel drives the book and a model of it side by side.
func TestAgainstModel(t *testing.T) {
	client, advance := storetest.Embedded(t)
	rapid.Check(t, func(r *rapid.T) {
		if err := client.FlushAll(t.Context()).Err(); err != nil {
			r.Fatal(err)
		}
		book := whole(t, client)
		c := risk.Ceilings{
			MaxOpenOrders: many(4), MaxOpenValue: number("10"), MaxDailyValue: number("30"),
			Window: risk.Duration{Duration: time.Second}, MaxWindowOrders: many(3), MaxWindowValue: number("8"),
		}
		var (
			now    time.Duration
			open   = map[ceiling.Order]int{}
			today  = map[ceiling.Order]bool{} // of the open ones
			day    = 10
			sent   int
			window []sentOrder
		)
		pick := func() ceiling.Order {
			return order(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "account"), rapid.SampledFrom([]string{"1", "2", "3"}).Draw(r, "id"))
		}
		expect := func(o ceiling.Order, cents int) string {
			value, passed, recent := 0, 0, 0
			for _, worth := range open {
				value += worth
			}
			for _, s := range window {
				if now-s.at < time.Second {
					passed, recent = passed+s.cents, recent+1
				}
			}
			another := 1
			if had, known := open[o]; known { // it counts already, for what it was granted
				another, cents = 0, cents-had
			}
			switch {
			case another == 0 && cents <= 0:
				return ""
			case len(open)+another > 4:
				return risk.AllOpenOrders
			case value+cents > 1000:
				return risk.AllOpenValue
			case sent+cents > 3000:
				return risk.AllDailyValue
			case recent+1 > 3:
				return risk.AllWindowOrders
			case passed+cents > 800:
				return risk.AllWindowValue
			}
			return ""
		}
		r.Repeat(map[string]func(*rapid.T){
			"grant": func(r *rapid.T) {
				o, cents := pick(), rapid.IntRange(0, 500).Draw(r, "cents")
				got, err := book.Grant(t.Context(), o, dollars(cents), "2026-11-"+strconv.Itoa(day), &c)
				if want := expect(o, cents); err != nil || got.Refused != want {
					r.Fatalf("%v worth %d: %+v, %v; want %q", o, cents, got, err, want)
				}
				if had, known := open[o]; got.Refused == "" && (!known || cents > had) {
					open[o], today[o] = cents, true
					sent += cents - had
					window = append(window, sentOrder{now, cents - had})
				}
			},
			"release": func(r *rapid.T) {
				o, unsent := pick(), rapid.Bool().Draw(r, "unsent")
				if err := book.Release(t.Context(), o, unsent); err != nil {
					r.Fatal(err)
				}
				if unsent && today[o] {
					sent -= open[o]
				}
				delete(open, o)
				delete(today, o)
			},
			"pass": func(r *rapid.T) {
				d := rapid.SampledFrom([]time.Duration{time.Millisecond, time.Second / 2, time.Second}).Draw(r, "time")
				advance(d)
				now += d
			},
			"midnight": func(r *rapid.T) {
				if day == 30 || len(open) > 0 { // the book learns of the day with the next order
					r.Skip("not now")
				}
				day, sent = day+1, 0
				clear(today)
			},
			"": func(r *rapid.T) {
				value := 0
				for _, cents := range open {
					value += cents
				}
				_, use, err := book.State(t.Context())
				if err != nil || use.OpenOrders != int64(len(open)) || !use.OpenValue.Equal(*dollars(value)) {
					r.Fatalf("%+v, %v; want %d orders worth %d", use, err, len(open), value)
				}
			},
		})
	})
}

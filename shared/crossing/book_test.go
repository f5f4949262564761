package crossing_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/shared/crossing"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/tick"
)

func level(text string) decimal.Number { return decimal.Number{Decimal: decimal.MustParse(text)} }

func watch(id, direction, at string, repeat bool) *crossing.Watch {
	return &crossing.Watch{
		ID: id, AccountID: "ACC001", AssetClass: "us_equity", Symbol: "AAPL", Direction: direction, Level: level(at), Source: crossing.Trade,
		Repeat: repeat, ExpiresAt: time.Now().Add(time.Hour),
	}
}

func trade(price string) *tick.Event {
	return &tick.Event{Topic: tick.Topic{Kind: tick.Trade, Symbol: "AAPL"}, At: time.Now(), Price: decimal.MustParse(price)}
}

// fired are the IDs that a price makes fire.
func fired(b *crossing.Book, e *tick.Event) []string {
	var ids []string
	for _, c := range b.Observe(e) {
		if c.Fired {
			ids = append(ids, c.Entry.ID)
		}
	}
	slices.Sort(ids)
	return ids
}

func TestWatchesFire(t *testing.T) {
	t.Parallel()
	type step struct {
		price string
		want  []string
	}
	tests := map[string]struct {
		watches []*crossing.Watch
		steps   []step
	}{
		"above, once": {
			[]*crossing.Watch{watch("a", crossing.Above, "100", false)},
			[]step{{"99.99", nil}, {"100", []string{"a"}}, {"99", nil}, {"101", nil}},
		},
		"below, once, by a jump": {
			[]*crossing.Watch{watch("b", crossing.Below, "100", false)},
			[]step{{"100.01", nil}, {"80", []string{"b"}}, {"120", nil}, {"80", nil}},
		},
		"beyond the level when it is made": {
			[]*crossing.Watch{watch("a", crossing.Above, "100", false)},
			[]step{{"150", []string{"a"}}},
		},
		"again and again": {
			[]*crossing.Watch{watch("r", crossing.Above, "100", true)},
			[]step{{"101", []string{"r"}}, {"102", nil}, {"100", nil}, {"99.99", nil}, {"100", []string{"r"}}, {"90", nil}, {"100", []string{"r"}}},
		},
		"several levels at once": {
			[]*crossing.Watch{
				watch("1", crossing.Above, "101", false), watch("2", crossing.Above, "102", false), watch("3", crossing.Above, "103", true),
				watch("4", crossing.Below, "99", true),
			},
			[]step{{"100", nil}, {"102.5", []string{"1", "2"}}, {"98", []string{"4"}}, {"103", []string{"3"}}, {"98", []string{"4"}}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := crossing.NewBook()
			for _, w := range test.watches {
				b.Add(&crossing.Entry{Watch: w, Armed: true})
			}
			for i, s := range test.steps {
				if got := fired(b, trade(s.price)); !slices.Equal(got, s.want) {
					t.Errorf("step %d at %s: %v, want %v", i, s.price, got, s.want)
				}
			}
		})
	}
}

func TestTheSourceOfThePriceCounts(t *testing.T) {
	t.Parallel()
	b := crossing.NewBook()
	for _, source := range []string{crossing.Trade, crossing.Bid, crossing.Ask} {
		w := watch(source, crossing.Above, "100", false)
		w.Source = source
		b.Add(&crossing.Entry{Watch: w, Armed: true})
	}
	quote := &tick.Event{Topic: tick.Topic{Kind: tick.Quote, Symbol: "AAPL"}, BidPrice: decimal.MustParse("99"), AskPrice: decimal.MustParse("101")}
	if got := fired(b, quote); !slices.Equal(got, []string{crossing.Ask}) {
		t.Errorf("got %v", got)
	}
	if got := fired(b, trade("100")); !slices.Equal(got, []string{crossing.Trade}) {
		t.Errorf("got %v", got)
	}
	if got := b.Topics(); got[tick.Topic{Kind: tick.Trade, Symbol: "AAPL"}] != 1 || got[tick.Topic{Kind: tick.Quote, Symbol: "AAPL"}] != 2 {
		t.Errorf("topics %v", got)
	}
	// A side without a quote has price 0, which is below everything and no price.
	below := watch("below", crossing.Below, "50", false)
	below.Source = crossing.Bid
	b.Add(&crossing.Entry{Watch: below, Armed: true})
	if got := fired(b, &tick.Event{Topic: tick.Topic{Kind: tick.Quote, Symbol: "AAPL"}, AskPrice: decimal.MustParse("60")}); len(got) != 0 {
		t.Errorf("got %v", got)
	}
}

// TestBookAgainstAModel compares the queues with a look at every watch.
func TestBookAgainstAModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := crossing.NewBook()
		type state struct {
			*crossing.Watch
			armed, ended bool
		}
		model := map[string]*state{}
		prices := rapid.Int64Range(90, 110)
		for i := range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 3).Draw(t, "what") {
			case 0, 1:
				id := fmt.Sprint("w", i)
				w := watch(id, rapid.SampledFrom([]string{crossing.Above, crossing.Below}).Draw(t, "direction"),
					fmt.Sprint(prices.Draw(t, "level")), rapid.Bool().Draw(t, "repeat"))
				b.Add(&crossing.Entry{Watch: w, Armed: true})
				model[id] = &state{Watch: w, armed: true}
			case 2:
				if len(model) > 0 {
					id := rapid.SampledFrom(slices.Sorted(keys(model))).Draw(t, "removed")
					b.Remove(id)
					delete(model, id)
				}
			default:
				price := decimal.FromInt(prices.Draw(t, "price"))
				var want []string
				for id, s := range model {
					order := price.Cmp(s.Level.Decimal)
					if s.Direction == crossing.Below {
						order = -order
					}
					switch {
					case s.ended:
					case s.armed && order >= 0:
						want = append(want, id)
						s.armed, s.ended = false, !s.Repeat
					case !s.armed && order < 0:
						s.armed = true
					}
				}
				slices.Sort(want)
				e := trade("1")
				e.Price = price
				if got := fired(b, e); !slices.Equal(got, want) {
					t.Fatalf("at %s: %v, want %v", price, got, want)
				}
			}
			if b.Len() != len(model) {
				t.Fatalf("%d watches, want %d", b.Len(), len(model))
			}
		}
	})
}

func keys[V any](m map[string]V) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// BenchmarkTick is a tick that makes nothing fire, and one that makes a watch fire and another come back, with ever
// more watches on one symbol.
func BenchmarkTick(b *testing.B) {
	for _, count := range []int{1_000, 100_000, 1_000_000} {
		book := crossing.NewBook()
		for i := range count {
			w := watch(fmt.Sprint(i), crossing.Above, fmt.Sprint(1000+i), true)
			book.Add(&crossing.Entry{Watch: w, Armed: true})
		}
		quiet, up, down := trade("500"), trade("1000"), trade("999")
		b.Run(fmt.Sprintf("%d watches/nothing fires", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				book.Observe(quiet)
			}
		})
		b.Run(fmt.Sprintf("%d watches/one fires and is armed again", count), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if len(book.Observe(up))+len(book.Observe(down)) != 2 {
					b.Fatal("nothing fired")
				}
			}
		})
	}
}

package main

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/store/storetest/redisprocess"
)

// TestChaos is a short run. A seed that ever failed gets a line here, or, better, its bug a test of its own.
func TestChaos(t *testing.T) {
	if testing.Short() {
		t.Skip("takes half a minute")
	}
	for name, settings := range map[string]Settings{
		"without replicas": {Seed: 7, Duration: 10 * time.Second, Rate: 30, Accounts: 40},
		"with replicas":    {Seed: 8, Duration: 10 * time.Second, Rate: 30, Accounts: 40},
	} {
		t.Run(name, func(t *testing.T) {
			settings.Output = t.Output()
			report, err := Run(t.Context(), settings)
			if errors.Is(err, redisprocess.ErrMissing) && os.Getenv("CI") != "true" {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			report.Write(t.Output())
			if !report.Clean() {
				t.Error("the last lines of the log say what was found")
			}
			if report.Orders < 100 || report.Faults < 3 || report.Events < 2*report.Orders {
				t.Errorf("%d orders, %d faults, %d events: that proves nothing", report.Orders, report.Faults, report.Events)
			}
		})
	}
}

// TestPlansAreTheSeeds: a seed makes the same attacks and the same orders every time, and another seed others.
func TestPlansAreTheSeeds(t *testing.T) {
	l := listingNow(t)
	describe := func(seed uint64) string {
		var text strings.Builder
		for _, a := range plan(Settings{Seed: seed, Duration: time.Minute}) {
			say(&text, "%s %s %v", a.at, a, a.fault)
		}
		traders := make([]trader, 3)
		for n := range 100 {
			i := newIntent(seed, n, traders, l)
			say(&text, "%s %s %d %s %d", i.name, i.mark, i.way, i.kind, i.dice.IntN(1000))
		}
		return text.String()
	}
	first, again, other := describe(3), describe(3), describe(4)
	if first != again || first == other {
		t.Error("a seed does not decide the run")
	}
}

// TestIntentsCanBeToldApart: no two intents of an account look alike at Alpaca, or a duplicate could not be seen.
func TestIntentsCanBeToldApart(t *testing.T) {
	traders := []trader{{id: "a"}, {id: "b"}, {id: "c"}}
	l, seen := listingNow(t), make(map[string]string)
	for n := range 900 {
		i := newIntent(5, n, traders, l)
		key := i.trader.id + " " + i.mark
		if other, ok := seen[key]; ok {
			t.Fatalf("%s and %s are both %s", other, i.name, key)
		}
		seen[key] = i.name
	}
}

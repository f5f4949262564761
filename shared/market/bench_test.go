package market_test

import (
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/market"
)

// BenchmarkNewCalendar is a part of a function's start.
func BenchmarkNewCalendar(b *testing.B) {
	for b.Loop() {
		if _, err := market.NewCalendar(); err != nil {
			b.Fatal(err)
		}
	}
}

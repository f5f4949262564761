package main

import (
	"errors"
	"flag"
	"io"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestSettings(t *testing.T) {
	t.Parallel()
	got, err := settings(strings.Fields("-clock accelerated -start 2026-11-23T14:30:00Z -speed 10 -replay a.json,b.json.gz -plan basic "+
		"-readings retry-after -trading-readings wide-notional,held-events -accounts 2 -partial-fills -1 -connections 3 -round-lots -limit-price-away 0.5"), io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if !got.ClockStart.Equal(time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC)) || got.ClockSpeed != 10 || len(got.Replay) != 2 ||
		!got.Readings.RetryAfter || !got.Disputed.WideNotional || !got.Disputed.HeldEvents || len(got.Accounts) != 2 || got.Accounts[1].DataPlan != access.Basic || got.Accounts[1].KeyID != "PKEMULATOR0000000002" ||
		got.PartialFillProbability != -1 || got.Streams.Data.Connections != 3 || got.LimitPriceAway.String() != "0.5" || !got.Streams.Data.RoundLots {
		t.Errorf("settings: %+v", got)
	}
	for _, wrong := range []string{"-readings loud", "-trading-readings loud", "-start noon", "-moon", "extra", "-accounts many", "-limit-price-away 0", "-limit-price-away far"} {
		if _, err := settings(strings.Fields(wrong), io.Discard); err == nil {
			t.Errorf("%s was taken", wrong)
		}
	}
	if _, err := settings([]string{"-help"}, io.Discard); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("help: %v", err)
	}
}

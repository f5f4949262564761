package market_test

import (
	"errors"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/market"
)

func TestTimeframes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1Min": "1Min", "59Min": "59Min", "5T": "5Min", "1Hour": "1Hour", "23H": "23Hour", "1Day": "1Day", "1D": "1Day",
		"1Week": "1Week", "1W": "1Week", "1Month": "1Month", "3M": "3Month", "6Month": "6Month", "12Month": "12Month",
	} {
		if got, err := market.ParseTimeframe(text); err != nil || got.String() != want {
			t.Errorf("%s = %s, %v; want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "Min", "1", "0Min", "60Min", "24Hour", "2Day", "2Week", "5Month", "7Month", "13Month", "-1Min", "+1Min", "01Min",
		"1min", "1 Min", "1Year", "99999999999999999999Min", "1.5Hour",
	} {
		if got, err := market.ParseTimeframe(text); !errors.Is(err, market.ErrTimeframe) {
			t.Errorf("%q = %s, %v; want ErrTimeframe", text, got, err)
		}
	}
}

func TestStamps(t *testing.T) {
	t.Parallel()
	newYork, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, time.November, 4, 17, 38, 12, 5, time.UTC) // a Wednesday, after the change to winter time
	for text, want := range map[string]string{
		"1Min": "2026-11-04T17:38:00Z", "15Min": "2026-11-04T17:30:00Z", "1Hour": "2026-11-04T17:00:00Z",
		"4Hour": "2026-11-04T16:00:00Z", "1Day": "2026-11-04T05:00:00Z", "1Week": "2026-11-02T05:00:00Z",
		"1Month": "2026-11-01T04:00:00Z", "2Month": "2026-11-01T04:00:00Z", "3Month": "2026-10-01T04:00:00Z",
		"4Month": "2026-09-01T04:00:00Z", "6Month": "2026-07-01T04:00:00Z", "12Month": "2026-01-01T05:00:00Z",
	} {
		timeframe, err := market.ParseTimeframe(text)
		if err != nil {
			t.Fatal(err)
		}
		start := timeframe.Start(at, newYork)
		if got := start.UTC().Format(time.RFC3339Nano); got != want {
			t.Errorf("%s starts at %s, want %s", text, got, want)
		}
		end := timeframe.End(start, newYork)
		if !end.After(at) || !timeframe.Start(end, newYork).Equal(end) || !timeframe.Start(end.Add(-1), newYork).Equal(start) {
			t.Errorf("%s ends at %s", text, end)
		}
	}
}

func FuzzParseTimeframe(f *testing.F) {
	for _, seed := range []string{"1Min", "60Min", "12Month", "1D", "", "0H"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := market.ParseTimeframe(text)
		if err != nil {
			return
		}
		again, err := market.ParseTimeframe(parsed.String())
		if err != nil || again != parsed {
			t.Errorf("%q is %s, which is %s, %v", text, parsed, again, err)
		}
	})
}

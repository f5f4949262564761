package emulator_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
)

// TestQuotesAtNight: in the overnight session the feeds of the night move, and the exchanges' stand still.
func TestQuotesAtNight(t *testing.T) {
	t.Parallel()
	running, from := start(t, func(c *emulator.Config) {
		c.MarketClock, c.ClockStart = string(session.Fixed), time.Date(2026, time.November, 24, 2, 0, 0, 0, time.UTC)
	}), client(t)
	quote := func(feed string) string {
		t.Helper()
		got := call(t, from, http.MethodGet, running.URL()+"/v2/stocks/AAPL/quotes/latest?feed="+feed, "", keys()...)
		expect(t, feed, got.status, http.StatusOK)
		return got.body
	}
	before := map[string]string{"boats": quote("boats"), "overnight": quote("overnight"), "sip": quote("sip")}
	call(t, from, http.MethodPost, running.AdminURL()+"/emulator/clock", `{"advance_seconds":600}`)
	for feed, earlier := range before {
		expect(t, feed+" moved", quote(feed) != earlier, feed != "sip")
	}
	call(t, from, http.MethodPost, running.AdminURL()+"/emulator/clock", `{"time":"2026-11-24T15:00:00Z"}`)
	expect(t, "by day", quote("boats"), quote("sip"))
}

package stream //nolint:testpackage // the decoders are not exported

import (
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/socket"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// FuzzCommand: whatever arrives on the trading WebSocket, in either codec, is a command or an error.
func FuzzCommand(f *testing.F) {
	f.Add(false, []byte(`{"action":"auth","key":"K","secret":"S"}`))
	f.Add(false, []byte(`{"action":"authenticate","data":{"key_id":"K","secret_key":"S"}}`))
	f.Add(false, []byte(`{"action":"listen","data":{"streams":["trade_updates",1]}}`))
	f.Add(true, []byte("\x82\xa6action\xa4auth\xa3key\xa1K"))
	f.Fuzz(func(t *testing.T, packed bool, message []byte) {
		codec := socket.JSON
		if packed {
			codec = socket.MessagePack
		}
		wanted, err := decodeCommand(codec, message)
		if err == nil {
			wanted.credentials()
		}
	})
}

// FuzzSpan: a span that is taken has a start when it has an end, and of each at most one kind.
func FuzzSpan(f *testing.F) {
	for _, query := range []string{
		"", "since=2026-11-24", "since=2026-11-24T10:00:00%2B01:00&until=2026-11-25", "since_id=01JDWXM4R0000000000000000&until_id=7ZZZZZZZZZZZZZZZZZZZZZZZZZ",
		"until=2026-11-24", "since=x", "since=2026-11-24&since_id=01JDWXM4R00000000000000000",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		request := httptest.NewRequest("GET", "/v2/events/trades", nil)
		request.URL = &url.URL{Path: "/v2/events/trades", RawQuery: query}
		wanted, err := parseSpan(request)
		if err != nil {
			if failure := wire.ErrorOf(err); failure.Status != 422 {
				t.Fatalf("%q: %v", query, err)
			}
			return
		}
		if !wanted.until.IsZero() && wanted.from.Since.IsZero() && request.URL.Query().Get("since") != "" {
			t.Fatalf("%q: an end without a start", query)
		}
	})
}

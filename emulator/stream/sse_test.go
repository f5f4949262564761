package stream_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/emulator/stream"
)

func TestEventQueryErrors(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	const id = "01K9Z0000000000000000000AA"
	for query, message := range map[string]string{
		"since=2026-11-24&since_id=" + id:          "invalid param: since and since_id are mutually exclusive",
		"until=2026-11-24":                         "invalid param: both since & until required",
		"until_id=" + id:                           "invalid param: both since_id & until_id required",
		"since=2026-11-24&until_id=" + id:          "invalid param: both since_id & until_id required",
		"until=2026-11-24&since_id=" + id:          "invalid param: both since & until required",
		"since=yesterday":                          "invalid param: since",
		"since=2026-11-24T10:00:00 01:00":          "invalid param: since", // a plus sign that was not escaped
		"since=2026-11-24&until=2026-13-01":        "invalid param: until",
		"since_id=7":                               "invalid param: since_id",
		"since_id=9ZZZZZZZZZZZZZZZZZZZZZZZZZ":      "invalid param: since_id",
		"since_id=" + id + "&until_id=" + id + "A": "invalid param: until_id",
	} {
		values := url.Values{}
		for part := range strings.SplitSeq(query, "&") {
			name, value, _ := strings.Cut(part, "=")
			values.Set(name, value)
		}
		status, body := w.call(http.MethodGet, "/v2/events/trades?"+values.Encode(), "")
		var failure struct {
			Code    int    `json:"code"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal([]byte(body), &failure); err != nil {
			t.Fatalf("%s: %s", query, body)
		}
		if status != http.StatusUnprocessableEntity || failure.Code != 40010001 || failure.Message != message {
			t.Errorf("%s: status %d, %s", query, status, body)
		}
	}
}

type event struct {
	At      time.Time `json:"at"`
	ID      string    `json:"event_id"`
	Account string    `json:"account_id"`
	Event   string    `json:"event"`
}

// bounded reads a stream that ends by itself.
func (w *world) bounded(query url.Values) []event {
	w.tb.Helper()
	status, body := w.call(http.MethodGet, "/v2/events/trades?"+query.Encode(), "")
	if status != http.StatusOK {
		w.tb.Fatalf("%v: %d %s", query, status, body)
	}
	var events []event
	for line := range strings.Lines(body) {
		switch data, found := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "data: "); {
		case found:
			var next event
			if err := json.Unmarshal([]byte(data), &next); err != nil {
				w.tb.Fatal(err)
			}
			events = append(events, next)
		case line != "\n" && line != ":heartbeat\n":
			w.tb.Errorf("line %q", line)
		}
	}
	return events
}

func TestEventSpans(t *testing.T) {
	t.Parallel()
	w := start(t, nil)
	w.buy() // at noon
	w.clock.Advance(time.Hour)
	w.buy()
	w.clock.Advance(48 * time.Hour)
	all := w.bounded(url.Values{"since": {"2026-11-24"}, "until": {"2026-11-24"}})
	if len(all) != 6 || all[0].Event != "pending_new" || all[5].Event != "fill" || all[0].Account == "" {
		t.Fatalf("events of the day: %+v", all)
	}
	stamp := func(at time.Time) string { return at.Format(time.RFC3339Nano) }
	for _, c := range []struct {
		name        string
		query       url.Values
		first, past int
	}{
		{"a moment is included at both ends", url.Values{"since": {stamp(all[0].At)}, "until": {stamp(all[5].At)}}, 0, 6},
		{"after a moment", url.Values{"since": {stamp(all[2].At.Add(1))}, "until": {stamp(all[5].At)}}, 3, 6},
		{"another zone", url.Values{"since": {"2026-11-24T14:00:00+02:00"}, "until": {"2026-11-24T19:59:59.999999999+02:00"}}, 0, 3},
		{"days", url.Values{"since": {"2026-11-01"}, "until": {"2026-11-25"}}, 0, 6},
		{"a day without events", url.Values{"since": {"2026-11-25"}, "until": {"2026-11-25"}}, 0, 0},
		{"the wrong way round", url.Values{"since": {"2026-11-24"}, "until": {"2026-11-23"}}, 0, 0},
		{"IDs", url.Values{"since_id": {all[0].ID}, "until_id": {all[3].ID}}, 1, 4},
		{"one ID", url.Values{"since_id": {all[3].ID}, "until_id": {all[3].ID}}, 0, 0},
	} {
		events := w.bounded(c.query)
		if len(events) != c.past-c.first {
			t.Errorf("%s: %d events, want %d", c.name, len(events), c.past-c.first)
			continue
		}
		for i, found := range events {
			if found != all[c.first+i] {
				t.Errorf("%s: event %d is %v, want %v", c.name, i, found, all[c.first+i])
			}
		}
	}
}

// open begins to read an endless stream.
func (w *world) open(query string) (*bufio.Reader, func()) {
	w.tb.Helper()
	request, err := http.NewRequest(http.MethodGet, w.alpaca.URL()+"/v2/events/trades"+query, nil)
	if err != nil {
		w.tb.Fatal(err)
	}
	request.SetBasicAuth("K1", "S1")
	response, err := w.http.Do(request)
	if err != nil {
		w.tb.Fatal(err)
	}
	if kind := response.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") || response.StatusCode != http.StatusOK {
		w.tb.Fatalf("status %d, %s", response.StatusCode, kind)
	}
	return bufio.NewReader(response.Body), func() { _ = response.Body.Close() }
}

func TestEndlessStreamBreaks(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *emulator.Config) { c.Heartbeat = 5 * time.Millisecond })
	w.buy()
	reader, hangUp := w.open("")
	defer hangUp()
	for range 3 { // nothing of the past, but heartbeats
		if line, err := reader.ReadString('\n'); err != nil || strings.TrimSpace(line) != ":heartbeat" {
			t.Fatalf("line %q, %v", line, err)
		}
		if line, err := reader.ReadString('\n'); err != nil || line != "\n" {
			t.Fatalf("line %q, %v", line, err)
		}
	}
	if open := w.alpaca.Streams().Open(); open[stream.KindTradeEvents] != 1 {
		t.Errorf("open: %v", open)
	}
	if err := w.alpaca.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, reader); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("the stream ended with %v; a clean end makes Alpaca's Go SDK stop listening", err)
	}
}

// TestSlowReader checks that a client that reads too slowly is told how much it missed.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	w := start(t, func(c *emulator.Config) { c.EventHistory = 100 })
	conn, err := net.Dial("tcp", strings.TrimPrefix(w.alpaca.URL(), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(3 * deadline))
	if _, err := io.WriteString(conn, "GET /v2/events/trades HTTP/1.1\r\nHost: test\r\nApca-Api-Key-Id: K1\r\nApca-Api-Secret-Key: S1\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the stream is open", func() bool { return w.alpaca.Streams().Open()[stream.KindTradeEvents] == 1 })
	for range 4000 {
		w.buy()
	}
	scanner := bufio.NewScanner(conn)
	for scanner.Scan() {
		if line := scanner.Text(); strings.HasPrefix(line, ": you are reading too slowly, dropped ") && strings.HasSuffix(line, " messages") {
			return
		}
	}
	t.Errorf("the client was not told: %v", scanner.Err())
}

package data_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

type actionEvent struct {
	ID     string         `json:"event_id"`
	At     time.Time      `json:"at"`
	Action string         `json:"action"`
	Region string         `json:"region"`
	Type   string         `json:"event_type"`
	Fields map[string]any `json:"ca"`
}

// replayed reads a stream that has an end.
func replayed(t *testing.T, w *world, query string, headers ...string) []actionEvent {
	t.Helper()
	request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1beta1/events/corporate-actions?"+query, nil)
	request.SetBasicAuth("PLUS", "S")
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	out := httptest.NewRecorder()
	w.handler.ServeHTTP(out, request)
	if out.Code != http.StatusOK || !strings.HasPrefix(out.Header().Get("Content-Type"), "text/event-stream") {
		t.Fatalf("status %d: %s", out.Code, out.Body)
	}
	return events(t, out.Body.String())
}

func events(t *testing.T, body string) []actionEvent {
	t.Helper()
	var found []actionEvent
	for line := range strings.Lines(body) {
		text, ok := strings.CutPrefix(line, "data: ")
		if !ok {
			continue
		}
		var event actionEvent
		if err := json.Unmarshal([]byte(text), &event); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		found = append(found, event)
	}
	return found
}

func TestReplayOfCorporateActions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const year = "since=2025-11-01T00:00:00Z&until=2026-11-23T00:00:00Z"
	all := replayed(t, w, year)
	kinds, updates := make(map[string]bool), 0
	for i, event := range all {
		if i > 0 && (event.ID <= all[i-1].ID || event.At.Before(all[i-1].At)) {
			t.Fatalf("event %s of %s follows %s of %s", event.ID, event.At, all[i-1].ID, all[i-1].At)
		}
		if event.Region != "us" || event.Fields["process_date"] == nil || event.Fields["id"] == nil || event.Fields["currency"] != "USD" {
			t.Errorf("event %+v", event)
		}
		for name, value := range event.Fields {
			if _, number := value.(float64); number {
				t.Errorf("%s of %s is a number", name, event.Type)
			}
		}
		if event.Action == "update" {
			updates++
		}
		kinds[event.Type] = true
	}
	if len(kinds) != 15 || !kinds["equity_partial_call_corporateaction_event"] || updates == 0 || updates > len(all)/4 {
		t.Errorf("%d kinds, %d of %d events are updates", len(kinds), updates, len(all))
	}
	middle := all[len(all)/2]
	rest := replayed(t, w, "since_id="+middle.ID+"&until_id="+all[len(all)-1].ID)
	if len(rest) != len(all)-len(all)/2 || rest[0].ID != middle.ID {
		t.Errorf("%d events from the middle on, the first %s", len(rest), rest[0].ID)
	}
	again := replayed(t, w, "since_id="+all[0].ID+"&until_id="+all[len(all)-1].ID, "Last-Event-Id", middle.ID)
	if len(again) != len(rest) {
		t.Errorf("%d events after a reconnect, want %d", len(again), len(rest))
	}
	splits := replayed(t, w, year+"&type=forward_split_corporateaction_event,reverse_split_corporateaction_event&region=US")
	for _, event := range splits {
		if !strings.HasSuffix(event.Type, "_split_corporateaction_event") || event.Fields["new_rate"] == nil {
			t.Errorf("split %+v", event)
		}
	}
	if none := replayed(t, w, year+"&region=non_us"); len(splits) == 0 || len(none) != 0 {
		t.Errorf("%d splits, %d events of other countries", len(splits), len(none))
	}
}

// TestLiveCorporateActions listens while the clock moves, and checks that the stream tells what a replay tells later.
func TestLiveCorporateActions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	server := httptest.NewServer(w.handler)
	defer server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/v1beta1/events/corporate-actions", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("PLUS", "S")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	response, err := transport.RoundTrip(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, 1<<20)
	if !lines.Scan() || lines.Text() != ":heartbeat" {
		t.Fatalf("first line %q", lines.Text())
	}
	w.clock.Set(noon.AddDate(0, 0, 10))
	var told []string
	for len(told) < 5 && lines.Scan() {
		if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
			told = append(told, id)
		}
	}
	cancel()
	for lines.Scan() {
	}
	if lines.Err() == nil {
		t.Error("a stream without an end ended cleanly")
	}
	later := replayed(t, w, "since="+noon.Format(time.RFC3339)+"&until="+noon.AddDate(0, 0, 10).Format(time.RFC3339))
	for i, id := range told {
		if later[i].ID != id {
			t.Errorf("event %d: %s live, %s replayed", i, id, later[i].ID)
		}
	}
}

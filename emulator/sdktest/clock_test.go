package sdktest

import (
	"encoding/json"
	"net/http"
	"testing"
)

func read(t *testing.T, url string, status int, target any) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("PKSDK", "secret")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != status {
		t.Fatalf("%s: status %d, want %d", url, response.StatusCode, status)
	}
	if err := json.NewDecoder(response.Body).Decode(target); err != nil {
		t.Fatal(err)
	}
}

func TestClockAndCalendarOfVersion3(t *testing.T) {
	t.Parallel()
	e, _ := started(t)
	var clocks struct {
		Clocks []struct {
			Market struct{ Acronym, MIC string }
			Phase  string
		}
	}
	read(t, e.URL()+"/v3/clock?markets=NYSE,XNAS&time=2026-11-23T15:00:00Z", http.StatusOK, &clocks)
	if len(clocks.Clocks) != 2 || clocks.Clocks[1].Market.Acronym != "NASDAQ" || clocks.Clocks[0].Phase != "core" {
		t.Fatalf("clocks = %+v", clocks)
	}
	var calendar struct {
		Calendar []struct {
			Date    string `json:"date"`
			CoreEnd string `json:"core_end"`
		}
	}
	read(t, e.URL()+"/v3/calendar/NYSE?start=2026-11-26&end=2026-11-30&timezone=UTC", http.StatusOK, &calendar)
	if len(calendar.Calendar) != 2 || calendar.Calendar[0].CoreEnd != "2026-11-27T18:00:00Z" {
		t.Fatalf("calendar = %+v", calendar)
	}
	var failure struct{ Message string }
	read(t, e.URL()+"/v3/calendar/MOON", http.StatusBadRequest, &failure)
}

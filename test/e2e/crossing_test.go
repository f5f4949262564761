package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
)

// pin sets a price at the emulator.
func (s *system) pin(symbol, price string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, s.ready.EmulatorAdmin+"/emulator/price",
		bytes.NewReader(fmt.Appendf(nil, `{"symbol":%q,"price":%s}`, symbol, price)))
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = answer.Body.Close()
	if answer.StatusCode >= 300 {
		s.t.Fatalf("pin %s: %s", symbol, answer.Status)
	}
}

func TestPriceCrossing(t *testing.T) {
	t.Parallel()
	s := start(t)
	owner, other := s.ready.Accounts[0].Token, s.ready.Accounts[1].Token
	s.pin("AAPL", "150")
	var w struct {
		ID string `json:"id"`
	}
	created := s.call(owner, http.MethodPost, "/api/v1/watches", `{"symbol":"aapl","direction":"above","level":"160.00","source":"bid","rule_id":"my-rule"}`)
	created.into(t, &w)
	if created.status != http.StatusCreated || w.ID == "" {
		t.Fatalf("%d %+v", created.status, w)
	}
	if a := s.call(other, http.MethodGet, "/api/v1/watches/"+w.ID, ""); a.status != http.StatusNotFound {
		t.Fatalf("another account reads it: %d", a.status)
	}
	if a := s.call(other, http.MethodDelete, "/api/v1/watches/"+w.ID, ""); a.status != http.StatusNotFound {
		t.Fatalf("another account removes it: %d", a.status)
	}
	eventually(t, "the feed evaluates it", func() bool { return s.metric("feed_watches") == 1 })
	if n := s.metric("feed_crossings_total"); n != 0 {
		t.Fatalf("%v crossings at 150", n)
	}
	s.pin("AAPL", "170")
	eventually(t, "it fires", func() bool { return s.metric("feed_crossings_total") == 1 })
	eventually(t, "it is gone", func() bool {
		return s.call(owner, http.MethodGet, "/api/v1/watches/"+w.ID, "").status == http.StatusNotFound
	})
	for field, body := range map[string]string{
		"symbol":      `{"symbol":"AA PL","direction":"above","level":1}`,
		"direction":   `{"symbol":"AAPL","direction":"up","level":1}`,
		"level":       `{"symbol":"AAPL","direction":"above","level":0}`,
		"source":      `{"symbol":"AAPL","direction":"above","level":1,"source":"mid"}`,
		"asset_class": `{"symbol":"AAPL","direction":"above","level":1,"asset_class":"bond"}`,
		"expires_at":  `{"symbol":"AAPL","direction":"above","level":1,"expires_at":"2020-01-01T00:00:00Z"}`,
	} {
		if a := s.call(owner, http.MethodPost, "/api/v1/watches", body); a.status != http.StatusBadRequest || a.Error.Details["field"] != field {
			t.Errorf("%s: %d %+v", field, a.status, a.Error)
		}
	}
}

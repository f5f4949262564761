package e2e

import (
	"bufio"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
)

// metric sums the series of the system's metrics that have the name and contain all labels.
func (s *system) metric(name string, labels ...string) float64 {
	s.t.Helper()
	response, err := s.client.Get(s.ready.Functions["account"] + "/metrics")
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	sum := 0.0
	lines := bufio.NewScanner(response.Body)
	for lines.Scan() {
		series, value, _ := strings.Cut(lines.Text(), "} ")
		if !strings.HasPrefix(series, name+"{") || !containsAll(series, labels) {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil {
			s.t.Fatal(err)
		}
		sum += number
	}
	return sum
}

func containsAll(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}

// audit is what the emulator accepted from a key: the truth about orders.
func (s *system) audit(keyID string) []struct {
	ClientOrderID string `json:"client_order_id"`
} {
	s.t.Helper()
	response, err := s.client.Get(s.ready.EmulatorAdmin + "/emulator/audit?key_id=" + keyID)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		s.t.Fatalf("audit: status %d", response.StatusCode)
	}
	var accepted []struct {
		ClientOrderID string `json:"client_order_id"`
	}
	if err := json.NewDecoder(response.Body).Decode(&accepted); err != nil {
		s.t.Fatal(err)
	}
	return accepted
}

package stream

import (
	"encoding/json"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/emulator/stream/feed"
)

// maxControl bounds the bodies of control requests, in bytes.
const maxControl = 64 << 10

// Control returns the test controls under /emulator/streams: what is open, cuts, error messages, and revised trades.
func (s *Streams) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /emulator/streams", s.report)
	mux.HandleFunc("POST /emulator/streams/disconnect", s.disconnect)
	mux.HandleFunc("POST /emulator/streams/error", s.complain)
	mux.HandleFunc("POST /emulator/streams/silence", func(w http.ResponseWriter, r *http.Request) { s.silence(w, r, true) })
	mux.HandleFunc("POST /emulator/streams/resume", func(w http.ResponseWriter, r *http.Request) { s.silence(w, r, false) })
	mux.HandleFunc("POST /emulator/streams/trade", s.revise)
	return mux
}

// report answers with the number of open streams of each kind, and of refused handshakes of each client address.
func (s *Streams) report(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"open": s.Open(), "refused_upgrades": s.RefusedUpgrades()})
}

// target chooses WebSockets; empty fields stand for all.
type target struct {
	Kind  string `json:"kind"` // a class of package feed, or trade_updates
	KeyID string `json:"key_id"`
	Code  int    `json:"code"` // of an error message
}

func (s *Streams) disconnect(w http.ResponseWriter, r *http.Request) {
	var wanted target
	if !readControl(w, r, &wanted) {
		return
	}
	count := 0
	if wanted.Kind == "" || wanted.Kind == KindTradeUpdates {
		count += s.Disconnect(wanted.KeyID)
	}
	if wanted.Kind != KindTradeUpdates {
		count += s.Hub.Disconnect(feed.Class(wanted.Kind), wanted.KeyID)
	}
	answer(w, http.StatusOK, map[string]int{"disconnected": count})
}

func (s *Streams) complain(w http.ResponseWriter, r *http.Request) {
	var wanted target
	if !readControl(w, r, &wanted) {
		return
	}
	answer(w, http.StatusOK, map[string]int{"told": s.Hub.Complain(feed.Class(wanted.Kind), wanted.KeyID, wanted.Code)})
}

// silence keeps data from clients whose connections stay open, or lets it through again.
func (s *Streams) silence(w http.ResponseWriter, r *http.Request, quiet bool) {
	var wanted target
	if !readControl(w, r, &wanted) {
		return
	}
	answer(w, http.StatusOK, map[string]int{"clients": s.Hub.Silence(feed.Class(wanted.Kind), wanted.KeyID, quiet)})
}

// revise cancels or corrects the last trade of a stock.
func (s *Streams) revise(w http.ResponseWriter, r *http.Request) {
	var wanted struct {
		Symbol string `json:"symbol"`
		Action string `json:"action"` // cancel or correct
	}
	if !readControl(w, r, &wanted) {
		return
	}
	var err error
	switch wanted.Action {
	case "cancel":
		err = s.Hub.CancelTrade(wanted.Symbol)
	case "correct":
		err = s.Hub.CorrectTrade(wanted.Symbol)
	default:
		answer(w, http.StatusBadRequest, map[string]string{"message": "action: must be cancel or correct"})
		return
	}
	if err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"message": "symbol: " + err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// readControl decodes a body strictly; false when the refusal is already written.
func readControl(w http.ResponseWriter, r *http.Request, into any) bool {
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxControl))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return false
	}
	return true
}

func answer(w http.ResponseWriter, status int, value any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(value) // a client that is gone is not our error
}

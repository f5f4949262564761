package data

import (
	_ "embed"
	"encoding/json"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// The code books of the consolidated tapes and of OPRA.
//
//go:embed meta.json
var codeBooks []byte

// books returns the code books by name.
func books() (map[string]json.RawMessage, error) {
	var all map[string]json.RawMessage
	err := json.Unmarshal(codeBooks, &all)
	return all, err
}

// writeBook answers with a code book.
func writeBook(w http.ResponseWriter, name string) {
	all, err := books()
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	wire.Write(w, http.StatusOK, all[name])
}

// stockConditions answers with the conditions of trades or quotes on a tape: A and B are of CTA, C and O of UTP.
func stockConditions(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	if q.text("tape") == "" {
		q.refuse("tape is required")
	}
	tape := q.choice("tape", "A", "B", "C", "O")
	kind := q.ticktype(r)
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	plan := "cta"
	if tape == "C" || tape == "O" {
		plan = "utp"
	}
	writeBook(w, plan+"_"+kind)
}

func (q *query) ticktype(r *http.Request) string {
	kind := r.PathValue("kind")
	if kind != "trade" && kind != "quote" {
		q.refuse("invalid ticktype: %s, it must be trade or quote", kind)
	}
	return kind
}

func stockExchanges(w http.ResponseWriter, _ *http.Request, _ *exchange.Account) {
	writeBook(w, "stock_exchanges")
}

func optionConditions(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	q := newQuery(r)
	kind := q.ticktype(r)
	if q.err != nil {
		wire.WriteError(w, q.err)
		return
	}
	writeBook(w, "opra_"+kind)
}

func optionExchanges(w http.ResponseWriter, _ *http.Request, _ *exchange.Account) {
	writeBook(w, "option_exchanges")
}

package trading

import (
	"net/http"

	"github.com/opitios-ai/alpaca-knative/emulator/access"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// exercisePosition takes an instruction about a long option position, and answers with an empty body.
func exercisePosition(instruct func(*exchange.Account, string, exchange.ExerciseRequest) error) access.Handler {
	return func(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
		content, err := body(w, r)
		if err != nil {
			wire.WriteError(w, err)
			return
		}
		request, err := exchange.DecodeExercise(content)
		if err != nil {
			wire.WriteError(w, err)
			return
		}
		if err := instruct(account, r.PathValue("asset"), request); err != nil {
			wire.WriteError(w, err)
			return
		}
		w.WriteHeader(http.StatusOK)
	}
}

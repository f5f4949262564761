package trading

import (
	"encoding/json"
	"net/http"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

func getAccount(w http.ResponseWriter, _ *http.Request, account *exchange.Account) {
	summary := account.Summary()
	wire.Write(w, http.StatusOK, summary.Append(nil))
}

func getConfiguration(w http.ResponseWriter, _ *http.Request, account *exchange.Account) {
	writeConfiguration(w, account.Configuration())
}

func patchConfiguration(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	content, err := body(w, r)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	changed, err := account.Configure(content)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	writeConfiguration(w, changed)
}

func writeConfiguration(w http.ResponseWriter, configuration exchange.Configuration) {
	encoded, err := json.Marshal(configuration)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	wire.Write(w, http.StatusOK, encoded)
}

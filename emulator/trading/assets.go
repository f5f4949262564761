package trading

import (
	"net/http"
	"slices"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

func (api *API) getAssets(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	query := r.URL.Query()
	class := asset.Class(query.Get("asset_class"))
	if class == "" {
		class = asset.Equity
	}
	status, exchangeName, attributes := query.Get("status"), query.Get("exchange"), list(query.Get("attributes"))
	out := []byte{'['}
	for _, listed := range api.Catalogue.All() {
		if listed.Class != class || exchangeName != "" && exchangeName != listed.Exchange {
			continue
		}
		if status != "" && status != "active" || !hasAny(listed.Attributes, attributes) {
			continue
		}
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = appendAsset(out, listed)
	}
	wire.Write(w, http.StatusOK, append(out, ']'))
}

// hasAny reports whether any wanted attribute is there; wanting none is satisfied by all.
func hasAny(attributes, wanted []string) bool {
	return len(wanted) == 0 || slices.ContainsFunc(wanted, func(name string) bool { return slices.Contains(attributes, name) })
}

func (api *API) getAsset(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	listed, ok := api.Catalogue.Find(r.PathValue("asset"))
	if !ok {
		wire.WriteError(w, wire.NotFound("asset not found for %s", r.PathValue("asset")))
		return
	}
	wire.Write(w, http.StatusOK, appendAsset(nil, listed))
}

func appendAsset(dst []byte, a *asset.Asset) []byte {
	dst = wire.String(append(dst, `{"id":`...), a.ID)
	dst = wire.String(append(dst, `,"class":`...), string(a.Class))
	dst = wire.String(append(dst, `,"exchange":`...), a.Exchange)
	dst = wire.String(append(dst, `,"symbol":`...), a.Symbol)
	dst = wire.String(append(dst, `,"name":`...), a.Name)
	dst = wire.Bool(append(dst, `,"status":"active","tradable":`...), a.Tradable)
	dst = wire.Bool(append(dst, `,"marginable":`...), a.Marginable) //nolint:misspell // Alpaca's word
	dst = append(dst, `,"maintenance_margin_requirement":30,"margin_requirement_long":"30","margin_requirement_short":"30"`...)
	dst = wire.Bool(append(dst, `,"shortable":`...), a.Shortable)
	dst = wire.Bool(append(dst, `,"easy_to_borrow":`...), a.EasyToBorrow)
	borrow := "hard_to_borrow"
	if a.EasyToBorrow {
		borrow = "easy_to_borrow"
	}
	dst = wire.String(append(dst, `,"borrow_status":`...), borrow)
	dst = wire.Bool(append(dst, `,"fractionable":`...), a.Fractionable)
	dst = append(dst, `,"attributes":[`...)
	for i, attribute := range a.Attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.String(dst, attribute)
	}
	return append(dst, `]}`...)
}

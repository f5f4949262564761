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
	switch {
	case class == "":
		class = asset.Equity
	case !slices.Contains(assetClasses(), string(class)):
		wire.WriteError(w, wire.Shape("invalid asset_class: %s", class))
		return
	}
	status, exchangeName, attributes := query.Get("status"), query.Get("exchange"), list(query.Get("attributes"))
	out := []byte{'['}
	for _, listed := range api.Catalogue.All() {
		if listed.Class != class || exchangeName != "" && exchangeName != listed.Exchange {
			continue
		}
		listed = api.Listing(listed)
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
	wire.Write(w, http.StatusOK, appendAsset(nil, api.Listing(listed)))
}

// appendAsset appends the asset with its keys in the order of Alpaca's specification.
func appendAsset(dst []byte, a *asset.Asset) []byte {
	dst = wire.String(append(dst, `{"id":`...), a.ID)
	dst = wire.String(append(dst, `,"class":`...), string(a.Class))
	dst = wire.String(append(dst, `,"exchange":`...), a.Exchange)
	dst = wire.String(append(dst, `,"symbol":`...), a.Symbol)
	dst = wire.String(append(dst, `,"name":`...), a.Name)
	dst = wire.Bool(append(dst, `,"status":"active","tradable":`...), a.Tradable)
	dst = wire.Bool(append(dst, `,"marginable":`...), a.Marginable) //nolint:misspell // Alpaca's word
	dst = wire.Bool(append(dst, `,"shortable":`...), a.Shortable)
	dst = wire.Bool(append(dst, `,"easy_to_borrow":`...), a.EasyToBorrow)
	if a.Class == asset.Equity {
		borrow := "hard_to_borrow"
		if a.EasyToBorrow {
			borrow = "easy_to_borrow"
		}
		dst = wire.String(append(dst, `,"borrow_status":`...), borrow)
	}
	dst = wire.Bool(append(dst, `,"fractionable":`...), a.Fractionable)
	if pair := a.Pair; pair != nil {
		dst = wire.Decimal(append(dst, `,"min_order_size":`...), pair.MinOrderSize)
		dst = wire.Decimal(append(dst, `,"min_trade_increment":`...), pair.MinTradeIncrement)
		dst = wire.Decimal(append(dst, `,"price_increment":`...), pair.PriceIncrement)
	}
	margin := "100" // of crypto, as captured, and of all else that nothing is lent on
	if a.Class == asset.Equity {
		margin = "30"
	}
	dst = append(append(dst, `,"maintenance_margin_requirement":`...), margin...)
	dst = wire.String(append(dst, `,"margin_requirement_long":`...), margin)
	dst = wire.String(append(dst, `,"margin_requirement_short":`...), margin)
	dst = append(dst, `,"attributes":[`...)
	for i, attribute := range a.Attributes {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = wire.String(dst, attribute)
	}
	return append(dst, `],"cusip":null}`...)
}

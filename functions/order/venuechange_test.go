package order_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// hold gives an account a position.
func (v *venue) hold(keyID, symbol, qty string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.held[keyID+"/"+symbol] = decimal.MustParse(qty)
}

// end brings an order to its end.
func (v *venue) end(o *alpaca.Order, status string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	o.Status = status
}

func (v *venue) replace(w http.ResponseWriter, key, path string, body []byte) {
	var asked alpaca.ReplaceRequest
	if err := json.Unmarshal(body, &asked); err != nil {
		refuse(w, http.StatusBadRequest, 40010000, "request body format is invalid")
		return
	}
	old := v.byID(key, path)
	switch {
	case old == nil:
		refuse(w, http.StatusNotFound, 40410000, "order not found for "+path)
	case v.orders[key+"/"+asked.ClientOrderID] != nil:
		refuse(w, http.StatusUnprocessableEntity, 40010001, "client_order_id must be unique")
	case old.Status == alpaca.StatusReplaced:
		refuse(w, http.StatusUnprocessableEntity, 42210000, "order already replaced")
	case old.Status != alpaca.StatusNew:
		refuse(w, http.StatusUnprocessableEntity, 42210000, "cannot replace order in "+old.Status+" status")
	default:
		made := v.take(key, alpaca.OrderRequest{
			Symbol: old.Symbol, Qty: first(asked.Qty, old.Qty), Side: old.Side, Type: old.Type, TimeInForce: old.TimeInForce,
			LimitPrice: first(asked.LimitPrice, old.LimitPrice), StopPrice: first(asked.StopPrice, old.StopPrice), ClientOrderID: asked.ClientOrderID,
		})
		made.Status, made.Replaces = alpaca.StatusNew, &old.ID
		old.Status, old.ReplacedBy = alpaca.StatusReplaced, &made.ID
		write(w, http.StatusOK, made)
	}
}

func first(a, b *decimal.Decimal) *decimal.Decimal {
	if a != nil {
		return a
	}
	return b
}

// positions answers one position, or all of them for no symbol. Open orders to sell hold what they sell.
func (v *venue) positions(w http.ResponseWriter, key, symbol string) {
	found := []alpaca.Position{}
	for name, qty := range v.held {
		held, ok := strings.CutPrefix(name, key+"/")
		if !ok || qty.IsZero() || symbol != "" && held != symbol {
			continue
		}
		found = append(found, v.position(key, held, qty))
	}
	slices.SortFunc(found, func(a, b alpaca.Position) int { return strings.Compare(a.Symbol, b.Symbol) })
	switch {
	case symbol == "":
		write(w, http.StatusOK, found)
	case len(found) == 0:
		refuse(w, http.StatusNotFound, 40410000, "position does not exist")
	default:
		write(w, http.StatusOK, found[0])
	}
}

func (v *venue) position(key, symbol string, qty decimal.Decimal) alpaca.Position {
	p := alpaca.Position{Symbol: symbol, Qty: qty, QtyAvailable: qty, AssetClass: "us_equity", Side: "long"}
	switch {
	case strings.HasSuffix(symbol, "USD"):
		p.AssetClass = "crypto"
	case len(symbol) > 15:
		p.AssetClass = "us_option"
	}
	for id, o := range v.orders {
		if strings.HasPrefix(id, key+"/") && o.Symbol == symbol && o.Side == alpaca.SideSell && !alpaca.Terminal(o.Status) {
			p.QtyAvailable = p.QtyAvailable.Sub(*o.Qty)
		}
	}
	return p
}

package trading

import (
	"net/http"
	"net/url"
	"strconv"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func getPositions(w http.ResponseWriter, _ *http.Request, account *exchange.Account) {
	positions := account.Positions()
	out := []byte{'['}
	for i := range positions {
		if i > 0 {
			out = append(out, ',')
		}
		out = positions[i].Append(out)
	}
	wire.Write(w, http.StatusOK, append(out, ']'))
}

func getPosition(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	position, err := account.Position(r.PathValue("asset"))
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	wire.Write(w, http.StatusOK, position.Append(nil))
}

func deletePosition(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	query := r.URL.Query()
	qty, err := parseAmount(query, "qty")
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	percentage, err := parseAmount(query, "percentage")
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	order, err := account.ClosePosition(r.PathValue("asset"), exchange.Closing{Qty: qty, Percentage: percentage})
	writeOrder(w, order, err)
}

func parseAmount(query url.Values, name string) (*decimal.Decimal, error) {
	text := query.Get(name)
	if text == "" {
		return nil, nil //nolint:nilnil // absent is not an error
	}
	amount, err := decimal.Parse(text)
	if err != nil {
		return nil, wire.Shape("invalid %s", name)
	}
	return &amount, nil
}

func deletePositions(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	cancelOrders := false
	if text := r.URL.Query().Get("cancel_orders"); text != "" {
		parsed, err := strconv.ParseBool(text)
		if err != nil {
			wire.WriteError(w, wire.Shape("invalid cancel_orders"))
			return
		}
		cancelOrders = parsed
	}
	out := []byte{'['}
	for i, result := range account.CloseAll(cancelOrders) {
		if i > 0 {
			out = append(out, ',')
		}
		out = wire.String(append(out, `{"symbol":`...), result.Symbol)
		out = strconv.AppendInt(append(out, `,"status":`...), int64(result.Status()), 10)
		out = append(out, `,"body":`...)
		if result.Err != nil {
			out = wire.ErrorOf(result.Err).Append(out)
		} else {
			out = result.Order.Append(out)
		}
		out = append(out, '}')
	}
	wire.Write(w, http.StatusMultiStatus, append(out, ']'))
}

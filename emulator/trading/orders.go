package trading

import (
	"net/http"
	"strconv"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// orderSize is about what an encoded order takes, in bytes.
const orderSize = 1280

func postOrder(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	content, err := body(w, r)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	request, err := exchange.DecodeOrder(content)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	order, err := account.Submit(request)
	writeOrder(w, order, err)
}

func patchOrder(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	content, err := body(w, r)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	request, err := exchange.DecodeReplace(content)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	order, err := account.Replace(r.PathValue("order"), request)
	writeOrder(w, order, err)
}

func getOrder(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	nested := r.URL.Query().Get("nested") == "true"
	order, err := account.OrderView(r.PathValue("order"), nested)
	writeOrder(w, order, err)
}

func getOrderByClientID(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	order, err := account.OrderByClientID(r.URL.Query().Get("client_order_id"))
	writeOrder(w, order, err)
}

func writeOrder(w http.ResponseWriter, order exchange.Order, err error) {
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	wire.Write(w, http.StatusOK, order.Append(make([]byte, 0, orderSize)))
}

func getOrders(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	filter, err := parseFilter(r.URL.Query())
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	orders, err := account.Orders(filter)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	out := append(make([]byte, 0, 2+orderSize*len(orders)), '[')
	for i := range orders {
		if i > 0 {
			out = append(out, ',')
		}
		out = orders[i].Append(out)
	}
	wire.Write(w, http.StatusOK, append(out, ']'))
}

func deleteOrder(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	if err := account.Cancel(r.PathValue("order")); err != nil {
		wire.WriteError(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func deleteOrders(w http.ResponseWriter, _ *http.Request, account *exchange.Account) {
	out := []byte{'['}
	for i, result := range account.CancelAll() {
		if i > 0 {
			out = append(out, ',')
		}
		out = wire.String(append(out, `{"id":`...), result.ID)
		out = strconv.AppendInt(append(out, `,"status":`...), int64(result.Status), 10)
		out = append(out, '}')
	}
	wire.Write(w, http.StatusMultiStatus, append(out, ']'))
}

package order_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// The calls that a venue tells apart.
const (
	submit = "submit"
	lookUp = "look-up"
	read   = "read"
	cancel = "cancel"
	change = "replace"
	look   = "position"
)

// venue is Alpaca as the order function sees it: orders by account and client order ID, and faults on demand. It also
// watches that no order is ever sent again before somebody looked it up.
type venue struct {
	server *httptest.Server

	mu     sync.Mutex
	orders map[string]*alpaca.Order   // by key ID and client order ID
	held   map[string]decimal.Decimal // positions by key ID and symbol
	unsure map[string]bool            // was sent, and nobody has seen a 404 since
	others map[string]bool            // are orders that did not come through us: nothing of ours can become of their IDs
	calls  map[string]int
	query  url.Values // of the last call
	faults map[string][]fault
	blind  []string
}

// fault answers a call in the venue's place; carryOut does what was asked and gives the answer to w.
type fault func(w http.ResponseWriter, r *http.Request, carryOut func(w http.ResponseWriter))

func startVenue(t testing.TB) *venue {
	t.Helper()
	v := &venue{
		orders: map[string]*alpaca.Order{}, held: map[string]decimal.Decimal{}, unsure: map[string]bool{}, others: map[string]bool{},
		calls: map[string]int{}, faults: map[string][]fault{},
	}
	v.server = httptest.NewServer(v)
	t.Cleanup(func() {
		v.server.Close()
		if len(v.blind) > 0 {
			t.Errorf("sent again without a look-up: %v", v.blind)
		}
	})
	return v
}

// fail makes the next calls of one kind go wrong, one fault each.
func (v *venue) fail(kind string, faults ...fault) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.faults[kind] = append(v.faults[kind], faults...)
}

// heal drops the faults that did not strike yet.
func (v *venue) heal() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.faults)
}

// memoryLost allows orders to be sent again without a look-up: Alpaca alone can know of them now.
func (v *venue) memoryLost() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.unsure)
}

func (v *venue) forgetCalls() {
	v.mu.Lock()
	defer v.mu.Unlock()
	clear(v.calls)
}

// count is how many calls of a kind came so far.
func (v *venue) count(kind string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls[kind]
}

// accepted returns the account's order with this client order ID, or nil.
func (v *venue) accepted(keyID, clientOrderID string) *alpaca.Order {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.orders[keyID+"/"+clientOrderID]
}

// open lists the client order IDs of the orders of an account.
func (v *venue) open(keyID string) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	var ids []string
	for key := range v.orders {
		if id, ok := strings.CutPrefix(key, keyID+"/"); ok {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// elsewhere places an order that did not come through us.
func (v *venue) elsewhere(keyID string, request alpaca.OrderRequest) *alpaca.Order {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.others[keyID+"/"+request.ClientOrderID] = true
	return v.take(keyID, request)
}

func (v *venue) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	kind := kindOf(r)
	v.mu.Lock()
	v.calls[kind]++
	v.query = r.URL.Query()
	var wrong fault
	if queue := v.faults[kind]; len(queue) > 0 {
		wrong, v.faults[kind] = queue[0], queue[1:]
	}
	v.mu.Unlock()
	answer := &watched{ResponseWriter: w}
	carryOut := func(w http.ResponseWriter) {
		v.mu.Lock()
		defer v.mu.Unlock()
		answer.genuine = w == http.ResponseWriter(answer)
		v.carryOut(w, r, kind, body)
	}
	id := keyOf(r) + "/" + identify(r, body)
	v.before(kind, id)
	if wrong == nil {
		wrong = func(w http.ResponseWriter, _ *http.Request, carryOut func(http.ResponseWriter)) { carryOut(w) }
	}
	wrong(answer, r, carryOut)
	v.after(kind, id, answer)
}

// watched remembers what was answered, and whether the venue itself said so.
type watched struct {
	http.ResponseWriter
	status  int
	genuine bool
}

func (w *watched) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// before notes a submit whose answer may get lost; sent twice in that state it is a fault of ours.
func (v *venue) before(kind, id string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if kind != submit && kind != change {
		return
	}
	if v.unsure[id] && !v.others[id] {
		v.blind = append(v.blind, id)
	}
	v.unsure[id] = true
}

// after forgets the doubt when the answer leaves none: there is no such order.
func (v *venue) after(kind, id string, answer *watched) {
	v.mu.Lock()
	defer v.mu.Unlock()
	absent := v.orders[id] == nil
	notFound := kind == lookUp && answer.genuine && answer.status == http.StatusNotFound
	refused := (kind == submit || kind == change) && answer.genuine && answer.status/100 == 4 && absent
	if notFound || refused || answer.status == http.StatusTooManyRequests {
		delete(v.unsure, id)
	}
}

func identify(r *http.Request, body []byte) string {
	var request alpaca.OrderRequest
	if json.Unmarshal(body, &request) == nil {
		return request.ClientOrderID
	}
	return r.URL.Query().Get("client_order_id")
}

func kindOf(r *http.Request) string {
	switch {
	case r.Method == http.MethodPost && r.URL.Path == "/v2/orders":
		return submit
	case r.URL.Path == "/v2/orders:by_client_order_id":
		return lookUp
	case r.Method == http.MethodDelete:
		return cancel
	case r.Method == http.MethodPatch:
		return change
	case strings.HasPrefix(r.URL.Path, "/v2/positions"):
		return look
	default:
		return read
	}
}

func keyOf(r *http.Request) string { return r.Header.Get("Apca-Api-Key-Id") }

func (v *venue) carryOut(w http.ResponseWriter, r *http.Request, kind string, body []byte) {
	key := keyOf(r)
	switch kind {
	case submit:
		v.submit(w, key, body)
	case lookUp:
		id := r.URL.Query().Get("client_order_id")
		found := v.orders[key+"/"+id]
		if found == nil {
			refuse(w, http.StatusNotFound, 40410000, "order not found for "+id)
			return
		}
		write(w, http.StatusOK, found)
	case cancel:
		v.cancel(w, key, strings.TrimPrefix(r.URL.Path, "/v2/orders"))
	case change:
		v.replace(w, key, strings.TrimPrefix(r.URL.Path, "/v2/orders"), body)
	case look:
		v.positions(w, key, strings.Trim(strings.TrimPrefix(r.URL.Path, "/v2/positions"), "/"))
	default:
		v.read(w, key, strings.TrimPrefix(r.URL.Path, "/v2/orders"), r.URL.Query())
	}
}

func (v *venue) submit(w http.ResponseWriter, key string, body []byte) {
	var request alpaca.OrderRequest
	if err := json.Unmarshal(body, &request); err != nil {
		refuse(w, http.StatusBadRequest, 40010000, "request body format is invalid")
		return
	}
	id := key + "/" + request.ClientOrderID
	switch {
	case v.orders[id] != nil:
		refuse(w, http.StatusUnprocessableEntity, 40010001, "client_order_id must be unique")
	case request.Symbol == "NOPE":
		refuse(w, http.StatusUnprocessableEntity, 42210000, `asset "NOPE" not found`)
	case request.Qty != nil && request.Qty.GreaterThan(decimal.FromInt(1_000_000)):
		write(w, http.StatusForbidden, map[string]any{
			"code": 40310000, "message": "insufficient buying power",
			"buying_power": "200000.12345678901234", "cost_basis": "187000000",
		})
	default:
		write(w, http.StatusOK, v.take(key, request))
	}
}

func (v *venue) take(key string, r alpaca.OrderRequest) *alpaca.Order {
	now := opening().Add(time.Duration(len(v.orders)) * time.Millisecond)
	o := &alpaca.Order{
		ID: uuid.NewString(), ClientOrderID: r.ClientOrderID, CreatedAt: now, UpdatedAt: now, SubmittedAt: now, Symbol: r.Symbol,
		AssetClass: "us_equity", Qty: r.Qty, Notional: r.Notional, Side: r.Side, Type: r.Type, OrderType: r.Type,
		OrderClass: r.OrderClass, TimeInForce: r.TimeInForce, LimitPrice: r.LimitPrice, StopPrice: r.StopPrice,
		TrailPrice: r.TrailPrice, TrailPercent: r.TrailPercent, ExtendedHours: r.ExtendedHours, PositionIntent: r.PositionIntent, Status: alpaca.StatusPendingNew,
	}
	v.orders[key+"/"+r.ClientOrderID] = o
	return o
}

func (v *venue) cancel(w http.ResponseWriter, key, path string) {
	if path == "" {
		results := []alpaca.CancelResult{}
		for id, o := range v.orders {
			if strings.HasPrefix(id, key+"/") && !alpaca.Terminal(o.Status) {
				o.Status = alpaca.StatusCanceled
				results = append(results, alpaca.CancelResult{ID: o.ID, Status: http.StatusOK})
			}
		}
		write(w, http.StatusMultiStatus, results)
		return
	}
	o := v.byID(key, path)
	switch {
	case o == nil:
		refuse(w, http.StatusNotFound, 40410000, "order not found for "+path)
	case alpaca.Terminal(o.Status):
		refuse(w, http.StatusUnprocessableEntity, 42210000, "order is already in \""+o.Status+"\" state")
	default:
		o.Status = alpaca.StatusCanceled
		w.WriteHeader(http.StatusNoContent)
	}
}

func (v *venue) read(w http.ResponseWriter, key, path string, query url.Values) {
	if path == "" {
		list := []*alpaca.Order{}
		for id, o := range v.orders {
			if strings.HasPrefix(id, key+"/") && (query.Get("status") != "open" || !alpaca.Terminal(o.Status)) &&
				(query.Get("symbols") == "" || slices.Contains(strings.Split(query.Get("symbols"), ","), o.Symbol)) {
				list = append(list, o)
			}
		}
		slices.SortFunc(list, func(a, b *alpaca.Order) int { return b.SubmittedAt.Compare(a.SubmittedAt) })
		write(w, http.StatusOK, list)
		return
	}
	if o := v.byID(key, path); o != nil {
		write(w, http.StatusOK, o)
		return
	}
	refuse(w, http.StatusNotFound, 40410000, "order not found for "+path)
}

func (v *venue) byID(key, path string) *alpaca.Order {
	for id, o := range v.orders {
		if strings.HasPrefix(id, key+"/") && "/"+o.ID == path {
			return o
		}
	}
	return nil
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

func refuse(w http.ResponseWriter, status, code int, message string) {
	write(w, status, map[string]any{"code": code, "message": message})
}

// The faults.

// resetBefore breaks the connection and does nothing.
func resetBefore(http.ResponseWriter, *http.Request, func(http.ResponseWriter)) {
	panic(http.ErrAbortHandler)
}

// resetAfter does what was asked, and breaks the connection.
func resetAfter(_ http.ResponseWriter, _ *http.Request, carryOut func(http.ResponseWriter)) {
	carryOut(httptest.NewRecorder())
	panic(http.ErrAbortHandler)
}

// hangAfter does what was asked, and never answers.
func hangAfter(_ http.ResponseWriter, r *http.Request, carryOut func(http.ResponseWriter)) {
	carryOut(httptest.NewRecorder())
	<-r.Context().Done()
}

// statusAfter does what was asked, and answers with a proxy's error page.
func statusAfter(status int) fault {
	return func(w http.ResponseWriter, _ *http.Request, carryOut func(http.ResponseWriter)) {
		carryOut(httptest.NewRecorder())
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, "<html>gateway</html>")
	}
}

// status answers with an error and does nothing.
func status(status int, body string) fault {
	return func(w http.ResponseWriter, _ *http.Request, _ func(http.ResponseWriter)) {
		w.WriteHeader(status)
		_, _ = fmt.Fprint(w, body)
	}
}

// held lets a call wait: it is closed in arrived, and goes on when release is closed.
func held() (wait fault, arrived chan struct{}, release chan struct{}) {
	arrived, release = make(chan struct{}), make(chan struct{})
	return func(w http.ResponseWriter, r *http.Request, carryOut func(http.ResponseWriter)) {
		close(arrived)
		select {
		case <-release:
			carryOut(w)
		case <-r.Context().Done():
		}
	}, arrived, release
}

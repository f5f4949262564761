package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	official "github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"
	"github.com/shopspring/decimal"

	"github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
)

// What an order may cost beyond what Alpaca takes.
const (
	goalAddedP50    = 1.0 // ms
	goalAddedP99    = 5.0 // ms
	goalRedisTrips  = 2.0
	goalUpstream    = 1.0
	goalAllocations = 400.0
	// orderRounds and warmingOrders are for each way; an order rests far from the market, so that each is alike.
	orderRounds   = 1_500
	warmingOrders = 200
	costOrders    = 2_000
	// orderAccounts take turns: an account sends at most some dozens of orders a minute, and has as many open.
	orderAccounts = 200
)

// way is one way to send an order.
type way struct {
	name  string
	place func(ctx context.Context, number int) error
	took  []time.Duration
}

// measureOrders sends orders through the stack and, in turns with that, straight to the same emulator.
func measureOrders(ctx context.Context, bin string) ([]row, error) {
	e, err := startEmulated(ctx, bin)
	if err != nil {
		return nil, err
	}
	defer e.stop()
	b, err := startOrderBacking(ctx, "http://"+e.address)
	if err != nil {
		return nil, err
	}
	defer b.stop()
	address, stop, err := startStack(ctx, b)
	if err != nil {
		return nil, err
	}
	defer stop()
	fmt.Println("orders through the stack, by the SDK and by net/http ...")
	ways := []*way{
		throughStack("http://"+address, b.tokens), bySDK("http://" + e.address), byHTTP("http://" + e.address),
	}
	for i := range orderRounds + warmingOrders {
		for turn := range ways {
			w := ways[(turn+i)%len(ways)]
			begin := time.Now()
			if err := w.place(ctx, i); err != nil {
				return nil, fmt.Errorf("%s: %w", w.name, err)
			}
			if took := time.Since(begin); i >= warmingOrders {
				w.took = append(w.took, took)
			}
		}
	}
	rows := addedRows(ways)
	costs, err := measureOrderCosts(ctx, b)
	return append(rows, costs...), err
}

func addedRows(ways []*way) []row {
	at := func(w *way, part float64) float64 {
		slices.Sort(w.took)
		return milliseconds(w.took[int(part*float64(len(w.took)-1))])
	}
	stack, sdk, bare := ways[0], ways[1], ways[2]
	added := func(what string, part float64, peer *way, goal float64) row {
		return row{
			what: what, figure: at(stack, part) - at(peer, part), goal: goal, unit: "ms",
			spread: fmt.Sprintf("%.2f ms through the stack, %.2f ms straight", at(stack, part), at(peer, part)),
		}
	}
	return []row{
		added("order: added to the SDK's call at P50", 0.5, sdk, goalAddedP50),
		added("order: added to the SDK's call at P99", 0.99, sdk, goalAddedP99),
		added("order: added to a bare net/http call at P50", 0.5, bare, goalAddedP50),
		added("order: added to a bare net/http call at P99", 0.99, bare, goalAddedP99),
	}
}

func startOrderBacking(ctx context.Context, alpacaURL string) (*backing, error) {
	folder, err := os.MkdirTemp("", "bench-")
	if err != nil {
		return nil, err
	}
	b := &backing{folder: folder}
	port, err := freePort(ctx)
	if err == nil {
		err = b.startRedis(ctx, port)
	}
	if err == nil {
		var credentials []alpaca.Credentials
		for i := range orderAccounts {
			credentials = append(credentials, alpaca.Credentials{KeyID: keyOf(i), SecretKey: secretOf(i)})
		}
		err = b.writeAccounts(port, alpacaURL, credentials...)
	}
	if err != nil {
		b.stop()
		return nil, err
	}
	return b, nil
}

func throughStack(address string, tokens []string) *way {
	client := &http.Client{Transport: &http.Transport{}}
	return &way{name: "stack", place: func(ctx context.Context, number int) error {
		header := http.Header{"Authorization": {"Bearer " + tokens[number%len(tokens)]}}
		var answer struct {
			Data struct {
				OrderID string `json:"order_id"`
			} `json:"data"`
		}
		err := postOrder(ctx, client, address+"/api/v1/stocks/order", nativeOrder("stack", number), header, http.StatusCreated, &answer)
		if err == nil && answer.Data.OrderID == "" {
			return fmt.Errorf("no order in the answer")
		}
		return err
	}}
}

func nativeOrder(name string, number int) string {
	return `{"symbol":"AAPL","qty":1,"side":"buy","type":"limit","limit_price":"1.00","time_in_force":"gtc","client_order_id":"` +
		name + `-` + strconv.Itoa(number) + `"}`
}

func byHTTP(address string) *way {
	client := &http.Client{Transport: &http.Transport{}}
	return &way{name: "bare", place: func(ctx context.Context, number int) error {
		account := orderAccounts + number%orderAccounts
		header := http.Header{"Apca-Api-Key-Id": {keyOf(account)}, "Apca-Api-Secret-Key": {secretOf(account)}}
		var answer struct {
			ID string `json:"id"`
		}
		return postOrder(ctx, client, address+"/v2/orders", nativeOrder("bare", number), header, http.StatusOK, &answer)
	}}
}

func bySDK(address string) *way {
	var clients []*official.Client
	client := &http.Client{Transport: &http.Transport{}}
	for i := range orderAccounts {
		account := 2*orderAccounts + i
		clients = append(clients, official.NewClient(official.ClientOpts{
			BaseURL: address, APIKey: keyOf(account), APISecret: secretOf(account), HTTPClient: client,
		}))
	}
	one, limit := decimal.NewFromInt(1), decimal.NewFromInt(1)
	return &way{name: "sdk", place: func(_ context.Context, number int) error {
		_, err := clients[number%len(clients)].PlaceOrder(official.PlaceOrderRequest{
			Symbol: "AAPL", Qty: &one, Side: official.Buy, Type: official.Limit, LimitPrice: &limit, TimeInForce: official.GTC,
			ClientOrderID: "sdk-" + strconv.Itoa(number),
		})
		return err
	}}
}

func postOrder(ctx context.Context, client *http.Client, url, body string, header http.Header, status int, answer any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header = header.Clone()
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != status {
		return fmt.Errorf("status %d: %s", response.StatusCode, content)
	}
	return json.Unmarshal(content, answer)
}

// trips counts the round trips to Redis.
type trips struct{ count atomic.Int64 }

// DialHook changes nothing.
func (t *trips) DialHook(next redis.DialHook) redis.DialHook { return next }

// ProcessHook counts one command.
func (t *trips) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error { t.count.Add(1); return next(ctx, command) }
}

// ProcessPipelineHook counts one pipeline.
func (t *trips) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error { t.count.Add(1); return next(ctx, commands) }
}

// measureOrderCosts counts what an order takes: a function that is not started (nothing happens beside the orders), the
// real Redis, and the emulator, at last with a counter in front of it.
func measureOrderCosts(ctx context.Context, b *backing) ([]row, error) {
	environ := map[string]string{"PORT": "0"}
	for _, setting := range b.environ {
		name, value, _ := strings.Cut(setting, "=")
		environ[name] = value
	}
	maps.Copy(environ, orderSettings())
	allocations, err := placeInProcess(environ, "allocations", b.tokens, nil)
	if err != nil {
		return nil, err
	}
	var calls atomic.Int64
	front, err := countingProxy(ctx, environ["ALPACA_TRADING_URL"], &calls)
	if err != nil {
		return nil, err
	}
	environ["ALPACA_TRADING_URL"] = "http://" + front
	counted := &trips{}
	if _, err := placeInProcess(environ, "calls", b.tokens, func(f *order.Function) {
		f.Redis.(interface{ AddHook(redis.Hook) }).AddHook(counted)
		calls.Store(0)
	}); err != nil {
		return nil, err
	}
	per := func(n int64) float64 { return float64(n) / costOrders }
	return []row{
		{what: "order: round trips to Redis", figure: per(counted.count.Load()), goal: goalRedisTrips, spread: "by a hook in the client"},
		{what: "order: calls to Alpaca", figure: per(calls.Load()), goal: goalUpstream, spread: "by a counter in front of it"},
		{what: "order: allocations", figure: allocations, goal: goalAllocations, spread: "of the whole function, its Redis and HTTP clients included"},
	}, nil
}

// placeInProcess places orders with a function of its own and returns the allocations of each. counting is called when it
// is warm.
func placeInProcess(environ map[string]string, name string, tokens []string, counting func(*order.Function)) (float64, error) {
	function, _, err := newOrderFunction(prometheus.NewRegistry(), environ)
	if err != nil {
		return 0, err
	}
	if err := function.Accounts.Load(); err != nil {
		return 0, err
	}
	place := func(number int) error {
		request := httptest.NewRequest(http.MethodPost, "/api/v1/stocks/order", strings.NewReader(nativeOrder(name, number)))
		request.Header.Set("Authorization", "Bearer "+tokens[number%len(tokens)])
		request.Header.Set("Content-Type", "application/json")
		recorder := httptest.NewRecorder()
		function.ServeHTTP(recorder, request)
		if recorder.Code != http.StatusCreated {
			return fmt.Errorf("status %d: %s", recorder.Code, recorder.Body)
		}
		return nil
	}
	for i := range warmingOrders {
		if err := place(costOrders + i); err != nil {
			return 0, err
		}
	}
	if counting != nil {
		counting(function)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range costOrders {
		if err := place(i); err != nil {
			return 0, err
		}
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / costOrders, nil
}

// countingProxy counts the requests on their way to upstream.
func countingProxy(ctx context.Context, upstream string, calls *atomic.Int64) (string, error) {
	client := &http.Client{Transport: &http.Transport{}}
	address, err := serveAt(ctx, net.JoinHostPort("127.0.0.1", "0"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		request, err := http.NewRequestWithContext(r.Context(), r.Method, upstream+r.URL.RequestURI(), r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		request.Header = r.Header.Clone()
		response, err := client.Do(request)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer response.Body.Close()
		w.Header().Set("Content-Type", response.Header.Get("Content-Type"))
		w.WriteHeader(response.StatusCode)
		_, _ = io.Copy(w, response.Body)
	}))
	return address, err
}

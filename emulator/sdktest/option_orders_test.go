package sdktest

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// spread returns the two calls around the money of the second expiration, the lower strike first.
func spread(t *testing.T, client *alpaca.Client) [2]string {
	t.Helper()
	soonest := must[[]alpaca.OptionContract](t)(client.GetOptionContracts(alpaca.GetOptionContractsRequest{UnderlyingSymbols: "AAPL", TotalLimit: 1}))
	calls := must[[]alpaca.OptionContract](t)(client.GetOptionContracts(alpaca.GetOptionContractsRequest{
		UnderlyingSymbols: "AAPL", Type: alpaca.OptionTypeCall, ExpirationDateGTE: soonest[0].ExpirationDate.AddDays(1),
		ExpirationDateLTE: soonest[0].ExpirationDate.AddDays(10), StrikePriceGTE: *amount("270"), TotalLimit: 2,
	}))
	if len(calls) != 2 {
		t.Fatalf("calls = %+v", calls)
	}
	return [2]string{calls[0].Symbol, calls[1].Symbol}
}

// quoteOptions pins AAPL and both calls, so that prices are known: 4.95 to 5.05, and 1.99 to 2.01.
func quoteOptions(t *testing.T, e *emulator.Emulator, calls [2]string) {
	t.Helper()
	for symbol, price := range map[string]string{"AAPL": "280", calls[0]: "5", calls[1]: "2"} {
		if err := e.SetPrice(symbol, decimal.MustParse(price)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOptionOrders(t *testing.T) {
	t.Parallel()
	e, client := started(t)
	calls := spread(t, client)
	quoteOptions(t, e, calls)
	order := must[*alpaca.Order](t)
	bought := order(client.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: calls[0], Qty: amount("2"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day,
		PositionIntent: alpaca.BuyToOpen,
	}))
	filled := order(client.GetOrder(bought.ID))
	if filled.Status != "filled" || filled.FilledAvgPrice.String() != "5.05" || filled.AssetClass != "us_option" || filled.OrderClass != alpaca.Simple {
		t.Fatalf("order = %+v", filled)
	}
	position := must[*alpaca.Position](t)(client.GetPosition(calls[0]))
	if position.Qty.String() != "2" || position.CostBasis.String() != "1010" || position.MarketValue.String() != "1000" || position.Exchange != "" {
		t.Fatalf("position = %+v", position)
	}
	if closing := order(client.ClosePosition(calls[0], alpaca.ClosePositionRequest{Qty: *amount("1")})); closing.PositionIntent != alpaca.SellToClose {
		t.Fatalf("closing = %+v", closing)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, e.URL()+"/v2/positions/"+calls[0]+"/exercise", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("APCA-API-KEY-ID", "PKSDK")
	request.Header.Set("APCA-API-SECRET-KEY", "secret")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("exercise answered %d", answer.StatusCode)
	}
	if shares := must[*alpaca.Position](t)(client.GetPosition("AAPL")); shares.Qty.String() != "100" {
		t.Fatalf("shares = %+v", shares)
	}
	activities := must[[]alpaca.AccountActivity](t)(client.GetAccountActivities(alpaca.GetAccountActivitiesRequest{Category: "non_trade_activity"}))
	if len(activities) != 2 || activities[0].ActivityType != "OPTRD" || activities[1].ActivityType != "OPEXC" || activities[1].Qty.String() != "-1" {
		t.Fatalf("activities = %+v", activities)
	}
	if account := must[*alpaca.Account](t)(client.GetAccount()); !account.NonMarginBuyingPower.LessThan(account.BuyingPower) {
		t.Fatalf("account = %+v", account)
	}
	if streamed := activityStream(t, e); strings.Join(streamed, " ") != "FILL FILL OPEXC OPTRD" {
		t.Fatalf("streamed activities = %v", streamed)
	}
}

// activityStream reads the account's activities as server-sent events from the beginning to now.
func activityStream(t *testing.T, e *emulator.Emulator) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), streamDeadline)
	defer cancel()
	url := e.URL() + "/v2beta1/events/activities?since=2020-01-01&until=" + time.Now().UTC().Format(time.RFC3339Nano)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("PKSDK", "secret")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var types []string
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event struct {
			EventID   string `json:"event_id"`
			Type      string `json:"activity_type"`
			RefID     string `json:"ref_id"`
			Status    string
			NetAmount string `json:"net_amount"`
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil || len(event.EventID) != 26 || event.RefID == "" || event.Status != "executed" || event.NetAmount == "" {
			t.Fatalf("event = %s, %v", data, err)
		}
		types = append(types, event.Type)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return types
}

func TestMultiLegOrders(t *testing.T) {
	t.Parallel()
	e, client := started(t)
	calls := spread(t, client)
	quoteOptions(t, e, calls)
	order := must[*alpaca.Order](t)
	legs := []alpaca.Leg{
		{Symbol: calls[0], RatioQty: *amount("1"), Side: alpaca.Buy, PositionIntent: alpaca.BuyToOpen},
		{Symbol: calls[1], RatioQty: *amount("1"), Side: alpaca.Sell, PositionIntent: alpaca.SellToOpen},
	}
	placed := order(client.PlaceOrder(alpaca.PlaceOrderRequest{
		Qty: amount("3"), Type: alpaca.Limit, LimitPrice: amount("2.50"), TimeInForce: alpaca.Day, OrderClass: alpaca.MLeg, Legs: legs,
	}))
	if placed.OrderClass != alpaca.MLeg || len(placed.Legs) != 2 || placed.Legs[1].Symbol != calls[1] {
		t.Fatalf("placed = %+v", placed)
	}
	replaced := order(client.ReplaceOrder(placed.ID, alpaca.ReplaceOrderRequest{LimitPrice: amount("3.10")}))
	filled := order(client.GetOrder(replaced.ID))
	if filled.Status != "filled" || filled.FilledAvgPrice.String() != "3.06" || filled.Legs[0].FilledQty.String() != "3" {
		t.Fatalf("filled = %+v", filled)
	}
	all := must[[]alpaca.Order](t)(client.GetOrders(alpaca.GetOrdersRequest{Status: "all", Nested: true}))
	if len(all) != 2 || len(all[0].Legs) != 2 {
		t.Fatalf("orders = %+v", all)
	}
	if positions := must[[]alpaca.Position](t)(client.GetPositions()); len(positions) != 2 {
		t.Fatalf("positions = %+v", positions)
	}
	if closed := must[[]alpaca.Order](t)(client.CloseAllPositions(alpaca.CloseAllPositionsRequest{})); len(closed) != 2 {
		t.Fatalf("closed = %+v", closed)
	}
	if positions := must[[]alpaca.Position](t)(client.GetPositions()); len(positions) != 0 {
		t.Fatalf("positions = %+v", positions)
	}
}

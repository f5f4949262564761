// Package sdktest calls the emulator through Alpaca's official Go SDK.
package sdktest

import (
	"context"
	"testing"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	sdkdecimal "github.com/shopspring/decimal"
	"go.uber.org/zap"

	"github.com/opitios-ai/alpaca-knative/emulator"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func started(t *testing.T) (*emulator.Emulator, *alpaca.Client) {
	t.Helper()
	e, err := emulator.New(emulator.Config{
		Accounts: []emulator.Account{{KeyID: "PKSDK", SecretKey: "secret"}}, TradingLimit: -1, DataLimit: -1,
		FillLatency: -1, PartialFillProbability: -1,
	}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	if err := e.SetPrice("AAPL", decimal.FromInt(100)); err != nil {
		t.Fatal(err)
	}
	return e, alpaca.NewClient(alpaca.ClientOpts{APIKey: "PKSDK", APISecret: "secret", BaseURL: e.URL()})
}

// must returns the value of a call that may not fail.
func must[T any](t *testing.T) func(T, error) T {
	t.Helper()
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func amount(text string) *sdkdecimal.Decimal {
	value := sdkdecimal.RequireFromString(text)
	return &value
}

func TestComplexOrders(t *testing.T) {
	t.Parallel()
	e, client := started(t)
	placed := must[*alpaca.Order](t)(client.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("10"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.GTC,
		OrderClass: alpaca.Bracket, TakeProfit: &alpaca.TakeProfit{LimitPrice: amount("110")},
		StopLoss: &alpaca.StopLoss{StopPrice: amount("90"), LimitPrice: amount("89")},
	}))
	if placed.OrderClass != alpaca.Bracket || len(placed.Legs) != 2 || placed.Legs[0].Status != "held" {
		t.Fatalf("answer = %+v", placed)
	}
	open := must[[]alpaca.Order](t)(client.GetOrders(alpaca.GetOrdersRequest{Status: "open"}))
	if len(open) != 1 || open[0].ID != placed.Legs[0].ID {
		t.Fatalf("open = %+v", open)
	}
	nested := must[[]alpaca.Order](t)(client.GetOrders(alpaca.GetOrdersRequest{Status: "all", Nested: true}))
	if len(nested) != 1 || len(nested[0].Legs) != 2 || nested[0].Status != "filled" {
		t.Fatalf("nested = %+v", nested)
	}
	if err := e.SetPrice("AAPL", decimal.FromInt(111)); err != nil {
		t.Fatal(err)
	}
	stop := must[*alpaca.Order](t)(client.GetOrder(placed.Legs[1].ID))
	if stop.Status != "canceled" {
		t.Fatalf("stop is %s", stop.Status)
	}
	if positions := must[[]alpaca.Position](t)(client.GetPositions()); len(positions) != 0 {
		t.Fatalf("positions = %+v", positions)
	}
}

func TestActivitiesAndPortfolioHistory(t *testing.T) {
	t.Parallel()
	e, client := started(t)
	for range 3 {
		must[*alpaca.Order](t)(client.PlaceOrder(alpaca.PlaceOrderRequest{
			Symbol: "AAPL", Qty: amount("2"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day,
		}))
	}
	list := must[[]alpaca.AccountActivity](t)
	all := list(client.GetAccountActivities(alpaca.GetAccountActivitiesRequest{ActivityTypes: []string{"FILL"}}))
	if len(all) != 3 || all[0].Symbol != "AAPL" || all[0].OrderStatus != "filled" || all[0].Price.String() != "100.01" {
		t.Fatalf("activities = %+v", all)
	}
	page := list(client.GetAccountActivities(alpaca.GetAccountActivitiesRequest{PageSize: 1, PageToken: all[0].ID}))
	if len(page) != 1 || page[0].ID != all[1].ID {
		t.Fatalf("page = %+v", page)
	}
	if none := list(client.GetAccountActivities(alpaca.GetAccountActivitiesRequest{Category: "non_trade_activity"})); len(none) != 0 {
		t.Fatalf("non-trade activities = %+v", none)
	}
	if later := list(client.GetAccountActivities(alpaca.GetAccountActivitiesRequest{After: time.Now().Add(time.Hour)})); len(later) != 0 {
		t.Fatalf("activities of the future = %+v", later)
	}
	e.SetTime(time.Now().AddDate(0, 0, 14))
	history := must[*alpaca.PortfolioHistory](t)(client.GetPortfolioHistory(alpaca.GetPortfolioHistoryRequest{
		Period: "1M", TimeFrame: alpaca.Day1,
	}))
	last := len(history.Equity) - 1
	if last < 15 || len(history.Timestamp) != last+1 || history.BaseValue.String() != "99999.94" {
		t.Fatalf("history = %+v", history)
	}
	if !history.Equity[0].IsZero() || history.Equity[last].String() != "99999.94" {
		t.Fatalf("equity = %v", history.Equity)
	}
}

func TestWatchlists(t *testing.T) {
	t.Parallel()
	_, client := started(t)
	one := must[*alpaca.Watchlist](t)
	created := one(client.CreateWatchlist(alpaca.CreateWatchlistRequest{Name: "tech", Symbols: []string{"AAPL", "MSFT"}}))
	if created.Name != "tech" || len(created.Assets) != 2 || created.Assets[1].Symbol != "MSFT" {
		t.Fatalf("created = %+v", created)
	}
	if _, err := client.CreateWatchlist(alpaca.CreateWatchlistRequest{Name: "tech"}); err == nil {
		t.Fatal("two watchlists have one name")
	}
	added := one(client.AddSymbolToWatchlist(created.ID, alpaca.AddSymbolToWatchlistRequest{Symbol: "NVDA"}))
	if len(added.Assets) != 3 {
		t.Fatalf("added = %+v", added)
	}
	if err := client.RemoveSymbolFromWatchlist(created.ID, alpaca.RemoveSymbolFromWatchlistRequest{Symbol: "AAPL"}); err != nil {
		t.Fatal(err)
	}
	changed := one(client.UpdateWatchlist(created.ID, alpaca.UpdateWatchlistRequest{Name: "chips", Symbols: []string{"NVDA"}}))
	if changed.Name != "chips" || len(changed.Assets) != 1 {
		t.Fatalf("changed = %+v", changed)
	}
	if got := one(client.GetWatchlist(created.ID)); got.UpdatedAt != changed.UpdatedAt || got.AccountID == "" {
		t.Fatalf("read = %+v", got)
	}
	if lists := must[[]alpaca.Watchlist](t)(client.GetWatchlists()); len(lists) != 1 || lists[0].ID != created.ID {
		t.Fatalf("lists = %+v", lists)
	}
	if err := client.DeleteWatchlist(created.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := client.GetWatchlist(created.ID); err == nil {
		t.Fatal("the watchlist is still there")
	}
}

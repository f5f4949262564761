package sdktest

import (
	"testing"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
)

func TestAccountAndOrders(t *testing.T) {
	t.Parallel()
	_, client := started(t)
	if account := must[*alpaca.Account](t)(client.GetAccount()); account.Cash.String() != "100000" || account.Status != "ACTIVE" {
		t.Fatalf("account = %+v", account)
	}
	configuration := must[*alpaca.AccountConfigurations](t)(client.GetAccountConfigurations())
	if configuration.NoShorting {
		t.Fatalf("configuration = %+v", configuration)
	}
	changed := must[*alpaca.AccountConfigurations](t)(client.UpdateAccountConfigurations(alpaca.UpdateAccountConfigurationsRequest{NoShorting: true}))
	if !changed.NoShorting {
		t.Fatalf("configuration = %+v", changed)
	}
	order := must[*alpaca.Order](t)
	if _, err := client.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("1"), Side: alpaca.Sell, Type: alpaca.Market, TimeInForce: alpaca.Day,
	}); err == nil {
		t.Fatal("sold short against the configuration")
	}
	limit := order(client.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("5"), Side: alpaca.Buy, Type: alpaca.Limit, LimitPrice: amount("90"),
		TimeInForce: alpaca.GTC, ClientOrderID: "mine",
	}))
	if found := order(client.GetOrderByClientOrderID("mine")); found.ID != limit.ID {
		t.Fatalf("found = %+v", found)
	}
	replaced := order(client.ReplaceOrder(limit.ID, alpaca.ReplaceOrderRequest{LimitPrice: amount("91")}))
	if replaced.Replaces == nil || *replaced.Replaces != limit.ID {
		t.Fatalf("replaced = %+v", replaced)
	}
	if err := client.CancelOrder(replaced.ID); err != nil {
		t.Fatal(err)
	}
	if err := client.CancelAllOrders(); err != nil {
		t.Fatal(err)
	}
	order(client.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("4"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day,
	}))
	if position := must[*alpaca.Position](t)(client.GetPosition("AAPL")); position.Qty.String() != "4" {
		t.Fatalf("position = %+v", position)
	}
	if closing := order(client.ClosePosition("AAPL", alpaca.ClosePositionRequest{Qty: *amount("1")})); closing.Side != alpaca.Sell {
		t.Fatalf("closing = %+v", closing)
	}
	if closed := must[[]alpaca.Order](t)(client.CloseAllPositions(alpaca.CloseAllPositionsRequest{CancelOrders: true})); len(closed) != 1 {
		t.Fatalf("closed = %+v", closed)
	}
}

func TestReferenceData(t *testing.T) {
	t.Parallel()
	_, client := started(t)
	if now := must[*alpaca.Clock](t)(client.GetClock()); !now.IsOpen || !now.NextClose.After(now.Timestamp) {
		t.Fatalf("clock = %+v", now)
	}
	days := must[[]alpaca.CalendarDay](t)(client.GetCalendar(alpaca.GetCalendarRequest{
		Start: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), End: time.Date(2026, 11, 27, 0, 0, 0, 0, time.UTC),
	}))
	if len(days) != 4 || days[3].Close != "13:00" {
		t.Fatalf("calendar = %+v", days)
	}
	if assets := must[[]alpaca.Asset](t)(client.GetAssets(alpaca.GetAssetsRequest{AssetClass: "crypto"})); len(assets) < 10 {
		t.Fatalf("%d crypto pairs", len(assets))
	}
	if listed := must[*alpaca.Asset](t)(client.GetAsset("AAPL")); listed.Symbol != "AAPL" || !listed.Fractionable {
		t.Fatalf("asset = %+v", listed)
	}
}

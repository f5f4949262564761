package sdktest

import (
	"context"
	"testing"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
)

// withDefaultClient makes a client the one that the package's functions use. Such a test must not run in parallel.
func withDefaultClient(t *testing.T) {
	t.Helper()
	_, client := started(t)
	before := alpaca.DefaultClient
	alpaca.DefaultClient = client
	t.Cleanup(func() { alpaca.DefaultClient = before })
}

//nolint:paralleltest // the default client belongs to the whole process
func TestPackageFunctionsOfOrdersAndPositions(t *testing.T) {
	withDefaultClient(t)
	order := must[*alpaca.Order](t)
	placed := order(alpaca.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("3"), Side: alpaca.Buy, Type: alpaca.Limit, LimitPrice: amount("90"),
		TimeInForce: alpaca.Day, ClientOrderID: "wrapped",
	}))
	if got := order(alpaca.GetOrder(placed.ID)); got.ClientOrderID != "wrapped" {
		t.Fatalf("order = %+v", got)
	}
	if got := order(alpaca.GetOrderByClientOrderID("wrapped")); got.ID != placed.ID {
		t.Fatalf("order = %+v", got)
	}
	replaced := order(alpaca.ReplaceOrder(placed.ID, alpaca.ReplaceOrderRequest{Qty: amount("4")}))
	if open := must[[]alpaca.Order](t)(alpaca.GetOrders(alpaca.GetOrdersRequest{})); len(open) != 1 || open[0].ID != replaced.ID {
		t.Fatalf("open = %+v", open)
	}
	if err := alpaca.CancelOrder(replaced.ID); err != nil {
		t.Fatal(err)
	}
	if err := alpaca.CancelAllOrders(); err != nil {
		t.Fatal(err)
	}
	order(alpaca.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("3"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day,
	}))
	if position := must[*alpaca.Position](t)(alpaca.GetPosition("AAPL")); position.Qty.String() != "3" {
		t.Fatalf("position = %+v", position)
	}
	if closing := order(alpaca.ClosePosition("AAPL", alpaca.ClosePositionRequest{Percentage: *amount("50")})); closing.Qty.String() != "1" {
		t.Fatalf("half of three shares = %s", closing.Qty)
	}
	if all := must[[]alpaca.Position](t)(alpaca.GetPositions()); len(all) != 1 || all[0].Qty.String() != "2" {
		t.Fatalf("positions = %+v", all)
	}
	if closed := must[[]alpaca.Order](t)(alpaca.CloseAllPositions(alpaca.CloseAllPositionsRequest{})); len(closed) != 1 {
		t.Fatalf("closed = %+v", closed)
	}
}

//nolint:paralleltest // the default client belongs to the whole process
func TestPackageFunctionsOfAccountAndReferences(t *testing.T) {
	withDefaultClient(t)
	if account := must[*alpaca.Account](t)(alpaca.GetAccount()); account.Multiplier.String() != "4" {
		t.Fatalf("account = %+v", account)
	}
	settings := must[*alpaca.AccountConfigurations](t)
	settings(alpaca.UpdateAccountConfigurations(alpaca.UpdateAccountConfigurationsRequest{NoShorting: true}))
	if got := settings(alpaca.GetAccountConfigurations()); !got.NoShorting {
		t.Fatalf("configuration = %+v", got)
	}
	if list := must[[]alpaca.AccountActivity](t)(alpaca.GetAccountActivities(alpaca.GetAccountActivitiesRequest{})); len(list) != 0 {
		t.Fatalf("activities = %+v", list)
	}
	if history := must[*alpaca.PortfolioHistory](t)(alpaca.GetPortfolioHistory(alpaca.GetPortfolioHistoryRequest{Period: "1D"})); len(history.Timestamp) == 0 {
		t.Fatalf("history = %+v", history)
	}
	if now := must[*alpaca.Clock](t)(alpaca.GetClock()); now.Timestamp.IsZero() {
		t.Fatalf("clock = %+v", now)
	}
	if days := must[[]alpaca.CalendarDay](t)(alpaca.GetCalendar(alpaca.GetCalendarRequest{Start: time.Now(), End: time.Now().AddDate(0, 0, 9)})); len(days) < 5 {
		t.Fatalf("calendar = %+v", days)
	}
	if assets := must[[]alpaca.Asset](t)(alpaca.GetAssets(alpaca.GetAssetsRequest{Status: "active"})); len(assets) < 200 {
		t.Fatalf("%d assets", len(assets))
	}
	if found := must[*alpaca.Asset](t)(alpaca.GetAsset("MSFT")); found.Exchange != "NASDAQ" {
		t.Fatalf("asset = %+v", found)
	}
	contracts := must[[]alpaca.OptionContract](t)(alpaca.GetOptionContracts(alpaca.GetOptionContractsRequest{UnderlyingSymbols: "MSFT", TotalLimit: 1}))
	if found := must[*alpaca.OptionContract](t)(alpaca.GetOptionContract(contracts[0].Symbol)); found.UnderlyingSymbol != "MSFT" {
		t.Fatalf("contract = %+v", found)
	}
	announced := must[[]alpaca.Announcement](t)(alpaca.GetAnnouncements(alpaca.GetAnnouncementsRequest{
		CATypes: []string{"dividend"}, Since: time.Now().AddDate(0, 0, -60), Until: time.Now(),
	}))
	if found := must[*alpaca.Announcement](t)(alpaca.GetAnnouncement(announced[0].ID)); found.CAType != "dividend" {
		t.Fatalf("announcement = %+v", found)
	}
}

//nolint:paralleltest // the default client belongs to the whole process
func TestPackageFunctionsOfWatchlists(t *testing.T) {
	withDefaultClient(t)
	one := must[*alpaca.Watchlist](t)
	created := one(alpaca.CreateWatchlist(alpaca.CreateWatchlistRequest{Name: "wrapped", Symbols: []string{"AAPL"}}))
	one(alpaca.AddSymbolToWatchlist(created.ID, alpaca.AddSymbolToWatchlistRequest{Symbol: "MSFT"}))
	if err := alpaca.RemoveSymbolFromWatchlist(created.ID, alpaca.RemoveSymbolFromWatchlistRequest{Symbol: "AAPL"}); err != nil {
		t.Fatal(err)
	}
	if got := one(alpaca.GetWatchlist(created.ID)); len(got.Assets) != 1 || got.Assets[0].Symbol != "MSFT" {
		t.Fatalf("watchlist = %+v", got)
	}
	one(alpaca.UpdateWatchlist(created.ID, alpaca.UpdateWatchlistRequest{Name: "renamed"}))
	if lists := must[[]alpaca.Watchlist](t)(alpaca.GetWatchlists()); len(lists) != 1 || lists[0].Name != "renamed" {
		t.Fatalf("watchlists = %+v", lists)
	}
	if err := alpaca.DeleteWatchlist(created.ID); err != nil {
		t.Fatal(err)
	}
}

//nolint:paralleltest // the default client belongs to the whole process
func TestPackageFunctionsOfTradeUpdates(t *testing.T) {
	withDefaultClient(t)
	began := time.Now().Add(-time.Second)
	ctx, cancel := context.WithTimeout(t.Context(), streamDeadline)
	defer cancel()
	live := make(chan alpaca.TradeUpdate, 16)
	alpaca.StreamTradeUpdatesInBackground(ctx, func(update alpaca.TradeUpdate) { live <- update })
	placed := must[*alpaca.Order](t)(alpaca.PlaceOrder(alpaca.PlaceOrderRequest{
		Symbol: "AAPL", Qty: amount("1"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day,
	}))
	past, stop := context.WithCancel(ctx)
	defer stop()
	var events []string
	err := alpaca.StreamTradeUpdates(past, func(update alpaca.TradeUpdate) {
		if update.Order.ID == placed.ID {
			events = append(events, update.Event)
		}
		if update.Event == "fill" {
			stop()
		}
	}, alpaca.StreamTradeUpdatesRequest{Since: began})
	if past.Err() == nil {
		t.Fatal(err)
	}
	if len(events) != 3 || events[0] != "pending_new" || events[2] != "fill" {
		t.Fatalf("events = %v", events)
	}
	// The background stream began before or after the order: what counts is that it delivers the next one.
	for found := false; !found; {
		must[*alpaca.Order](t)(alpaca.PlaceOrder(alpaca.PlaceOrderRequest{
			Symbol: "AAPL", Qty: amount("1"), Side: alpaca.Buy, Type: alpaca.Market, TimeInForce: alpaca.Day,
		}))
		select {
		case <-live:
			found = true
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			t.Fatal("the background stream delivered nothing")
		}
	}
}

package sdktest

import (
	"reflect"
	"testing"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
)

// covered names, for every method of the SDK's trading client, the test that calls it.
func covered() map[string]string {
	return map[string]string{
		"GetAccount":                     "TestAccountAndOrders",
		"GetAccountConfigurations":       "TestAccountAndOrders",
		"UpdateAccountConfigurations":    "TestAccountAndOrders",
		"GetClock":                       "TestReferenceData",
		"GetCalendar":                    "TestReferenceData",
		"GetAssets":                      "TestReferenceData",
		"GetAsset":                       "TestReferenceData",
		"PlaceOrder":                     "TestComplexOrders",
		"GetOrders":                      "TestComplexOrders",
		"GetOrder":                       "TestComplexOrders",
		"GetPositions":                   "TestComplexOrders",
		"GetOrderByClientOrderID":        "TestAccountAndOrders",
		"ReplaceOrder":                   "TestAccountAndOrders",
		"CancelOrder":                    "TestAccountAndOrders",
		"CancelAllOrders":                "TestAccountAndOrders",
		"GetPosition":                    "TestAccountAndOrders",
		"ClosePosition":                  "TestAccountAndOrders",
		"CloseAllPositions":              "TestAccountAndOrders",
		"GetAccountActivities":           "TestActivitiesAndPortfolioHistory",
		"GetPortfolioHistory":            "TestActivitiesAndPortfolioHistory",
		"CreateWatchlist":                "TestWatchlists",
		"GetWatchlist":                   "TestWatchlists",
		"GetWatchlists":                  "TestWatchlists",
		"UpdateWatchlist":                "TestWatchlists",
		"AddSymbolToWatchlist":           "TestWatchlists",
		"RemoveSymbolFromWatchlist":      "TestWatchlists",
		"DeleteWatchlist":                "TestWatchlists",
		"StreamTradeUpdates":             "emulator.TestSDKTradeUpdates",
		"StreamTradeUpdatesInBackground": "TestStreamTradeUpdatesInBackground",
	}
}

// missing are the methods that no test calls: the emulator has no endpoint for option contracts and announcements.
func missing() []string {
	return []string{"GetOptionContracts", "GetOptionContract", "GetAnnouncements", "GetAnnouncement"}
}

func TestEveryMethodIsCoveredOrKnownToBeMissing(t *testing.T) {
	t.Parallel()
	known := covered()
	for _, name := range missing() {
		known[name] = "missing"
	}
	client := reflect.TypeFor[*alpaca.Client]()
	for i := range client.NumMethod() {
		name := client.Method(i).Name
		if known[name] == "" {
			t.Errorf("alpaca.Client.%s is called by no test", name)
		}
		delete(known, name)
	}
	for name := range known {
		t.Errorf("alpaca.Client has no method %s", name)
	}
}

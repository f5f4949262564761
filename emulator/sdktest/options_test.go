package sdktest

import (
	"testing"
	"time"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
)

func TestOptionContracts(t *testing.T) {
	t.Parallel()
	_, client := started(t)
	contracts := must[[]alpaca.OptionContract](t)
	soonest := contracts(client.GetOptionContracts(alpaca.GetOptionContractsRequest{UnderlyingSymbols: "AAPL", TotalLimit: 1}))
	if len(soonest) != 1 || time.Until(soonest[0].ExpirationDate.In(time.UTC)) > 8*24*time.Hour {
		t.Fatalf("without dates = %+v", soonest)
	}
	today := soonest[0].ExpirationDate
	all := contracts(client.GetOptionContracts(alpaca.GetOptionContractsRequest{
		UnderlyingSymbols: "AAPL,MSFT", ExpirationDateGTE: today, ExpirationDateLTE: today.AddDays(60), PageLimit: 37,
		Type: alpaca.OptionTypeCall, Style: alpaca.OptionStyleAmerican, ShowDeliverable: true,
	}))
	if len(all) < 40 {
		t.Fatalf("%d contracts", len(all))
	}
	seen := make(map[string]bool)
	for _, contract := range all {
		if seen[contract.Symbol] {
			t.Fatalf("%s is on two pages", contract.Symbol)
		}
		seen[contract.Symbol] = true
		if contract.Type != alpaca.OptionTypeCall || contract.Multiplier.String() != "100" || contract.Status != alpaca.OptionStatusActive ||
			contract.ExpirationDate.Before(today) || len(contract.Deliverables) != 1 || contract.ClosePrice == nil {
			t.Fatalf("contract = %+v", contract)
		}
	}
	first := all[0]
	for _, key := range []string{first.Symbol, first.ID} {
		one := must[*alpaca.OptionContract](t)(client.GetOptionContract(key))
		if one.ID != first.ID || one.Symbol != first.Symbol || !one.StrikePrice.Equal(first.StrikePrice) {
			t.Fatalf("by %s = %+v", key, one)
		}
	}
	narrow := contracts(client.GetOptionContracts(alpaca.GetOptionContractsRequest{
		RootSymbol: "AAPL", ExpirationDate: first.ExpirationDate, StrikePriceGTE: first.StrikePrice,
		StrikePriceLTE: first.StrikePrice, PennyProgramIndicator: true,
	}))
	if len(narrow) != 2 || narrow[0].Type == narrow[1].Type { // the call and the put
		t.Fatalf("narrow = %+v", narrow)
	}
	limited := contracts(client.GetOptionContracts(alpaca.GetOptionContractsRequest{TotalLimit: 250, PageLimit: 100}))
	if len(limited) != 250 {
		t.Fatalf("%d contracts of 250", len(limited))
	}
	past := contracts(client.GetOptionContracts(alpaca.GetOptionContractsRequest{
		UnderlyingSymbols: "AAPL", Status: alpaca.OptionStatusInactive, TotalLimit: 10,
	}))
	if len(past) != 10 || past[0].Status != alpaca.OptionStatusInactive || past[0].Tradable || !past[0].ExpirationDate.Before(today) {
		t.Fatalf("inactive = %+v", past)
	}
	if _, err := client.GetOptionContract("AAPL991231C00000001"); err == nil {
		t.Fatal("a contract that does not exist was found")
	}
}

func TestAnnouncements(t *testing.T) {
	t.Parallel()
	_, client := started(t)
	until := time.Now()
	request := alpaca.GetAnnouncementsRequest{
		CATypes: []string{"Dividend", "Split"}, Since: until.AddDate(0, 0, -80), Until: until, DateType: alpaca.RecordDate,
	}
	list := must[[]alpaca.Announcement](t)
	all := list(client.GetAnnouncements(request))
	if len(all) == 0 {
		t.Fatal("no announcements")
	}
	for _, found := range all {
		if found.CAType != "dividend" && found.CAType != "split" || found.CorporateActionsID == "" || found.RecordDate == "" {
			t.Fatalf("announcement = %+v", found)
		}
	}
	one := must[*alpaca.Announcement](t)(client.GetAnnouncement(all[0].ID))
	if *one != all[0] {
		t.Fatalf("by ID = %+v, in the list %+v", one, all[0])
	}
	request.Symbol = all[0].InitiatingSymbol
	for _, found := range list(client.GetAnnouncements(request)) {
		if found.InitiatingSymbol != request.Symbol && found.TargetSymbol != request.Symbol {
			t.Fatalf("of %s: %+v", request.Symbol, found)
		}
	}
	request.Since = until.AddDate(0, 0, -91)
	if _, err := client.GetAnnouncements(request); err == nil {
		t.Fatal("a span of 91 days was taken")
	}
	if _, err := client.GetAnnouncement("11111111-2222-3333-4444-555555555555"); err == nil {
		t.Fatal("an announcement that does not exist was found")
	}
}

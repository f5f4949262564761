package asset_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func catalogue(t testing.TB) *asset.Catalogue {
	t.Helper()
	built, err := asset.NewCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func find(t testing.TB, c *asset.Catalogue, symbol string) *asset.Asset {
	t.Helper()
	found, ok := c.Find(symbol)
	if !ok {
		t.Fatalf("no %s", symbol)
	}
	return found
}

func newYork(t testing.TB, text string) time.Time {
	t.Helper()
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.ParseInLocation("2006-01-02 15:04", text, zone)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func TestCryptoPairs(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	count := 0
	for _, listed := range c.All() {
		if listed.Class != asset.Crypto {
			continue
		}
		count++
		if listed.Exchange != "CRYPTO" || !listed.Pair.MinOrderSize.IsPos() || !listed.Pair.PriceIncrement.IsPos() {
			t.Errorf("%s: %+v", listed.Symbol, listed.Pair)
		}
	}
	if count < 10 {
		t.Errorf("%d pairs", count)
	}
	bitcoin := find(t, c, "BTC/USD")
	for _, name := range []string{"BTCUSD", bitcoin.ID} {
		if find(t, c, name) != bitcoin {
			t.Errorf("%s is not BTC/USD", name)
		}
	}
	worth := bitcoin.Pair.MinOrderSize.Mul(bitcoin.Price).InexactFloat64()
	if worth < 0.99 || worth > 1.01 {
		t.Errorf("the smallest order of BTC/USD is worth %f", worth)
	}
}

func TestTestSymbolIsNotTradable(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	if fake := find(t, c, asset.TestSymbol); fake.Tradable || slices.Contains(c.All(), fake) {
		t.Error("FAKEPACA must not be tradable nor listed")
	}
}

func TestExpirations(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	cases := []struct {
		name, at string
		want     []string
	}{
		{"a Monday", "2026-11-23 10:00", []string{
			"2026-11-27", "2026-12-04", "2026-12-11", "2026-12-18", "2027-01-15", "2027-02-19", "2027-03-19", "2027-04-16", "2027-05-21",
		}},
		{"the expiration day itself", "2026-12-18 15:59", []string{
			"2026-12-18", "2026-12-24", "2026-12-31", "2027-01-08", "2027-01-15", "2027-02-19", "2027-03-19", "2027-04-16", "2027-05-21",
		}},
		{"good Friday moves one", "2025-04-07 10:00", []string{
			"2025-04-11", "2025-04-17", "2025-04-25", "2025-05-02", "2025-05-16", "2025-06-20", "2025-07-18", "2025-08-15", "2025-09-19",
		}},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var got []string
			for _, expiration := range c.Expirations(newYork(t, test.at)) {
				got = append(got, expiration.Format(time.DateOnly))
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("expirations = %v\nwant %v", got, test.want)
			}
		})
	}
}

// TestEveryListedContractIsFound looks up all contracts of some underlyings by symbol and by ID.
func TestEveryListedContractIsFound(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	if len(c.Underlyings()) < 40 {
		t.Fatalf("%d underlyings", len(c.Underlyings()))
	}
	now := newYork(t, "2026-11-23 10:00")
	for _, symbol := range []string{"AAPL", "BRK.B", "F", "BKNG", "SPY"} {
		underlying := find(t, c, symbol)
		seen := map[string]bool{}
		var symbols []string
		for listed := range c.Chain(underlying, now) {
			if seen[listed.ID] {
				t.Fatalf("%s: two contracts have ID %s", symbol, listed.ID)
			}
			seen[listed.ID] = true
			symbols = append(symbols, listed.Symbol)
			for _, name := range []string{listed.Symbol, listed.ID} {
				again := find(t, c, name)
				if again.Symbol != listed.Symbol || again.ID != listed.ID || !again.Contract.Expiration.Equal(listed.Contract.Expiration) {
					t.Fatalf("%s finds %s", name, again.Symbol)
				}
			}
			if !c.IsListed(listed.Contract, now) {
				t.Fatalf("%s is not listed", listed.Symbol)
			}
		}
		if len(symbols) < 100 || !slices.IsSorted(symbols) {
			t.Errorf("%s: %d contracts, sorted %t", symbol, len(symbols), slices.IsSorted(symbols))
		}
	}
}

func TestContractTerms(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	found := find(t, c, "AAPL261218C00270000")
	contract := found.Contract
	if contract.Underlying.Symbol != "AAPL" || contract.Type != asset.Call || !contract.Strike.Equal(decimal.FromInt(270)) {
		t.Errorf("contract = %+v", contract)
	}
	if want := newYork(t, "2026-12-18 16:00"); !contract.Expiration.Equal(want) || !contract.Expired(want) || !contract.ExpiresOn(want) {
		t.Errorf("expiration = %s", contract.Expiration)
	}
	if found.Name != "AAPL Dec 18 2026 270 Call" || found.Class != asset.Option {
		t.Errorf("name = %q, class = %s", found.Name, found.Class)
	}
	atTheMoney, far := contract.OpenInterest(contract.Expiration), find(t, c, "AAPL261218P00150000").Contract.OpenInterest(contract.Expiration)
	if atTheMoney <= 0 || far > atTheMoney {
		t.Errorf("open interest %d at the money, %d far from it", atTheMoney, far)
	}
	if find(t, c, "BRKB261218P00500000").Contract.Underlying.Symbol != "BRK.B" {
		t.Error("the root of BRK.B is BRKB")
	}
}

func TestContractsThatDoNotExist(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	for _, name := range []string{
		"AAPL261217C00270000", "AAPL261218C00270001", "AAPL261218C99999999", "AAPL261218X00270000", "ZZZZ261218C00270000",
		"AAPL269918C00270000", "AAPL261218C0027000", "aapl261218C00270000", "", "C00270000",
		"00000000-0000-8000-8000-000000000000", "ffffffff-ffff-8fff-bfff-ffffffffffff", "not-a-uuid-but-36-characters-long-xx",
	} {
		if found, ok := c.Find(name); ok {
			t.Errorf("%q finds %s", name, found.Symbol)
		}
	}
}

func TestPerpetuals(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	if found := find(t, c, "BTC-PERP"); found.Class != asset.Perpetual || found.Tradable {
		t.Errorf("BTC-PERP = %+v", found)
	}
}

// TestFindNeverInvents asks for anything: what is found has the name it was asked by.
func TestFindNeverInvents(t *testing.T) {
	t.Parallel()
	c := catalogue(t)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringMatching(`[A-Z]{1,6}2[5-8](0[1-9]|1[0-2])[0-3][0-9][CP]00[0-9]{3}[05]00`), rapid.String()).Draw(t, "name")
		found, ok := c.Find(name)
		if ok && found.ID != name && strings.ReplaceAll(found.Symbol, "/", "") != strings.ReplaceAll(name, "/", "") {
			t.Fatalf("%q finds %s", name, found.Symbol)
		}
	})
}

func BenchmarkFindContract(b *testing.B) {
	c := catalogue(b)
	b.ReportAllocs()
	for b.Loop() {
		find(b, c, "AAPL261218C00270000")
	}
}

package market_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/market"
)

func TestParseStock(t *testing.T) {
	t.Parallel()
	for symbol, want := range map[string]string{
		"A": "A", "AAPL": "AAPL", "aapl": "AAPL", "BRK.B": "BRK.B", "brk-b": "BRK-B", "BAC.PRL": "BAC.PRL",
		"ABC.WS.A": "ABC.WS.A", "ABCDEF": "ABCDEF", "ZVZZT": "ZVZZT", "T1": "T1",
	} {
		if got, err := market.ParseStock(symbol); err != nil || got != want {
			t.Errorf("ParseStock(%q) = %q, %v, want %q", symbol, got, err, want)
		}
	}
	mustRefuse(t, func(s string) error { _, err := market.ParseStock(s); return err }, map[string]string{
		"": "empty", "1A": "start with a letter", ".B": "start with a letter", "ABCDEFG": "at most 6", "A B": "only letters",
		"A$": "only letters", "BTC/USD": "only letters", "BRK.": "1 to 3 letters", "BRK.BBBB": "1 to 3 letters",
		"BRK.1": "1 to 3 letters", "BRK-A-B": "1 to 3 letters", "A.WS.AB": "one letter", "A.WS.": "one letter",
		"ÄÖ": "start with a letter", "ſ": "start with a letter", " AAPL": "start with a letter", "AAPL\n": "only letters",
		"AAPL250117C00150000": "at most 12",
	})
}

func TestParseOption(t *testing.T) {
	t.Parallel()
	option, err := market.ParseOption("aapl250117c00150500")
	if err != nil {
		t.Fatal(err)
	}
	if option.Symbol != "AAPL250117C00150500" || option.Root != "AAPL" || !option.Call || option.Strike.String() != "150.5" ||
		option.Expiration.Format("2006-01-02") != "2025-01-17" {
		t.Errorf("got %+v", option)
	}
	for symbol, root := range map[string]string{"F280229P00000001": "F", "SPXW250117P05000000": "SPXW", "AAPL1250117C00150000": "AAPL1"} {
		if got, err := market.ParseOption(symbol); err != nil || got.Root != root {
			t.Errorf("ParseOption(%q) = %+v, %v", symbol, got, err)
		}
	}
	mustRefuse(t, func(s string) error { _, err := market.ParseOption(s); return err }, map[string]string{
		"": "16 to 21", "AAPL": "16 to 21", "250117C00150000": "16 to 21", "ABCDEFG250117C00150000": "16 to 21",
		"AAPL  250117C00150000": "the root", "1250117C00150000": "the root", "AAPL250230C00150000": "expiration date",
		"AAPL251317C00150000": "expiration date", "AAPL250117X00150000": "C or P", "AAPL250117C00000000": "above 0",
		"AAPL250117C0015000A": "8 digits", "AAPL250117C-0150000": "8 digits",
	})
}

func TestParsePair(t *testing.T) {
	t.Parallel()
	for symbol, want := range map[string]string{
		"BTC/USD": "BTC/USD", "btc/usd": "BTC/USD", "BTCUSD": "BTC/USD", "BTCUSDC": "BTC/USDC", "USDTUSD": "USDT/USD",
		"ethbtc": "ETH/BTC", "AAPLx/USD": "AAPLx/USD", "avax/usd": "AVAX/USD", "AVAX/USDT": "AVAX/USDT",
	} {
		got, err := market.ParsePair(symbol)
		if err != nil || got.String() != want || got.Joined() != strings.Replace(want, "/", "", 1) {
			t.Errorf("ParsePair(%q) = %v, %v, want %s", symbol, got, err, want)
		}
	}
	mustRefuse(t, func(s string) error { _, err := market.ParsePair(s); return err }, map[string]string{
		"": "empty", "BTC": "BASE/QUOTE", "AAPL": "BASE/QUOTE", "USD": "BASE/QUOTE", "/USD": "1 to 10", "BTC/": "1 to 10",
		"BTC/USD/X": "1 to 10", "B1/USD": "1 to 10", "USD/USD": "differ", strings.Repeat("A", 30): "at most 10",
		"ABCDEFGHIJK/USD": "1 to 10",
	})
}

// mustRefuse checks that each symbol is refused with a message that holds the rule.
func mustRefuse(t *testing.T, parse func(string) error, rules map[string]string) {
	t.Helper()
	for symbol, rule := range rules {
		err := parse(symbol)
		if !errors.Is(err, market.ErrSymbol) || !strings.Contains(err.Error(), rule) {
			t.Errorf("%q: got %v, want ErrSymbol with %q", symbol, err, rule)
		}
	}
}

func TestErrorsRepeatLittleOfTheInput(t *testing.T) {
	t.Parallel()
	if _, err := market.ParseStock(strings.Repeat("A", 1<<20)); len(err.Error()) > 200 {
		t.Errorf("the error has %d bytes", len(err.Error()))
	}
}

func TestParseStockDoesNotAllocate(t *testing.T) {
	if allocations := testing.AllocsPerRun(100, func() { _, _ = market.ParseStock("BRK.B") }); allocations != 0 {
		t.Errorf("%v allocations", allocations)
	}
}

func FuzzParseStock(f *testing.F) {
	for _, seed := range []string{"AAPL", "brk.b", "A.WS.A", "", "É", "A.", "BTC/USD"} {
		f.Add(seed)
	}
	grammar := regexp.MustCompile(`^[A-Z][A-Z0-9]{0,5}([.-][A-Z]{1,3}(\.[A-Z])?)?$`)
	f.Fuzz(func(t *testing.T, symbol string) {
		got, err := market.ParseStock(symbol)
		if (err == nil) != grammar.MatchString(asciiUpper(symbol)) {
			t.Fatalf("ParseStock(%q) = %q, %v", symbol, got, err)
		}
		if again, err2 := market.ParseStock(got); err == nil && (err2 != nil || again != got) {
			t.Fatalf("%q is not canonical: %q, %v", got, again, err2)
		}
	})
}

func FuzzParseOption(f *testing.F) {
	f.Add("AAPL250117C00150000")
	f.Add("F280229P00000001")
	f.Fuzz(func(t *testing.T, symbol string) {
		option, err := market.ParseOption(symbol)
		if err != nil {
			return
		}
		if again, err := market.ParseOption(option.Symbol); err != nil || again.Symbol != asciiUpper(symbol) || !option.Strike.IsPos() {
			t.Fatalf("%q gives %+v, then %+v, %v", symbol, option, again, err)
		}
	})
}

func FuzzParsePair(f *testing.F) {
	for _, seed := range []string{"BTC/USD", "BTCUSDT", "AAPLx/USD"} {
		f.Add(seed)
	}
	grammar := regexp.MustCompile(`^[A-Z]+x?/[A-Z]+$`) // Alpaca's own
	f.Fuzz(func(t *testing.T, symbol string) {
		pair, err := market.ParsePair(symbol)
		if err != nil {
			return
		}
		if again, err := market.ParsePair(pair.String()); err != nil || again != pair || !grammar.MatchString(pair.String()) {
			t.Fatalf("%q gives %v, then %v, %v", symbol, pair, again, err)
		}
	})
}

func asciiUpper(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' {
			return r - 'a' + 'A'
		}
		return r
	}, s)
}

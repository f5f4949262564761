package quote_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/functions/quote"
)

const quotes = "/api/v1/stocks/quotes"

// summary is the symbols of a list's quotes, then its errors as symbol:code.
func summary(t *testing.T, got reply) string {
	t.Helper()
	var data quote.StockQuotes
	if err := json.Unmarshal(got.Data, &data); got.Status != http.StatusOK || err != nil {
		t.Fatalf("status %d, %+v, %v", got.Status, got.Error, err)
	}
	if data.Quotes == nil || data.Errors == nil {
		t.Errorf("an array is null: %s", got.Data)
	}
	var words []string
	for _, q := range data.Quotes {
		words = append(words, q.Symbol)
	}
	for _, e := range data.Errors {
		words = append(words, e.Symbol+":"+e.Code)
		if e.Message == "" {
			t.Errorf("no message for %s", e.Symbol)
		}
	}
	return strings.Join(words, " ")
}

func TestList(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, symbols, want, upstream string }{
		{"one", "AAPL", "AAPL", "AAPL"},
		{"in order", "MSFT,AAPL", "MSFT AAPL", "MSFT,AAPL"},
		{"duplicates", "AAPL,aapl,AAPL", "AAPL", "AAPL"},
		{"unknown", "AAPL,NOSUCH", "AAPL NOSUCH:SYMBOL_NOT_FOUND", "AAPL,NOSUCH"},
		{"only unknown", "NOSUCH", "NOSUCH:SYMBOL_NOT_FOUND", "NOSUCH"},
		{"malformed", "A$PL,AAPL", "AAPL A$PL:INVALID_REQUEST", "AAPL"},
		{"only malformed", "A$PL", "A$PL:INVALID_REQUEST", ""},
		{"empty item", "AAPL,", "AAPL :INVALID_REQUEST", "AAPL"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := start(t)
			body, err := json.Marshal(map[string]any{"symbols": strings.Split(c.symbols, ",")})
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, "GET", summary(t, b.get(quotes+"?symbols="+c.symbols)), c.want)
			mustEqual(t, "POST", summary(t, b.send(http.MethodPost, quotes, b.token, string(body))), c.want)
			mustEqual(t, "upstream", strings.Join(b.alpaca.calls(), ";"), c.upstream)
		})
	}
}

func TestListFiftySymbolsInOneCall(t *testing.T) {
	t.Parallel()
	b := start(t)
	symbols := make([]string, 50)
	for i := range symbols {
		symbols[i] = "T" + string(rune('A'+i/26)) + string(rune('A'+i%26))
	}
	mustEqual(t, "list", summary(t, b.get(quotes+"?symbols="+strings.Join(symbols, ","))), strings.Join(symbols, " "))
	mustEqual(t, "upstream calls", len(b.alpaca.calls()), 1)
}

func TestListAsksForTheMissingOnly(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.quote(apple)
	mustEqual(t, "list", summary(t, b.get(quotes+"?symbols=AAPL,MSFT,NOSUCH")), "AAPL MSFT NOSUCH:SYMBOL_NOT_FOUND")
	mustEqual(t, "upstream", strings.Join(b.alpaca.calls(), ";"), "AAPL;MSFT,NOSUCH")
}

func TestListWithASymbolThatAlpacaCallsInvalid(t *testing.T) {
	t.Parallel()
	b := start(t)
	invalid := replyStatus(http.StatusBadRequest, "invalid symbol: BAD.X does not match")
	b.alpaca.answers(func(w http.ResponseWriter, key string, symbols []string) {
		if strings.Contains(strings.Join(symbols, ","), "BAD.X") {
			invalid(w, key, symbols)
			return
		}
		replyKnown(w, key, symbols)
	})
	mustEqual(t, "list", summary(t, b.get(quotes+"?symbols=BAD.X,AAPL")), "AAPL BAD.X:SYMBOL_NOT_FOUND")
}

func TestListFailsAsAWholeOnlyWithoutAnyAnswer(t *testing.T) {
	t.Parallel()
	b := start(t)
	b.quote(apple)
	b.alpaca.answers(replyStatus(http.StatusInternalServerError, "internal server error occurred"))
	mustEqual(t, "list", summary(t, b.get(quotes+"?symbols=AAPL,MSFT")), "AAPL MSFT:UPSTREAM_UNAVAILABLE")
	b.mustFail(b.get(quotes+"?symbols=TSLA,NVDA"), http.StatusBadGateway, "UPSTREAM_UNAVAILABLE")
}

func TestListCacheControl(t *testing.T) {
	t.Parallel()
	b := start(t)
	mustEqual(t, "all fresh", b.get(quotes+"?symbols=AAPL,MSFT").Header.Get("Cache-Control"), "private, max-age=1")
	mustEqual(t, "with an error", b.get(quotes+"?symbols=AAPL,NOSUCH").Header.Get("Cache-Control"), "no-store")
}

func TestTwoHundredSymbolsAreOneCall(t *testing.T) {
	t.Parallel()
	b := start(t)
	names := make([]string, 200)
	for i := range names {
		names[i] = fmt.Sprintf("S%d", i)
	}
	names[7], names[8] = "NOSUCH", "$"
	got := b.get(quotes + "?symbols=" + strings.Join(names, ","))
	words := strings.Fields(summary(t, got))
	mustEqual(t, "quotes and errors", len(words), 200)
	mustEqual(t, "errors", strings.Join(words[198:], " "), "$:INVALID_REQUEST NOSUCH:SYMBOL_NOT_FOUND")
	mustEqual(t, "upstream calls", len(b.alpaca.calls()), 1)
}

package data_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"strings"
	"testing"
)

// TestPagesAddUp walks every paged endpoint in pages of each size and compares what came with one large page.
func TestPagesAddUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const minute = "start=2026-11-23T16:59:00Z&end=2026-11-23T16:59:20Z"
	for _, c := range []struct{ name, path string }{
		{"trades", "/v2/stocks/trades?symbols=AAPL,MSFT,NOSUCH,SPY&" + minute},
		{"quotes", "/v2/stocks/quotes?symbols=AAPL,MSFT&sort=desc&" + minute},
		{"bars", "/v2/stocks/bars?symbols=AAPL,IBM,SPY&timeframe=1Day&start=2026-11-09"},
		{"auctions", "/v2/stocks/auctions?symbols=AAPL,IBM&start=2026-11-16"},
		{"bars", "/v1beta3/crypto/us/bars?symbols=BTC/USD,ETH/USD&timeframe=4Hour&sort=desc&start=2026-11-22"},
		{"trades", "/v1beta1/options/trades?symbols=" + call + "&start=2026-11-23"},
		{"rates", "/v1beta1/forex/rates?currency_pairs=USDJPY,USDEUR&timeframe=1Day&start=2026-11-18"},
	} {
		whole := decode[map[string]json.RawMessage](t, w.get(t.Context(), "PLUS", c.path+"&limit=10000"))
		var want map[string][]any
		if err := json.Unmarshal(whole[c.name], &want); err != nil || len(want) == 0 || string(whole["next_page_token"]) != "null" {
			t.Fatalf("%s: %v, %s", c.path, err, whole)
		}
		for _, limit := range []int{1, 3, 7, 50} {
			got, pages := make(map[string][]any), 0
			for token := ""; ; pages++ {
				page := decode[map[string]any](t, w.get(t.Context(), "PLUS", fmt.Sprintf("%s&limit=%d&page_token=%s", c.path, limit, url.QueryEscape(token))))
				items := 0
				for symbol, list := range page[c.name].(map[string]any) {
					got[symbol] = append(got[symbol], list.([]any)...)
					items += len(list.([]any))
				}
				if items > limit {
					t.Fatalf("%s: a page of %d has %d items", c.path, limit, items)
				}
				next, more := page["next_page_token"].(string)
				if !more {
					break
				}
				token = next
				if text, err := base64.StdEncoding.DecodeString(token); err != nil || strings.Count(string(text), "|") < 2 {
					t.Fatalf("%s: token %q: %v", c.path, token, err)
				}
			}
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%s: pages of %d differ from the whole", c.path, limit)
			}
		}
	}
}

// TestPagesOfLists does the same for news, chains and corporate actions.
func TestPagesOfLists(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	keys := func(page map[string]any) []string {
		var found []string
		for _, article := range list(page["news"]) {
			found = append(found, fmt.Sprint(article.(map[string]any)["id"]))
		}
		if chain, ok := page["snapshots"].(map[string]any); ok {
			for symbol := range chain {
				found = append(found, symbol)
			}
		}
		if groups, ok := page["corporate_actions"].(map[string]any); ok {
			for _, group := range groups {
				for _, action := range group.([]any) {
					found = append(found, action.(map[string]any)["id"].(string))
				}
			}
		}
		return found
	}
	for _, c := range []struct {
		path string
		most int
	}{
		{"/v1beta1/news?symbols=AAPL&start=2026-11-23", 50},
		{"/v1beta1/options/snapshots/AAPL?expiration_date=2026-12-18&type=call", 1000},
		{"/v1/corporate-actions?start=2026-01-01&end=2026-03-01&sort=desc", 1000},
	} {
		want := keys(decode[map[string]any](t, w.get(t.Context(), "PLUS", fmt.Sprintf("%s&limit=%d", c.path, c.most))))
		seen := make(map[string]bool)
		for token := ""; ; {
			page := decode[map[string]any](t, w.get(t.Context(), "PLUS", c.path+"&limit=4&page_token="+url.QueryEscape(token)))
			for _, key := range keys(page) {
				if seen[key] {
					t.Errorf("%s: %s came twice", c.path, key)
				}
				seen[key] = true
			}
			next, more := page["next_page_token"].(string)
			if !more {
				break
			}
			token = next
		}
		if len(want) < 5 || len(seen) != len(want) {
			t.Errorf("%s: %d in pages, %d in one", c.path, len(seen), len(want))
		}
	}
}

func list(value any) []any {
	found, _ := value.([]any)
	return found
}

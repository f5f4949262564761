package data_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// paths are all addresses of the package, with a word for {} from the fuzzer.
func paths() []string {
	found := []string{"/v1beta1/events/corporate-actions", "/v1beta1/logos/{}", "/v1beta1/screener/{}/movers", "/v1beta1/options/snapshots/{}"}
	for _, kind := range []string{"quotes", "trades", "bars", "auctions"} {
		found = append(found, "/v2/stocks/"+kind, "/v2/stocks/{}/"+kind, "/v1beta3/crypto/us/"+kind, "/v1beta1/crypto-perps/global/"+kind, "/v1beta1/options/"+kind)
		found = append(found, "/v2/stocks/"+kind+"/latest", "/v2/stocks/{}/"+kind+"/latest", "/v1beta3/crypto/{}/latest/"+kind, "/v1beta1/options/"+kind+"/latest")
	}
	return append(found, "/v2/stocks/snapshots", "/v2/stocks/{}/snapshot", "/v1beta3/crypto/us/latest/orderbooks", "/v1beta3/crypto/us/snapshots",
		"/v1beta1/options/snapshots", "/v1beta1/news", "/v1/corporate-actions", "/v1beta1/screener/stocks/most-actives", "/v1beta1/forex/rates",
		"/v1beta1/forex/latest/rates", "/v2/stocks/meta/conditions/{}", "/v1beta1/options/meta/conditions/{}", "/v1beta1/crypto-perps/global/latest/pricing")
}

// FuzzRequest sends any query to any address: the answer is JSON with a status that the specification lists, or a picture, and
// it comes soon.
func FuzzRequest(f *testing.F) {
	w := newWorld(f)
	all := paths()
	for i, query := range []string{
		"symbols=AAPL,IBM&timeframe=1Day&start=2026-11-01&limit=3", "symbols=BTC/USD&timeframe=4H&sort=desc", "symbols=" + call + "&feed=opra&updated_since=2026-11-23",
		"symbols=&limit=-1&page_token=QUFQTHwxRGF5fDF8MQ==", "start=0001-01-01&end=9999-12-31&timeframe=12Month&symbols=SPY", "currency_pairs=USDJPY&timeframe=5Sec",
		"types=cash_dividend&start=2026-01-01&ids=x", "since=2026-11-01T00:00:00Z&until=2026-11-02T00:00:00Z", "tape=A&top=3&by=trades", "adjustment=all&currency=EUR&asof=-&symbols=AAPL&timeframe=1Min",
		"strike_price_gte=1e9&type=call&root_symbol=AAPL&expiration_date_gte=2026-12-01", "%zz=&;", "symbols=%00&sort=%ff",
	} {
		for path := range all {
			if path%5 == i%5 {
				f.Add(path, "AAPL", query)
			}
		}
	}
	f.Fuzz(func(t *testing.T, number int, word, query string) {
		path := all[((number%len(all))+len(all))%len(all)]
		if word == "" || word == "." || word == ".." || strings.ContainsAny(query, " \r\n\t#") || slices.ContainsFunc([]byte(query), func(c byte) bool { return c < '!' || c > '~' }) {
			return // no address that a client could ask for
		}
		path = strings.ReplaceAll(path, "{}", url.PathEscape(word))
		if strings.HasSuffix(path, "events/corporate-actions") {
			query += "&since=2026-11-20T00:00:00Z&until=2026-11-21T00:00:00Z" // or it would not end; with another until it is refused
		}
		if _, err := url.ParseRequestURI("http://x" + path + "?" + query); err != nil {
			return
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		answer := w.get(ctx, "PLUS", path+"?"+query)
		switch answer.Code {
		case http.StatusOK, http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMovedPermanently, http.StatusTemporaryRedirect:
		default:
			t.Fatalf("%s?%s: status %d: %s", path, query, answer.Code, answer.Body)
		}
		isJSON := strings.HasPrefix(answer.Header().Get("Content-Type"), "application/json")
		if isJSON && !json.Valid(answer.Body.Bytes()) {
			t.Fatalf("%s?%s: %s", path, query, answer.Body)
		}
	})
}

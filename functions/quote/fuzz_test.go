package quote_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
)

// FuzzRead sends any symbol and any query to the reads that parse most: whatever comes is answered, and never with 500.
func FuzzRead(f *testing.F) {
	for _, seed := range [][2]string{
		{"AAPL", "timeframe=1Day&start=2026-11-02&end=2026-11-03T10:00:00Z&limit=5&sort=desc&adjustment=all&page_token=eHh4"},
		{"AAPL270115C00200000", "timeframe=59Min"}, {"BTC/USD", "timeframe=12Month"},
		{"AAPL", "option_type=call&expiration_date_gte=2026-12-01&strike_price_gte=1e2&strike_price_lte=200.5&root_symbol=AAPL1"},
		{"AAPL", "symbols=AAPL,MSFT,$&timeframe=1T"}, {"%00", "limit=-1"}, {"..", "start=0000-00-00"},
	} {
		f.Add(seed[0], seed[1])
	}
	b := start(f)
	f.Fuzz(func(t *testing.T, symbol, query string) {
		segment := url.PathEscape(symbol)
		for _, path := range []string{
			"/api/v1/stocks/" + segment + "/bars", "/api/v1/options/" + segment + "/chain", "/api/v1/options/" + segment + "/trades",
			"/api/v1/crypto/" + segment + "/bars", "/api/v1/stocks/bars", "/api/v1/stocks/quotes", "/api/v1/market/calendar",
		} {
			request := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
			target, err := url.Parse(path)
			if err != nil {
				t.Skip()
			}
			request.URL = target
			request.URL.RawQuery = query
			request.Header.Set("Authorization", "Bearer "+b.token)
			recorder := httptest.NewRecorder()
			b.function.ServeHTTP(recorder, request)
			if recorder.Code == http.StatusInternalServerError {
				t.Errorf("GET %s?%s: %s", path, query, recorder.Body)
			}
		}
	})
}

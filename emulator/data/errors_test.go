package data_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func message(text string) string { return `{"message": "` + text + `"}` }

// TestRefusals: the status and the whole body of what each parameter may not be.
func TestRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const (
		bars   = "/v2/stocks/AAPL/bars?timeframe=1Day"
		trades = "/v2/stocks/trades?symbols=AAPL"
		coins  = "/v1beta3/crypto/us/bars?timeframe=1Day&symbols="
		chain  = "/v1beta1/options/snapshots/AAPL"
		events = "/v1beta1/events/corporate-actions"
		frames = ", it must be 1-59Min, 1-23Hour, 1Day, 1Week or 1, 2, 3, 4, 6, 12Month"
	)
	contracts := make([]string, 101)
	for i := range contracts {
		contracts[i] = fmt.Sprintf("AAPL261218C00%d000", 100+i)
	}
	for _, c := range []struct {
		key, url string
		status   int
		body     string
	}{
		{"PLUS", "/v2/stocks/bars?timeframe=1Day", 400, message("symbols is required")},
		{"PLUS", "/v2/stocks/AAPL/bars", 400, message("timeframe is required")},
		{"PLUS", "/v2/stocks/AAPL/bars?timeframe=60Min", 400, message("invalid timeframe: 60Min" + frames)},
		{"PLUS", "/v2/stocks/AAPL/bars?timeframe=24Hour", 400, message("invalid timeframe: 24Hour" + frames)},
		{"PLUS", "/v2/stocks/AAPL/bars?timeframe=2Day", 400, message("invalid timeframe: 2Day" + frames)},
		{"PLUS", "/v2/stocks/AAPL/bars?timeframe=5Month", 400, message("invalid timeframe: 5Month" + frames)},
		{"PLUS", bars + "&limit=10001", 400, message("invalid limit: larger than the allowed maximum of 10000")},
		{"PLUS", bars + "&limit=0", 400, message("invalid limit: smaller than the allowed minimum of 1")},
		{"PLUS", bars + "&limit=many", 400, message("invalid limit: many is not a whole number")},
		{"PLUS", bars + "&sort=up", 400, message("invalid sort: up, it must be asc or desc")},
		{"PLUS", bars + "&start=noon", 400, message("invalid start: noon is neither RFC 3339 nor YYYY-MM-DD")},
		{"PLUS", bars + "&end=1066-10-14", 400, message("invalid end: the year must be from 1700 to 2200")},
		{"PLUS", bars + "&start=2026-11-20&end=2026-11-19", 400, message("end should not be before start")},
		{"PLUS", bars + "&asof=yesterday", 400, message("invalid asof: yesterday is not YYYY-MM-DD")},
		{"PLUS", bars + "&feed=overnight", 400, message("invalid feed: overnight")},
		{"PLUS", bars + "&adjustment=upwards", 400, message("invalid adjustment: upwards, it must be raw, split, dividend, spin-off, all, or several of them")},
		{"PLUS", bars + "&currency=XXX", 400, message("invalid currency: XXX")},
		{"PLUS", bars + "&page_token=%21", 400, message("invalid page_token: !")},
		{"PLUS", bars + "&page_token=QUFQTHxNfDF8MQ==", 400, message("invalid page_token: QUFQTHxNfDF8MQ==")},
		{"PLUS", bars + "&feed=otc", 403, `{"code":42210000,"message":"subscription does not permit querying OTC data"}`},
		{"PLUS", "/v2/stocks/auctions?symbols=AAPL&feed=iex", 400, message("invalid feed: iex")},
		{"PLUS", "/v2/stocks/aapl/bars?timeframe=1Day", 400, message("invalid symbol: aapl")},
		{"PLUS", "/v2/stocks/NOSUCH/quotes/latest", 404, message("no quote found for NOSUCH")},
		{"PLUS", "/v2/stocks/NOSUCH/snapshot", 404, message("no snapshot found for NOSUCH")},
		{"PLUS", "/v2/stocks/meta/conditions/trade", 400, message("tape is required")},
		{"PLUS", "/v2/stocks/meta/conditions/news?tape=A", 400, message("invalid ticktype: news, it must be trade or quote")},
		{"PLUS", "/v2/stocks/meta/conditions/trade?tape=D", 400, message("invalid tape: D, it must be one of A, B, C, O")},
		{"FREE", trades + "&start=2026-11-23&end=2026-11-23", 403, `{"code":42210000,"message":"subscription does not permit querying recent SIP data"}`},
		{"FREE", trades + "&feed=boats&start=2026-11-23T12:00:00Z&end=2026-11-23T16:59:00Z", 403, `{"code":42210000,"message":"subscription does not permit querying recent BOATS data"}`},
		{"FREE", "/v2/stocks/AAPL/trades/latest?feed=sip", 403, `{"code":42210000,"message":"subscription does not permit querying recent SIP data"}`},
		{"FREE", "/v2/stocks/AAPL/trades/latest?feed=boats", 403, `{"code":42210000,"message":"subscription does not permit querying recent BOATS data"}`},
		{"FREE", "/v1beta1/options/trades?symbols=" + call + "&start=2026-11-23T16:00:00Z&end=2026-11-23T16:59:00Z", 403, `{"code":42210000,"message":"subscription does not permit querying recent OPRA data"}`},
		{"FREE", "/v1beta1/options/quotes/latest?feed=opra&symbols=" + call, 403, `{"code":42210000,"message":"OPRA agreement is not signed"}`},
		{"PLUS", "/v1beta1/options/quotes/latest?feed=sip&symbols=" + call, 400, message("invalid feed: sip")},
		{"PLUS", "/v1beta1/options/quotes/latest?symbols=" + strings.Join(contracts, ","), 400, message("too many symbols: 101, the allowed maximum is 100")},
		{"PLUS", "/v1beta1/options/quotes/latest?symbols=AAPL", 400, message("invalid symbol: AAPL")},
		{"PLUS", chain + "?limit=1001", 400, message("invalid limit: larger than the allowed maximum of 1000")},
		{"PLUS", chain + "?type=straddle", 400, message("invalid type: straddle, it must be one of call, put")},
		{"PLUS", chain + "?strike_price_gte=-1", 400, message("invalid strike_price_gte: -1 is not a price")},
		{"PLUS", chain + "?expiration_date=friday", 400, message("invalid expiration_date: friday is not YYYY-MM-DD")},
		{"PLUS", chain + "?updated_since=now", 400, message("invalid updated_since: now is neither RFC 3339 nor YYYY-MM-DD")},
		{"", coins + "BTCUSD", 400, message("invalid symbol: BTCUSD does not match ^[A-Z]+x?/[A-Z]+$")},
		{"", "/v1beta3/crypto/moon/bars?timeframe=1Day&symbols=BTC/USD", 400, message("invalid loc: moon, it must be one of us, us-1, us-2, eu-1, bs-1")},
		{"PLUS", "/v1beta1/news?limit=51", 400, message("invalid limit: larger than the allowed maximum of 50")},
		{"PLUS", "/v1beta1/news?include_content=maybe", 400, message("invalid include_content: maybe, it must be true or false")},
		{"PLUS", "/v1/corporate-actions?types=party", 400, message("invalid type: party")},
		{"PLUS", "/v1/corporate-actions?ids=x&symbols=AAPL", 400, message("ids and symbols are mutually exclusive")},
		{"PLUS", "/v1/corporate-actions?region=mars", 400, message("invalid region: mars, it must be one of us, non_us, all")},
		{"PLUS", "/v1beta1/screener/stocks/most-actives?by=luck", 400, message("invalid by: luck, it must be one of volume, trades")},
		{"PLUS", "/v1beta1/screener/stocks/most-actives?top=101", 400, message("invalid top: larger than the allowed maximum of 100")},
		{"PLUS", "/v1beta1/screener/bonds/movers", 400, message("invalid market type: bonds")},
		{"PLUS", "/v1beta1/forex/latest/rates", 400, message("currency_pairs is required")},
		{"PLUS", "/v1beta1/logos/NOSUCH?placeholder=false", 404, message("no logo found for NOSUCH")},
		{"PLUS", events + "?since=2026-11-01T00:00:00Z&since_id=01M7J8J3SGA63E2PJ2SW0KNHJ1", 400, message("since and since_id are mutually exclusive")},
		{"PLUS", events + "?until=2026-11-01T00:00:00Z", 400, message("until requires since")},
		{"PLUS", events + "?since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z", 400, message("until and until_id must not be in the future")},
		{"PLUS", events + "?since_id=x", 400, message("invalid since_id: x is not a ULID")},
		{"PLUS", events + "?region=mars", 400, message("invalid region: mars, it must be one of all, us, non_us")},
		{"PLUS", bars, 200, ""}, {"FREE", bars, 200, ""}, {"FREE", bars + "&asof=-", 200, ""}, {"PLUS", bars + "&asof=2026-01-01", 200, ""},
		{"FREE", trades + "&feed=iex&start=2026-11-23T16:59:00Z&end=2026-11-23T17:00:00Z", 200, ""},
		{"FREE", "/v2/stocks/AAPL/trades/latest?feed=delayed_sip", 200, ""}, {"FREE", "/v2/stocks/AAPL/trades/latest?feed=overnight", 200, ""},
		{"PLUS", "/v2/stocks/AAPL/trades/latest?feed=boats", 200, ""}, {"", coins + "BTC/USD", 200, ""},
		{"", bars, 401, message("unauthorized.")}, {"", "/v1beta1/news", 401, message("unauthorized.")},
	} {
		answer := w.get(t.Context(), c.key, c.url)
		if answer.Code != c.status || c.status != http.StatusOK && answer.Body.String() != c.body {
			t.Errorf("%s %s\nstatus %d, body %s\nwant   %d, %s", c.key, c.url, answer.Code, answer.Body, c.status, c.body)
		}
	}
}

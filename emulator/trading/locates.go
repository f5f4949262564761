package trading

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Bounds of the locate endpoints.
const (
	usualLocates      = 1000
	maxLocates        = 10_000
	maxLocateSymbols  = 100
	maxIdempotencyKey = 128
	locateLot         = 100
)

// writeLocateError answers with a word for a code; a failure that is none of locates' as everywhere else.
func writeLocateError(w http.ResponseWriter, err error) {
	var refused *exchange.LocateError
	if !errors.As(err, &refused) {
		wire.WriteError(w, err)
		return
	}
	dst := []byte{'{'}
	if refused.Code != "" {
		dst = append(wire.String(append(dst, `"code":`...), refused.Code), ',')
	}
	wire.Write(w, refused.HTTPStatus, append(wire.String(append(dst, `"message":`...), refused.Message), '}'))
}

func invalidLocate(code, message string) error {
	return &exchange.LocateError{HTTPStatus: http.StatusBadRequest, Code: code, Message: message}
}

// getLocateQuotes answers for each symbol with a quote or the reason why there is none.
func getLocateQuotes(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	symbols := list(r.URL.Query().Get("symbols"))
	slices.Sort(symbols)
	symbols = slices.Compact(symbols)
	if len(symbols) == 0 || len(symbols) > maxLocateSymbols {
		message := "symbols must contain at most 100 unique symbols"
		if len(symbols) == 0 {
			message = "symbols is required"
		}
		writeLocateError(w, invalidLocate("invalid_symbols", message))
		return
	}
	quotes, refusals := []byte(`{"quotes":[`), []byte(`],"errors":[`)
	separate := func(dst []byte) []byte {
		if dst[len(dst)-1] != '[' {
			return append(dst, ',')
		}
		return dst
	}
	for _, symbol := range symbols {
		quote, err := account.LocateQuote(symbol)
		var refused *exchange.LocateError
		if errors.As(err, &refused) {
			message := refused.Message
			if refused.Code == "easy_to_borrow" {
				message = "symbol is easy to borrow"
			}
			refusals = wire.String(append(separate(refusals), `{"symbol":`...), symbol)
			refusals = wire.String(append(refusals, `,"code":`...), refused.Code)
			refusals = append(wire.String(append(refusals, `,"message":`...), message), '}')
			continue
		}
		quotes = wire.String(append(separate(quotes), `{"symbol":`...), symbol)
		quotes = strconv.AppendInt(append(quotes, `,"available_qty":`...), quote.AvailableQty, 10)
		if quote.AvailableQty > 0 {
			quotes = wire.Decimal(append(quotes, `,"price":`...), quote.Price)
		}
		quotes = append(wire.Time(append(quotes, `,"quoted_at":`...), quote.QuotedAt), '}')
	}
	wire.Write(w, http.StatusOK, append(append(quotes, refusals...), `]}`...))
}

func postLocate(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	content, err := body(w, r)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	request, err := decodeLocate(content)
	if err == nil && len(r.Header.Get("Idempotency-Key")) > maxIdempotencyKey {
		err = invalidLocate("invalid_input", "invalid input: idempotency key must be no more than 128 characters")
	}
	if err != nil {
		writeLocateError(w, err)
		return
	}
	located, err := account.Locate(request, r.Header.Get("Idempotency-Key"))
	if err != nil {
		writeLocateError(w, err)
		return
	}
	wire.Write(w, http.StatusCreated, appendLocate(nil, &located, located.CreatedAt))
}

func decodeLocate(content []byte) (exchange.LocateRequest, error) {
	var read struct {
		Symbol     string  `json:"symbol"`
		Qty        int64   `json:"qty"`
		LimitPrice *string `json:"limit_price"`
		AllOrNone  bool    `json:"all_or_none"`
	}
	if err := json.Unmarshal(content, &read); err != nil {
		return exchange.LocateRequest{}, invalidLocate("invalid_request_body", "invalid request body")
	}
	request := exchange.LocateRequest{Symbol: read.Symbol, Qty: read.Qty, AllOrNone: read.AllOrNone}
	if read.Qty <= 0 || read.Qty%locateLot != 0 {
		return request, invalidLocate("invalid_input", "invalid input: quantity must be in round lots of 100")
	}
	if read.LimitPrice != nil {
		limit, err := decimal.Parse(*read.LimitPrice)
		if err != nil || !limit.IsPos() {
			return request, invalidLocate("invalid_limit_price", "invalid limit_price")
		}
		request.LimitPrice = &limit
	}
	return request, nil
}

func (api *API) getLocate(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	id := r.PathValue("locate")
	if _, err := uuid.Parse(id); err != nil {
		writeLocateError(w, invalidLocate("invalid_input", "invalid input"))
		return
	}
	for _, located := range account.Locates() {
		if located.ID == id {
			wire.Write(w, http.StatusOK, appendLocate(nil, &located, api.Clock.Now()))
			return
		}
	}
	writeLocateError(w, &exchange.LocateError{HTTPStatus: http.StatusNotFound, Message: "locate not found"})
}

// locateQuery is which locates are wanted; empty fields select all. Dates are locate trading dates.
type locateQuery struct {
	status             exchange.LocateStatus
	symbol, start, end string
	limit              int
	after              string // ID of the last locate of the page before
}

func readLocateQuery(query url.Values) (wanted locateQuery, err error) {
	invalid := invalidLocate("invalid_input", "invalid input")
	wanted = locateQuery{
		status: exchange.LocateStatus(query.Get("status")), symbol: query.Get("symbol"), start: query.Get("start"),
		end: query.Get("end"), limit: usualLocates,
	}
	switch wanted.status {
	case "", exchange.LocateActive, exchange.LocateExpired, exchange.LocateRejected:
	default:
		return wanted, invalid
	}
	for _, date := range []string{wanted.start, wanted.end} {
		if _, err := time.Parse(time.DateOnly, date); date != "" && err != nil {
			return wanted, invalid
		}
	}
	if text := query.Get("limit"); text != "" {
		if wanted.limit, err = strconv.Atoi(text); err != nil || wanted.limit < 1 || wanted.limit > maxLocates {
			return wanted, invalid
		}
	}
	if token := query.Get("page_token"); token != "" {
		var last struct {
			ID string `json:"id"`
		}
		content, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
		if err != nil || json.Unmarshal(content, &last) != nil || last.ID == "" {
			return wanted, invalid
		}
		wanted.after = last.ID
	}
	return wanted, nil
}

// getLocates lists locates, newest first.
func (api *API) getLocates(w http.ResponseWriter, r *http.Request, account *exchange.Account) {
	wanted, err := readLocateQuery(r.URL.Query())
	if err != nil {
		writeLocateError(w, err)
		return
	}
	now, all := api.Clock.Now(), account.Locates()
	if wanted.after != "" {
		all = all[slices.IndexFunc(all, func(l exchange.Locate) bool { return l.ID == wanted.after })+1:]
	}
	all = slices.DeleteFunc(all, func(l exchange.Locate) bool { return !wanted.selects(&l, api.locateDate(l.CreatedAt), now) })
	out, next := []byte(`{"locates":[`), ""
	if len(all) > wanted.limit {
		all = all[:wanted.limit]
		next = base64.RawURLEncoding.EncodeToString([]byte(`{"id":"` + all[len(all)-1].ID + `"}`))
	}
	for i := range all {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendLocate(out, &all[i], now)
	}
	wire.Write(w, http.StatusOK, append(wire.OptionalString(append(out, `],"next_page_token":`...), next), '}'))
}

func (q *locateQuery) selects(l *exchange.Locate, date string, now time.Time) bool {
	return (q.status == "" || q.status == l.Status(now)) && (q.symbol == "" || q.symbol == l.Symbol) &&
		date >= q.start && (q.end == "" || date < q.end)
}

// locateDate is the locate trading date of a moment, which rolls at eight in the evening, New York.
func (api *API) locateDate(t time.Time) string {
	const untilMidnight = 4 * time.Hour
	return t.In(api.Clock.Location()).Add(untilMidnight).Format(time.DateOnly)
}

func appendLocate(dst []byte, l *exchange.Locate, now time.Time) []byte {
	dst = wire.String(append(dst, `{"id":`...), l.ID)
	dst = wire.String(append(dst, `,"symbol":`...), l.Symbol)
	dst = strconv.AppendInt(append(dst, `,"requested_qty":`...), l.RequestedQty, 10)
	dst = wire.OptionalDecimal(append(dst, `,"limit_price":`...), l.LimitPrice)
	dst = wire.Bool(append(dst, `,"all_or_none":`...), l.AllOrNone)
	dst = wire.String(append(dst, `,"status":`...), string(l.Status(now)))
	dst = wire.Time(append(dst, `,"created_at":`...), l.CreatedAt)
	if l.Rejection != "" {
		return append(wire.String(append(dst, `,"rejection_reason":`...), l.Rejection), '}')
	}
	dst = strconv.AppendInt(append(dst, `,"located_qty":`...), l.LocatedQty, 10)
	dst = wire.Decimal(append(dst, `,"located_price":`...), l.Price)
	dst = wire.Decimal(append(dst, `,"total_fee":`...), l.TotalFee())
	return append(wire.Time(append(dst, `,"expires_at":`...), l.ExpiresAt), '}')
}

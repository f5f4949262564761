package trading

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Pages of GET /v2/options/contracts.
const (
	defaultContracts = 100
	maxContracts     = 10_000
)

// contractQuery is which option contracts are wanted. Dates are YYYY-MM-DD; empty fields select all.
type contractQuery struct {
	underlyings               map[string]bool
	root                      string
	kind                      asset.ContractType
	earliest, latest, exactly string
	lowest, highest           *decimal.Decimal
	style                     string
	inactive, nothing         bool
	deliverables              bool
	limit                     int
	after                     string // symbol of the last contract of the page before
}

// getContracts lists option contracts by symbol.
func (api *API) getContracts(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	now := api.Clock.Now()
	wanted, err := api.contractQuery(r.URL.Query(), now)
	if err != nil {
		wire.WriteError(w, err)
		return
	}
	out := []byte(`{"option_contracts":[`)
	page, next := api.contracts(&wanted, now)
	for i, listed := range page {
		if i > 0 {
			out = append(out, ',')
		}
		out = api.appendContract(out, listed, now, wanted.deliverables)
	}
	out = append(out, `],"next_page_token":`...)
	out = wire.OptionalString(out, next)
	wire.Write(w, http.StatusOK, append(out, '}'))
}

func (api *API) getContract(w http.ResponseWriter, r *http.Request, _ *exchange.Account) {
	listed, ok := api.Catalogue.Find(r.PathValue("contract"))
	if !ok || listed.Contract == nil {
		wire.WriteError(w, wire.NotFound("option contract not found for %s", r.PathValue("contract")))
		return
	}
	wire.Write(w, http.StatusOK, api.appendContract(nil, listed, api.Clock.Now(), true))
}

func (api *API) contractQuery(query url.Values, now time.Time) (wanted contractQuery, err error) {
	wanted = contractQuery{root: query.Get("root_symbol"), limit: defaultContracts}
	if symbols := list(query.Get("underlying_symbols")); len(symbols) > 0 {
		wanted.underlyings = make(map[string]bool, len(symbols))
		for _, symbol := range symbols {
			wanted.underlyings[symbol] = true
		}
	}
	if err = wanted.readChoices(query); err != nil {
		return wanted, err
	}
	if err = wanted.readDates(query, now.In(api.Clock.Location())); err != nil {
		return wanted, err
	}
	if wanted.lowest, err = parseAmount(query, "strike_price_gte"); err != nil {
		return wanted, err
	}
	if wanted.highest, err = parseAmount(query, "strike_price_lte"); err != nil {
		return wanted, err
	}
	if text := query.Get("limit"); text != "" {
		wanted.limit, err = strconv.Atoi(text)
		if err != nil || wanted.limit < 1 || wanted.limit > maxContracts {
			return wanted, wire.Shape("invalid limit: must be from 1 to %d", maxContracts)
		}
	}
	if token := query.Get("page_token"); token != "" {
		symbol, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(token, "="))
		if err != nil || !asset.IsContractSymbol(string(symbol)) {
			return wanted, wire.Shape("invalid page_token")
		}
		wanted.after = string(symbol)
	}
	return wanted, nil
}

func (q *contractQuery) readChoices(query url.Values) error {
	switch status := query.Get("status"); status {
	case "", "active":
	case "inactive":
		q.inactive = true
	default:
		return wire.Shape("invalid status: %s", status)
	}
	switch kind := asset.ContractType(query.Get("type")); kind {
	case "", asset.Call, asset.Put:
		q.kind = kind
	default:
		return wire.Shape("invalid type: %s", kind)
	}
	switch style := query.Get("style"); style {
	case "", "american", "european":
		q.style = style
	default:
		return wire.Shape("invalid style: %s", style)
	}
	if text := query.Get("ppind"); text != "" {
		penny, err := strconv.ParseBool(text)
		if err != nil {
			return wire.Shape("invalid ppind")
		}
		q.nothing = q.nothing || !penny // all contracts here are quoted as in the penny program
	}
	if text := query.Get("show_deliverables"); text != "" {
		show, err := strconv.ParseBool(text)
		if err != nil {
			return wire.Shape("invalid show_deliverables")
		}
		q.deliverables = show
	}
	return nil
}

// readDates reads the span of expirations. Without an end it is the next weekend, without a start today; inactive
// contracts, which lie in the past, go back a month.
func (q *contractQuery) readDates(query url.Values, today time.Time) error {
	for name, target := range map[string]*string{
		"expiration_date": &q.exactly, "expiration_date_gte": &q.earliest, "expiration_date_lte": &q.latest,
	} {
		*target = query.Get(name)
		if _, err := time.Parse(time.DateOnly, *target); *target != "" && err != nil {
			return wire.Shape("invalid %s: want YYYY-MM-DD", name)
		}
	}
	if q.exactly != "" {
		q.earliest, q.latest = q.exactly, q.exactly
		return nil
	}
	if q.earliest == "" {
		start := today
		if q.inactive {
			start = today.AddDate(0, -1, 0)
		}
		q.earliest = start.Format(time.DateOnly)
	}
	if q.latest == "" {
		q.latest = max(q.earliest, today.AddDate(0, 0, int(7-today.Weekday())%7).Format(time.DateOnly))
	}
	return nil
}

// contracts returns a page of the wanted contracts, and the token of the next page or "".
func (api *API) contracts(wanted *contractQuery, now time.Time) (page []*asset.Asset, next string) {
	if wanted.nothing {
		return nil, ""
	}
	expirations := api.expirations(wanted, now)
	for _, product := range api.Catalogue.Products() {
		if !wanted.offers(product) || wanted.after != "" && product.Root < asset.RootOf(wanted.after) {
			continue
		}
		for listed := range api.Catalogue.ContractsOf(product, expirations) {
			if asset.CompareSymbols(listed.Symbol, wanted.after) <= 0 || !wanted.selects(listed.Contract) {
				continue
			}
			if len(page) == wanted.limit {
				return page, base64.RawURLEncoding.EncodeToString([]byte(page[len(page)-1].Symbol))
			}
			page = append(page, listed)
		}
	}
	return page, ""
}

// expirations returns the closes of the last trading days of the contracts in question, earliest first.
func (api *API) expirations(wanted *contractQuery, now time.Time) []time.Time {
	candidates := api.Catalogue.Expirations(now)
	if wanted.inactive {
		candidates = api.Catalogue.PastExpirations(wanted.earliest, now)
	}
	return slices.DeleteFunc(candidates, func(expiration time.Time) bool {
		date := expiration.Format(time.DateOnly)
		return date < wanted.earliest || date > wanted.latest
	})
}

// offers reports whether contracts of a product may be among the wanted ones.
func (q *contractQuery) offers(p *asset.Product) bool {
	return (q.underlyings == nil || q.underlyings[p.Underlying.Symbol]) && (q.root == "" || q.root == p.Root) &&
		(q.style == "" || q.style == p.Style())
}

func (q *contractQuery) selects(c *asset.Contract) bool {
	return (q.kind == "" || q.kind == c.Type) && (q.lowest == nil || c.Strike.GreaterThanOrEqual(*q.lowest)) &&
		(q.highest == nil || c.Strike.LessThanOrEqual(*q.highest))
}

// appendContract appends a contract as the Trading API answers it. Close price and open interest are those of the last
// trading day that is over.
func (api *API) appendContract(dst []byte, listed *asset.Asset, now time.Time, deliverables bool) []byte {
	c := listed.Contract
	status, tradable := "active", c.Tradable && now.Before(c.LastTrade)
	if !api.Catalogue.IsListed(c, now) {
		status, tradable = "inactive", false
	}
	last := api.Clock.Calendar.PreviousClose(now)
	if last.After(c.LastTrade) {
		last = c.LastTrade
	}
	date := last.Format(time.DateOnly)
	dst = wire.String(append(dst, `{"id":`...), listed.ID)
	dst = wire.String(append(dst, `,"symbol":`...), listed.Symbol)
	dst = wire.String(append(dst, `,"name":`...), listed.Name)
	dst = wire.String(append(dst, `,"status":`...), status)
	dst = wire.Bool(append(dst, `,"tradable":`...), tradable)
	dst = wire.String(append(dst, `,"expiration_date":`...), c.Date())
	dst = wire.String(append(dst, `,"root_symbol":`...), c.Root)
	dst = wire.String(append(dst, `,"underlying_symbol":`...), c.Underlying.Symbol)
	dst = wire.String(append(dst, `,"underlying_asset_id":`...), c.Underlying.ID)
	dst = wire.String(append(dst, `,"type":`...), string(c.Type))
	dst = wire.String(append(dst, `,"style":`...), c.Style())
	dst = wire.Decimal(append(dst, `,"strike_price":`...), c.Strike)
	dst = append(dst, `,"multiplier":"100","size":"100","open_interest":"`...)
	dst = strconv.AppendInt(dst, c.OpenInterest(last), 10)
	dst = wire.String(append(dst, `","open_interest_date":`...), date)
	dst = wire.Decimal(append(dst, `,"close_price":`...), api.Market.Price(listed, last))
	dst = wire.String(append(dst, `,"close_price_date":`...), date)
	if deliverables {
		dst = appendDeliverables(dst, c)
	}
	return append(dst, '}')
}

// appendDeliverables appends what exercising the contract exchanges. A European contract pays its cash difference (CADF), an
// adjusted one may bring a fixed amount of cash (CAFX).
func appendDeliverables(dst []byte, c *asset.Contract) []byte {
	if c.European {
		return append(dst, `,"deliverables":[{"type":"cash","symbol":"USD","asset_id":null,"amount":null,"allocation_percentage":"100"`+
			`,"settlement_type":"T+1","settlement_method":"CADF","delayed_settlement":false}]`...)
	}
	dst = append(dst, `,"deliverables":`...)
	separator := byte('[')
	for _, part := range c.Deliverables {
		dst, separator = append(dst, separator), ','
		method := "CCC"
		if part.Asset == nil {
			method = "CAFX"
			dst = append(dst, `{"type":"cash","symbol":"USD","asset_id":null`...)
		} else {
			dst = wire.String(append(dst, `{"type":"equity","symbol":`...), part.Asset.Symbol)
			dst = wire.String(append(dst, `,"asset_id":`...), part.Asset.ID)
		}
		dst = wire.Decimal(append(dst, `,"amount":`...), part.Amount)
		dst = wire.Decimal(append(dst, `,"allocation_percentage":`...), decimal.FromInt(part.Percentage))
		dst = wire.String(append(dst, `,"settlement_type":"T+1","settlement_method":`...), method)
		dst = append(dst, `,"delayed_settlement":false}`...)
	}
	return append(dst, ']')
}

package account

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/auth"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/platform"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
	"github.com/opitios-ai/alpaca-knative/shared/vault"
)

// maxSymbolBytes is over the 21 of an OCC option symbol and the 36 of an asset ID.
const maxSymbolBytes = 40

// Position is one open position. Quantities are in shares, contracts or coins; money is in USD (crypto: quote
// currency); what Alpaca has no price for is null.
type Position struct {
	Symbol     string `json:"symbol"`
	AssetClass string `json:"asset_class"`
	// Qty, MarketValue and CostBasis are negative for a short position.
	Qty         decimal.Number  `json:"qty"`
	Side        string          `json:"side"`
	MarketValue *decimal.Number `json:"market_value"`
	CostBasis   decimal.Number  `json:"cost_basis"`
	// UnrealizedPLPC and ChangeToday are fractions: 0.02 is 2 %.
	UnrealizedPL   *decimal.Number `json:"unrealized_pl"`
	UnrealizedPLPC *decimal.Number `json:"unrealized_plpc"`
	AvgEntryPrice  decimal.Number  `json:"avg_entry_price"`
	CurrentPrice   *decimal.Number `json:"current_price"`
	// QtyAvailable is Qty less what open orders hold.
	QtyAvailable decimal.Number  `json:"qty_available"`
	LastdayPrice *decimal.Number `json:"lastday_price"`
	ChangeToday  *decimal.Number `json:"change_today"`
	// AsOf is when Alpaca was asked.
	AsOf time.Time `json:"as_of"`
}

func (f *Function) handlePositions() {
	symbol := serve.Parameter{
		Name: "symbol", In: serve.InPath, Example: "AAPL",
		Description: "A ticker, an OCC option symbol, or a crypto pair with or without its slash.",
	}
	serve.Handle(f.router, serve.Operation{
		ID: "listPositions", Method: http.MethodGet, Path: "/api/v1/positions", Tag: "positions",
		Summary:    "Open positions of the token's account",
		Permission: auth.PermissionAccountRead, Limit: platform.LimitAccount, Problems: readProblems(),
	}, func(ctx context.Context, r *serve.Request[serve.None]) ([]Position, error) {
		return f.positions(ctx, r.Claims, r.Claims.AccountID)
	})
	serve.Handle(f.router, serve.Operation{
		ID: "getPosition", Method: http.MethodGet, Path: "/api/v1/positions/{symbol}", Tag: "positions",
		Summary:    "The open position in one symbol",
		Permission: auth.PermissionAccountRead, Limit: platform.LimitAccount,
		Parameters: []serve.Parameter{symbol}, Problems: append(readProblems(), problem.PositionNotFound),
	}, f.position)
	serve.Handle(f.router, serve.Operation{
		ID: "listPositionsOfAccount", Method: http.MethodGet, Path: "/api/v1/accounts/{account_id}/positions", Tag: "positions",
		Summary:    "Open positions of one account: the token's own or, for an administrator, any",
		Permission: auth.PermissionAccountRead, Limit: platform.LimitAccount,
		Parameters: []serve.Parameter{accountParameter()}, Problems: append(readProblems(), problem.AccountNotFound),
	}, func(ctx context.Context, r *serve.Request[serve.None]) ([]Position, error) {
		return f.positions(ctx, r.Claims, r.PathValue("account_id"))
	})
}

func (f *Function) positions(ctx context.Context, claims *auth.Claims, accountID string) ([]Position, error) {
	account, err := f.reach(ctx, claims, accountID)
	if err != nil {
		return nil, err
	}
	return readSnapshot[[]Position](ctx, f.snapshots, account, "positions", f.fetchPositions)
}

func (f *Function) position(ctx context.Context, r *serve.Request[serve.None]) (Position, error) {
	symbol := r.PathValue("symbol")
	if !validSymbol(symbol) {
		return Position{}, problem.InvalidRequest.
			New("symbol must be 1 to %d letters, digits or . / -", maxSymbolBytes).Field("symbol")
	}
	held, err := f.positions(ctx, r.Claims, r.Claims.AccountID)
	if err != nil {
		return Position{}, err
	}
	for _, position := range held {
		if samePosition(position.Symbol, symbol) {
			return position, nil
		}
	}
	return Position{}, problem.PositionNotFound.New("no open position in %s", symbol).With("symbol", symbol)
}

// samePosition compares symbols without the slash, which Alpaca leaves out of a crypto position's symbol.
func samePosition(held, asked string) bool {
	return strings.EqualFold(strings.ReplaceAll(held, "/", ""), strings.ReplaceAll(asked, "/", ""))
}

func validSymbol(symbol string) bool {
	if symbol == "" || len(symbol) > maxSymbolBytes {
		return false
	}
	for _, c := range []byte(symbol) {
		letterOrDigit := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
		if !letterOrDigit && c != '.' && c != '/' && c != '-' {
			return false
		}
	}
	return true
}

func (f *Function) fetchPositions(ctx context.Context, account vault.Account, asOf time.Time) (json.RawMessage, error) {
	found, err := f.platform.Alpaca.Positions(ctx, account.Credentials)
	if err != nil {
		return nil, err
	}
	positions := make([]Position, len(found)) // never null in JSON
	for i := range found {
		positions[i] = positionOf(&found[i], asOf)
	}
	return json.Marshal(positions)
}

func positionOf(p *alpaca.Position, asOf time.Time) Position {
	number := func(d decimal.Decimal) decimal.Number { return decimal.Number{Decimal: d} }
	return Position{
		Symbol: p.Symbol, AssetClass: p.AssetClass, Qty: number(p.Qty), Side: p.Side,
		MarketValue: decimal.NumberOf(p.MarketValue), CostBasis: number(p.CostBasis),
		UnrealizedPL: decimal.NumberOf(p.UnrealizedPL), UnrealizedPLPC: decimal.NumberOf(p.UnrealizedPLPC),
		AvgEntryPrice: number(p.AvgEntryPrice), CurrentPrice: decimal.NumberOf(p.CurrentPrice),
		QtyAvailable: number(p.QtyAvailable), LastdayPrice: decimal.NumberOf(p.LastdayPrice),
		ChangeToday: decimal.NumberOf(p.ChangeToday), AsOf: asOf,
	}
}

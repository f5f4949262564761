package exchange

import (
	"strconv"
	"time"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// Append appends the order as the Trading API answers it: the keys and their order are those of a paper account.
func (o *Order) Append(dst []byte) []byte {
	dst = o.appendCommon(dst, false)
	return append(o.appendEnd(append(dst, `,"subtag":null,"source":null`...)), '}')
}

// appendEnd appends what the parent of a multi-leg order does not have, and what only its legs have.
func (o *Order) appendEnd(dst []byte) []byte {
	if !o.isCombo() {
		dst = wire.Time(append(dst, `,"expires_at":`...), o.ExpiresAt)
	}
	if o.RatioQty != nil {
		dst = wire.Decimal(append(dst, `,"ratio_qty":`...), *o.RatioQty)
	}
	return dst
}

// isCombo reports whether the order is the parent of a multi-leg order.
func (o *Order) isCombo() bool { return o.Class == MultiLeg && o.Parent == "" }

// class is how Alpaca writes the order's class: simple orders in options have a name, others have none.
func (o *Order) class() string {
	if o.Class == Simple && o.Asset.Class == asset.Option {
		return "simple"
	}
	return string(o.Class)
}

// appendStream appends the order as trade updates carry it: without subtag and source, with cancel_requested_at.
func (o *Order) appendStream(dst []byte) []byte {
	dst = o.appendCommon(dst, true)
	return append(o.appendEnd(dst), '}')
}

// nilID is the asset of a multi-leg order in trade updates; the REST API writes "".
const nilID = "00000000-0000-0000-0000-000000000000"

func (o *Order) appendCommon(dst []byte, stream bool) []byte {
	dst = wire.String(append(dst, `{"id":`...), o.ID)
	dst = wire.String(append(dst, `,"client_order_id":`...), o.ClientOrderID)
	dst = o.appendTimes(dst, stream)
	dst = wire.OptionalString(append(dst, `,"replaced_by":`...), o.ReplacedBy)
	dst = wire.OptionalString(append(dst, `,"replaces":`...), o.Replaces)
	assetID := o.Asset.ID
	if stream && o.isCombo() {
		assetID = nilID
	}
	dst = wire.String(append(dst, `,"asset_id":`...), assetID)
	dst = wire.String(append(dst, `,"symbol":`...), o.Asset.Symbol)
	dst = wire.String(append(dst, `,"asset_class":`...), string(o.Asset.Class))
	dst = wire.OptionalDecimal(append(dst, `,"notional":`...), o.Notional)
	dst = wire.OptionalDecimal(append(dst, `,"qty":`...), o.Quantity())
	dst = wire.Decimal(append(dst, `,"filled_qty":`...), o.FilledQty)
	dst = wire.OptionalDecimal(append(dst, `,"filled_avg_price":`...), o.FilledAveragePrice())
	dst = wire.String(append(dst, `,"order_class":`...), o.class())
	dst = wire.String(append(dst, `,"order_type":`...), string(o.Type))
	dst = wire.String(append(dst, `,"type":`...), string(o.Type))
	dst = wire.String(append(dst, `,"side":`...), string(o.Side))
	dst = wire.String(append(dst, `,"position_intent":`...), string(o.Intent))
	dst = wire.String(append(dst, `,"time_in_force":`...), string(o.TimeInForce))
	dst = wire.OptionalDecimal(append(dst, `,"limit_price":`...), o.LimitPrice)
	dst = wire.OptionalDecimal(append(dst, `,"stop_price":`...), o.StopPrice)
	dst = wire.String(append(dst, `,"status":`...), string(o.Status))
	dst = wire.Bool(append(dst, `,"extended_hours":`...), o.ExtendedHours)
	dst = o.appendLegs(append(dst, `,"legs":`...), stream)
	dst = wire.OptionalDecimal(append(dst, `,"trail_percent":`...), o.TrailPercent)
	dst = wire.OptionalDecimal(append(dst, `,"trail_price":`...), o.TrailPrice)
	return wire.OptionalDecimal(append(dst, `,"hwm":`...), o.HighWaterMark)
}

func (o *Order) appendLegs(dst []byte, stream bool) []byte {
	if len(o.Legs) == 0 {
		return append(dst, "null"...)
	}
	for i := range o.Legs {
		separator := byte(',')
		if i == 0 {
			separator = '['
		}
		dst = append(dst, separator)
		if stream {
			dst = o.Legs[i].appendStream(dst)
		} else {
			dst = o.Legs[i].Append(dst)
		}
	}
	return append(dst, ']')
}

func (o *Order) appendTimes(dst []byte, stream bool) []byte {
	dst = wire.Time(append(dst, `,"created_at":`...), o.CreatedAt)
	dst = wire.Time(append(dst, `,"updated_at":`...), o.UpdatedAt)
	dst = wire.Time(append(dst, `,"submitted_at":`...), o.CreatedAt)
	dst = wire.OptionalTime(append(dst, `,"filled_at":`...), o.closedAt(StatusFilled))
	dst = wire.OptionalTime(append(dst, `,"expired_at":`...), o.closedAt(StatusExpired))
	if stream {
		dst = wire.OptionalTime(append(dst, `,"cancel_requested_at":`...), o.CancelRequestedAt)
	}
	dst = wire.OptionalTime(append(dst, `,"canceled_at":`...), o.closedAt(StatusCanceled))
	dst = wire.OptionalTime(append(dst, `,"failed_at":`...), o.closedAt(StatusRejected))
	return wire.OptionalTime(append(dst, `,"replaced_at":`...), o.closedAt(StatusReplaced))
}

// Append appends the event as /stream carries it. A non-empty account ID is put first, as on /v2/events/trades.
func (e *Event) Append(dst []byte, accountID string) []byte {
	dst = append(dst, '{')
	if accountID != "" {
		dst = append(wire.String(append(dst, `"account_id":`...), accountID), ',')
	}
	dst = wire.Time(append(dst, `"at":`...), e.At)
	dst = wire.String(append(dst, `,"event_id":`...), e.ID.String())
	dst = wire.String(append(dst, `,"event":`...), e.Name)
	dst = wire.Time(append(dst, `,"timestamp":`...), e.Order.UpdatedAt)
	dst = e.Order.appendStream(append(dst, `,"order":`...))
	if e.Price != nil {
		dst = wire.Decimal(append(dst, `,"price":`...), *e.Price)
		dst = wire.Decimal(append(dst, `,"qty":`...), *e.Qty)
	}
	if e.PositionQty != nil {
		dst = wire.Decimal(append(dst, `,"position_qty":`...), *e.PositionQty)
	}
	if len(e.Legs) > 0 {
		dst = e.appendLegs(dst)
	}
	if e.ExecutionID != "" {
		dst = wire.String(append(dst, `,"execution_id":`...), e.ExecutionID)
	}
	if e.SettleDate != "" {
		dst = wire.String(append(dst, `,"settle_date":`...), e.SettleDate)
	}
	if e.Price != nil && e.Order.Asset.Class == asset.Crypto {
		dst = append(dst, `,"swap_rate":"1"`...)
	}
	return append(dst, '}')
}

// appendLegs appends what a fill of a multi-leg order was for its legs.
func (e *Event) appendLegs(dst []byte) []byte {
	for i, fill := range e.Legs {
		separator := `,{`
		if i == 0 {
			separator = `,"legs":[{`
		}
		dst = wire.String(append(append(dst, separator...), `"execution_id":`...), fill.ExecutionID)
		dst = wire.String(append(dst, `,"order_id":`...), fill.OrderID)
		dst = wire.Decimal(append(dst, `,"price":`...), fill.Price)
		dst = wire.Decimal(append(dst, `,"qty":`...), fill.Qty)
		dst = wire.String(append(dst, `,"symbol":`...), fill.Asset.Symbol)
		dst = append(wire.Time(append(dst, `,"timestamp":`...), e.Order.UpdatedAt), '}')
	}
	for i, fill := range e.Legs {
		separator := `,`
		if i == 0 {
			separator = `],"position_qtys":{`
		}
		dst = wire.String(append(dst, separator...), fill.Asset.Symbol)
		dst = wire.Decimal(append(dst, ':'), fill.PositionQty)
	}
	return append(dst, '}')
}

// Append appends the position as the Trading API answers it.
func (p *OpenPosition) Append(dst []byte) []byte {
	side := "long"
	if p.Qty.IsNeg() {
		side = "short"
	}
	dst = wire.String(append(dst, `{"asset_id":`...), p.Asset.ID)
	dst = wire.String(append(dst, `,"symbol":`...), p.Symbol())
	dst = wire.String(append(dst, `,"exchange":`...), p.Asset.Exchange)
	dst = wire.String(append(dst, `,"asset_class":`...), string(p.Asset.Class))
	dst = wire.Bool(append(dst, `,"asset_marginable":`...), p.Asset.Marginable) //nolint:misspell // Alpaca's word
	dst = wire.Decimal(append(dst, `,"qty":`...), p.Qty)
	dst = wire.Decimal(append(dst, `,"avg_entry_price":`...), p.AverageEntryPrice)
	dst = wire.String(append(dst, `,"side":`...), side)
	dst = wire.Decimal(append(dst, `,"market_value":`...), p.MarketValue)
	dst = wire.Decimal(append(dst, `,"cost_basis":`...), p.CostBasis)
	dst = wire.Decimal(append(dst, `,"unrealized_pl":`...), p.UnrealizedPL)
	dst = wire.Decimal(append(dst, `,"unrealized_plpc":`...), p.UnrealizedPLRatio)
	dst = wire.Decimal(append(dst, `,"unrealized_intraday_pl":`...), p.UnrealizedIntradayPL)
	dst = wire.Decimal(append(dst, `,"unrealized_intraday_plpc":`...), p.UnrealizedIntradayRatio)
	dst = wire.Decimal(append(dst, `,"current_price":`...), p.CurrentPrice)
	dst = wire.Decimal(append(dst, `,"lastday_price":`...), p.LastPrice)
	dst = wire.Decimal(append(dst, `,"change_today":`...), p.ChangeToday)
	dst = wire.Decimal(append(dst, `,"qty_available":`...), p.QtyAvailable)
	return append(dst, '}')
}

// Append appends the account as the Trading API answers it since July 2026: without the pattern-day-trader fields.
func (s *Summary) Append(dst []byte) []byte {
	dst = wire.String(append(dst, `{"id":`...), s.ID)
	dst = wire.String(append(dst, `,"admin_configurations":{},"user_configurations":null,"account_number":`...), s.Number)
	dst = append(dst, `,"status":"ACTIVE","crypto_status":"ACTIVE","options_approved_level":3,"options_trading_level":`...)
	dst = strconv.AppendInt(dst, int64(s.OptionLevel), 10)
	dst = wire.Decimal(append(dst, `,"currency":"USD","buying_power":`...), s.BuyingPower)
	dst = wire.Decimal(append(dst, `,"regt_buying_power":`...), s.RegulationTBuyingPower)
	dst = wire.Decimal(append(dst, `,"effective_buying_power":`...), s.BuyingPower)
	dst = wire.Decimal(append(dst, `,"non_marginable_buying_power":`...), s.NonMarginableBuyingPower) //nolint:misspell // Alpaca's word
	dst = wire.Decimal(append(dst, `,"options_buying_power":`...), s.NonMarginableBuyingPower)
	dst = wire.Decimal(append(dst, `,"cash":`...), s.Cash)
	dst = wire.Decimal(append(dst, `,"accrued_fees":"0","portfolio_value":`...), s.Equity)
	dst = wire.Bool(append(dst, `,"trading_blocked":`...), s.Restriction.TradingBlocked)
	dst = append(dst, `,"transfers_blocked":false,"account_blocked":false`...)
	dst = wire.Time(append(dst, `,"created_at":`...), s.CreatedAt.Truncate(time.Microsecond))
	dst = wire.Bool(append(dst, `,"trade_suspended_by_user":`...), s.Configuration.SuspendTrade)
	dst = wire.Number(append(dst, `,"multiplier":"`...), decimal.FromInt(s.Multiplier))
	dst = wire.Bool(append(dst, `","shorting_enabled":`...), s.ShortingEnabled)
	dst = wire.Decimal(append(dst, `,"equity":`...), s.Equity)
	dst = wire.Decimal(append(dst, `,"last_equity":`...), s.LastEquity)
	dst = wire.Decimal(append(dst, `,"long_market_value":`...), s.LongMarketValue)
	dst = wire.Decimal(append(dst, `,"short_market_value":`...), s.ShortMarketValue)
	dst = wire.Decimal(append(dst, `,"position_market_value":`...), s.LongMarketValue.Sub(s.ShortMarketValue))
	dst = wire.Decimal(append(dst, `,"initial_margin":`...), s.InitialMargin)
	dst = wire.Decimal(append(dst, `,"maintenance_margin":`...), s.MaintenanceMargin)
	dst = wire.Decimal(append(dst, `,"last_maintenance_margin":`...), s.LastMaintenanceMargin)
	dst = wire.Decimal(append(dst, `,"sma":`...), s.SpecialMemorandum)
	dst = wire.String(append(dst, `,"balance_asof":`...), s.BalanceAsOf)
	dst = append(dst, `,"crypto_tier":1,"intraday_adjustments":"0","pending_reg_taf_fees":"0"`...)
	if s.DayTrading != nil {
		dst = s.appendDayTrading(dst)
	}
	return append(dst, '}')
}

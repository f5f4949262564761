package exchange

import (
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// AdjustmentType is the kind of an account activity that is no trade, by Alpaca's names.
type AdjustmentType string

// The kinds that the emulator makes, with their sub type after a point.
const (
	Exercised   AdjustmentType = "OPEXC" // contracts leave because they are exercised
	Assigned    AdjustmentType = "OPASN" // short contracts leave because somebody exercised them
	Expired     AdjustmentType = "OPEXP" // contracts leave without a value
	OptionTrade AdjustmentType = "OPTRD" // the shares and money of an exercise or an assignment
	OptionCash  AdjustmentType = "OPCSH" // money that a contract delivers instead of shares
	Commission  AdjustmentType = "FEE.COM"
	LocateFee   AdjustmentType = "FEE.LCT"
)

func (t AdjustmentType) description() string {
	switch t {
	case Exercised:
		return "Option Exercise"
	case Assigned:
		return "Option Assignment"
	case Expired:
		return "Option Expiry"
	case OptionCash:
		return "Option Cash Settlement"
	case Commission:
		return "Commission"
	case LocateFee:
		return "Locate Fee"
	default:
		return "Option Trade"
	}
}

// parts returns the activity's type and sub type; what options bring has none.
func (t AdjustmentType) parts() (kind, subType string) {
	kind, subType, _ = strings.Cut(string(t), ".")
	return kind, subType
}

// Adjustment is a change of money or positions that is no trade.
type Adjustment struct {
	Type      AdjustmentType
	Asset     *asset.Asset
	Qty       decimal.Decimal  // by which the position changes
	Price     *decimal.Decimal // USD a share
	NetAmount decimal.Decimal  // by which cash changes, USD
	Date      string
	ID        string // uuid
	Group     string // uuid that the activities of one exercise share
}

// adjust books a change that is no trade. Alpaca dates it the next day.
func (a *Account) adjust(kind AdjustmentType, of *asset.Asset, qty decimal.Decimal, price *decimal.Decimal, group string, now time.Time) {
	settled := decimal.Decimal{}
	if price != nil {
		settled = *price
	}
	before := a.cash
	a.settle(of, qty, settled)
	a.note(&Adjustment{Type: kind, Asset: of, Qty: qty, Price: price, NetAmount: a.cash.Sub(before), Group: group}, now)
}

// adjustCash books money that comes or goes without a trade, on account of an asset.
func (a *Account) adjustCash(kind AdjustmentType, of *asset.Asset, amount decimal.Decimal, group string, now time.Time) {
	a.cash = a.cash.Add(amount)
	a.note(&Adjustment{Type: kind, Asset: of, NetAmount: amount, Group: group}, now)
}

// note records a change that was booked.
func (a *Account) note(booked *Adjustment, now time.Time) {
	booked.ID = uuid.NewString()
	booked.Date = now.In(a.exchange.clock.Location()).AddDate(0, 0, 1).Format(time.DateOnly)
	at, id := a.history.stamp(now)
	a.history.add(record{
		id: id, at: nanosecondsOf(at), name: string(booked.Type), extra: &extra{adjustment: booked},
	})
}

// activityID is the date without a time of day and the activity's UUID, as Alpaca's daily activities have it.
func (n *Adjustment) activityID() string {
	return n.Date[0:4] + n.Date[5:7] + n.Date[8:10] + "000000000::" + n.ID
}

func (n *Adjustment) append(dst []byte, at time.Time) []byte {
	dst = wire.String(append(dst, `{"id":`...), n.activityID())
	kind, subType := n.Type.parts()
	dst = wire.String(append(dst, `,"activity_type":`...), kind)
	dst = wire.String(append(dst, `,"activity_sub_type":`...), subType)
	dst = wire.String(append(dst, `,"date":`...), n.Date)
	dst = wire.Decimal(append(dst, `,"net_amount":`...), n.NetAmount)
	dst = wire.String(append(dst, `,"description":`...), n.Type.description())
	dst = wire.String(append(dst, `,"symbol":`...), n.Asset.Symbol)
	dst = wire.Decimal(append(dst, `,"qty":`...), n.Qty)
	if n.Price != nil {
		dst = wire.Decimal(append(dst, `,"price":`...), *n.Price)
	}
	dst = wire.String(append(dst, `,"status":"executed","currency":"USD","group_id":`...), n.Group)
	return append(wire.Time(append(dst, `,"created_at":`...), at), '}')
}

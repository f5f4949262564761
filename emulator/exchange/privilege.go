package exchange

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// instructions are the part of advanced_instructions that rules look at.
type instructions struct {
	Algorithm string `json:"algorithm"` // DMA, TWAP or VWAP
}

// checkPrivileges refuses what only some accounts may ask for: instructions to a router, and commissions.
func (a *Account) checkPrivileges(r *OrderRequest) error {
	if err := a.checkInstructions(r); err != nil {
		return err
	}
	commission := r.Commission.Value
	switch {
	case commission == nil || commission.IsZero():
		return nil
	case commission.IsNeg():
		return wire.Forbidden("negative commission is prohibited")
	case !a.privilege.Commission:
		return wire.Forbidden("commission not allowed for account")
	default:
		return nil
	}
}

// checkInstructions applies the rules of orders that name an algorithm; those that are taken fill as any other.
func (a *Account) checkInstructions(r *OrderRequest) error {
	if len(r.AdvancedInstructions) == 0 || bytes.Equal(r.AdvancedInstructions, []byte("null")) {
		return nil
	}
	if !a.privilege.AdvancedInstructions {
		return wire.Forbidden("account not allowed to use advanced_instructions")
	}
	var wanted instructions
	if err := json.Unmarshal(r.AdvancedInstructions, &wanted); err != nil {
		return wire.BadBody()
	}
	switch wanted.Algorithm {
	case "DMA":
	case "TWAP", "VWAP":
		if r.TimeInForce == FillOrKill || r.TimeInForce == ImmediateOrCancel {
			return wire.Unprocessable("%s orders are not supported for algo destinations",
				map[TimeInForce]string{FillOrKill: "FOK", ImmediateOrCancel: "IOC"}[r.TimeInForce])
		}
	default:
		return wire.Unprocessable("invalid advanced_instructions.algorithm")
	}
	if r.TimeInForce != Day {
		return wire.Unprocessable("advanced instructions only support DAY time_in_force")
	}
	return nil
}

// checkExerciseCommission is checkPrivileges for exercises.
func (a *Account) checkExerciseCommission(commission *decimal.Decimal) error {
	switch {
	case commission == nil || commission.IsZero():
		return nil
	case commission.IsNeg():
		return wire.Unprocessable("negative exercise commission is prohibited")
	case !a.privilege.Commission:
		return wire.Unprocessable("exercise commission not allowed for account")
	default:
		return nil
	}
}

// chargeCommission takes an order's commission when it fills for the first time.
func (a *Account) chargeCommission(e *entry, first bool, now time.Time) {
	if !first || e.commission == nil || !e.commission.IsPos() {
		return
	}
	of := e.Asset
	if e.combo != nil { // which has no name; the first leg stands for all
		of = e.combo.legs[0].Asset
	}
	a.adjustCash(Commission, of, e.commission.Neg(), uuid.NewString(), now)
}

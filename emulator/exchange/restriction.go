package exchange

import (
	"errors"
	"fmt"
	"slices"

	"github.com/opitios-ai/alpaca-knative/emulator/asset"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// Restriction is what Alpaca's staff forbid an account. The zero value forbids nothing.
type Restriction struct {
	// TradingBlocked refuses every order.
	TradingBlocked bool `json:"trading_blocked"`
	// LiquidationOnly refuses orders that open positions.
	LiquidationOnly bool `json:"liquidation_only"`
	// MultiLegDisabled are what cannot be done with multi-leg orders: submit, cancel, replace.
	MultiLegDisabled []string `json:"mleg_disabled,omitempty"`
	// OptionsRefused are the underlyings whose options the account may not open positions in.
	OptionsRefused []string `json:"options_refused,omitempty"`
	// AssignmentLocks are the option contracts of which the account may not sell its last long ones.
	AssignmentLocks []string `json:"assignment_locks,omitempty"`
}

// What can be disabled for multi-leg orders.
const (
	submitMultiLeg  = "submit"
	cancelMultiLeg  = "cancel"
	replaceMultiLeg = "replace"
)

// Privilege is what an account may do that a paper account may not.
type Privilege struct {
	// AdvancedInstructions lets orders name an algorithm or a venue, as Alpaca's elite accounts do.
	AdvancedInstructions bool `json:"advanced_instructions"`
	// Commission lets orders and exercises bring a commission, as those of brokers do.
	Commission bool `json:"commission"`
}

// ErrRestriction is returned for a restriction that names what does not exist; the text says which field.
var ErrRestriction = errors.New("invalid restriction")

// Restrict changes what the account may do, and what it may do beyond others. ErrRestriction; nothing has changed then.
func (a *Account) Restrict(to Restriction, privilege Privilege) error {
	if err := a.exchange.checkRestriction(&to); err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.restriction, a.privilege = to, privilege
	return nil
}

func (x *Exchange) checkRestriction(r *Restriction) error {
	for _, verb := range r.MultiLegDisabled {
		if verb != submitMultiLeg && verb != cancelMultiLeg && verb != replaceMultiLeg {
			return fmt.Errorf("%w: mleg_disabled must be submit, cancel or replace", ErrRestriction)
		}
	}
	for _, symbol := range r.OptionsRefused {
		if found, ok := x.catalogue.Find(symbol); !ok || found.Class != asset.Equity && found.Class != asset.Index {
			return fmt.Errorf("%w: options_refused: no stock or index %q", ErrRestriction, symbol)
		}
	}
	for _, symbol := range r.AssignmentLocks {
		if found, ok := x.catalogue.Find(symbol); !ok || found.Contract == nil {
			return fmt.Errorf("%w: assignment_locks: no contract %q", ErrRestriction, symbol)
		}
	}
	return nil
}

func (r *Restriction) forbidsMultiLeg(verb string) bool {
	return slices.Contains(r.MultiLegDisabled, verb)
}

func (r *Restriction) forbidsOptionsOn(underlying string) bool {
	return slices.Contains(r.OptionsRefused, underlying)
}

// check refuses what the restriction forbids: all orders, or those that open a position.
func (r *Restriction) check(opens bool) error {
	switch {
	case r.TradingBlocked:
		return wire.Forbidden("account is not authorized to trade")
	case r.LiquidationOnly && opens:
		return wire.Forbidden("account is restricted to liquidation only")
	default:
		return nil
	}
}

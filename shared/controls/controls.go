// Package controls is what operators set for accounts while the system runs: rate limits and risk controls, for all
// accounts and for each. They live in a file of their own, apart from the credentials, so that who sets a limit sees no
// secret (docs/decisions/0021).
package controls

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/opitios-ai/alpaca-knative/shared/risk"
)

// ErrFile is wrapped by every error about the controls file.
var ErrFile = errors.New("CONTROLS_FILE")

// Limits are an account's rate limits; 0 leaves one at what the environment says.
type Limits struct {
	QuotesPerSecond       int `json:"quotes_per_second"`
	OrdersPerMinute       int `json:"orders_per_minute"`
	AccountReadsPerMinute int `json:"account_reads_per_minute"`
	// AlpacaRequestsPerMinute is the most that is used of what Alpaca's Trading API allows the account, for an account
	// that other programs use too; 0 is all.
	AlpacaRequestsPerMinute int `json:"alpaca_requests_per_minute"`
}

func (l *Limits) validate() error {
	for _, limit := range []struct {
		name  string
		value int
	}{
		{"quotes_per_second", l.QuotesPerSecond}, {"orders_per_minute", l.OrdersPerMinute},
		{"account_reads_per_minute", l.AccountReadsPerMinute}, {"alpaca_requests_per_minute", l.AlpacaRequestsPerMinute},
	} {
		if limit.value < 0 || limit.value > 1_000_000_000 {
			return fmt.Errorf("limits.%s: must be from 0 to 1000000000", limit.name)
		}
	}
	return nil
}

// Account is what is set for one account.
type Account struct {
	Limits Limits        `json:"limits"`
	Risk   risk.Controls `json:"risk"`
}

// Set is what one state of the file says. It does not change.
type Set struct {
	ceilings risk.Ceilings
	defaults *Account
	accounts map[string]*Account
}

// Of returns what holds for an account; it must not be changed.
func (s *Set) Of(accountID string) *Account {
	if own, ok := s.accounts[accountID]; ok {
		return own
	}
	return s.defaults
}

// Ceilings returns what holds for all accounts together; it must not be changed.
func (s *Set) Ceilings() *risk.Ceilings { return &s.ceilings }

// document is the file. Each account's entry is laid over the defaults: what it leaves out stays, null turns a control
// off.
type document struct {
	Defaults    json.RawMessage            `json:"defaults"`
	Accounts    map[string]json.RawMessage `json:"accounts"`
	AllAccounts risk.Ceilings              `json:"all_accounts"`
}

// Parse reads the file's content; an unknown field is an error, because a misspelt limit would not be kept.
// minCash is the minimum of cash where it says none.
func Parse(content []byte, minCash int) (*Set, error) {
	var d document
	if err := strict(content, &d); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFile, err)
	}
	defaults, err := overlay(minCash, d.Defaults)
	if err != nil {
		return nil, fmt.Errorf("%w: defaults: %w", ErrFile, err)
	}
	if err := d.AllAccounts.Validate(); err != nil {
		return nil, fmt.Errorf("%w: all_accounts.%w", ErrFile, err)
	}
	set := &Set{ceilings: d.AllAccounts, defaults: defaults, accounts: make(map[string]*Account, len(d.Accounts))}
	for id, own := range d.Accounts {
		account, err := overlay(minCash, d.Defaults, own)
		if err != nil {
			return nil, fmt.Errorf("%w: accounts[%q]: %w", ErrFile, id, err)
		}
		// What nobody may trade stays so for every account.
		account.Risk.RestrictedSymbols = union(defaults.Risk.RestrictedSymbols, account.Risk.RestrictedSymbols)
		set.accounts[id] = account
	}
	return set, nil
}

// builtin is what holds without a file.
func builtin(minCash int) *Set { return &Set{defaults: &Account{Risk: risk.Defaults(minCash)}} }

// overlay decodes the layers over what is built in, each into the same new value, so that none shares memory with another.
func overlay(minCash int, layers ...json.RawMessage) (*Account, error) {
	account := &Account{Risk: risk.Defaults(minCash)}
	for _, layer := range layers {
		if len(layer) == 0 {
			continue
		}
		if err := strict(layer, account); err != nil {
			return nil, err
		}
	}
	if err := account.Limits.validate(); err != nil {
		return nil, err
	}
	if err := account.Risk.Validate(); err != nil {
		return nil, fmt.Errorf("risk.%w", err)
	}
	return account, nil
}

func strict(content []byte, into any) error {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the JSON document")
	}
	return nil
}

func union(a, b []string) []string {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

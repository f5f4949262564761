package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// alpacaAPI is the emulated Alpaca and its admin API.
type alpacaAPI struct {
	process *process
	url     string
	admin   string
}

// accepted is one order of the emulator's audit.
type accepted struct {
	ID            string           `json:"id"`
	ClientOrderID string           `json:"client_order_id"`
	Symbol        string           `json:"symbol"`
	Side          string           `json:"side"`
	Type          string           `json:"type"`
	Qty           *decimal.Decimal `json:"qty"`
	LimitPrice    *decimal.Decimal `json:"limit_price"`
	Notional      *decimal.Decimal `json:"notional"`
	Status        string           `json:"status"`
	// Replaces is the order whose place it took, Parent the one that it is a leg of.
	Replaces string `json:"replaces"`
	Parent   string `json:"parent"`
	mark     string // which intent it is of; legs have none
}

// ended reports whether nothing can happen to the order any more.
func (a *accepted) ended() bool {
	return slices.Contains([]string{"filled", "canceled", "expired", "replaced", "rejected"}, a.Status)
}

// marked gives every order but the legs its mark.
func marked(orders []accepted) []accepted {
	legs := make(map[string][]string)
	for n := range orders {
		if parent := orders[n].Parent; parent != "" {
			legs[parent] = append(legs[parent], orders[n].Symbol)
		}
	}
	for n := range orders {
		o := &orders[n]
		switch {
		case o.Replaces != "":
			o.mark = markOfChange(o.Replaces, o.LimitPrice)
		case o.Parent != "":
		case o.Symbol == "":
			o.mark = markOfSpread(legs[o.ID], o.Qty)
		default:
			o.mark = markOf(o.Side, o.Type, o.Symbol, o.Qty, o.Notional)
		}
	}
	return orders
}

// tradeEvent is one event of the emulator's history.
type tradeEvent struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	OrderID     string `json:"order_id"`
	ExecutionID string `json:"execution_id"`
	// Legs are of a multi-leg order.
	Legs []struct {
		OrderID     string `json:"order_id"`
		ExecutionID string `json:"execution_id"`
	} `json:"legs"`
}

// audit returns the orders that the account of a key ever had accepted.
func (a *alpacaAPI) audit(ctx context.Context, keyID string) ([]accepted, error) {
	var orders []accepted
	return orders, a.get(ctx, "/emulator/audit?key_id="+keyID, &orders)
}

// history returns the trade events of every account by key, in their order.
func (a *alpacaAPI) history(ctx context.Context) (map[string][]tradeEvent, error) {
	var snapshot struct {
		State struct {
			Accounts []struct {
				KeyID  string       `json:"key_id"`
				Events []tradeEvent `json:"events"`
			} `json:"accounts"`
		} `json:"state"`
	}
	if err := a.get(ctx, "/emulator/snapshot", &snapshot); err != nil {
		return nil, err
	}
	events := make(map[string][]tradeEvent, len(snapshot.State.Accounts))
	for _, account := range snapshot.State.Accounts {
		events[account.KeyID] = account.Events
	}
	return events, nil
}

// fault puts a fault into force.
func (a *alpacaAPI) fault(ctx context.Context, fault map[string]any) error {
	return a.do(ctx, http.MethodPost, "/emulator/faults", fault, nil)
}

// hits is how many requests the faults in force struck.
func (a *alpacaAPI) hits(ctx context.Context) (int, error) {
	var faults []struct {
		Hits int `json:"hits"`
	}
	err := a.get(ctx, "/emulator/faults", &faults)
	sum := 0
	for _, f := range faults {
		sum += f.Hits
	}
	return sum, err
}

func (a *alpacaAPI) heal(ctx context.Context) error {
	return a.do(ctx, http.MethodDelete, "/emulator/faults", nil, nil)
}

// cut breaks all open event streams.
func (a *alpacaAPI) cut(ctx context.Context) error {
	return a.do(ctx, http.MethodPost, "/emulator/disconnect", map[string]any{}, nil)
}

func (a *alpacaAPI) get(ctx context.Context, path string, into any) error {
	return a.do(ctx, http.MethodGet, path, nil, into)
}

func (a *alpacaAPI) do(ctx context.Context, method, path string, body, into any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, method, a.admin+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("emulator: %s %s: %s", method, path, answer.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(answer.Body).Decode(into)
}

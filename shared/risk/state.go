package risk

import (
	"strconv"
	"strings"
	"time"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

// State is what is known of an account when an order comes: the snapshot of Alpaca, and what was sent since.
type State struct {
	// Known says that there is a snapshot; Age is how old it is by Redis's clock.
	Known bool
	Age   time.Duration
	// Cash, Equity and LastEquity (that of the previous close) are in USD; Position is the signed quantity in the order's
	// symbol.
	Cash, Equity, LastEquity, Position decimal.Decimal
	// Repeats is how many of the same order came within the window before this one.
	Repeats int
	// Holds are the other orders of the account that may still change it.
	Holds []Hold
}

// Hold is what an order of the account may still do to it.
type Hold struct {
	ClientOrderID string
	// Closed says that the order is done, by a fill that the snapshot does not show yet.
	Closed bool
	Symbol string // as Key has it
	Buy    bool
	// Qty is nil for an order by notional; Value is what the order may be worth in USD, nil while that is being looked up.
	Qty, Value *decimal.Decimal
}

// Encode is the hold as Redis keeps it, behind its state and time.
func (h *Hold) Encode() string {
	side := "s"
	if h.Buy {
		side = "b"
	}
	return strings.Join([]string{side, h.Symbol, text(h.Qty), text(h.Value)}, "|")
}

func text(d *decimal.Decimal) string {
	if d == nil {
		return ""
	}
	return d.String()
}

// The states of a hold in Redis: in flight, open at Alpaca, and closed.
const (
	StateInFlight = "r"
	StateOpen     = "o"
	StateClosed   = "c"
)

// DecodeHold reads what Redis keeps of a hold: state, the millisecond at which it was made, and Encode's text. What is
// not one is no hold.
func DecodeHold(clientOrderID, kept string) (Hold, bool) {
	parts := strings.Split(kept, "|")
	if len(parts) != 6 {
		return Hold{}, false
	}
	return Hold{
		ClientOrderID: clientOrderID, Closed: parts[0] == StateClosed, Buy: parts[2] == "b", Symbol: parts[3],
		Qty: number(parts[4]), Value: number(parts[5]),
	}, true
}

func number(text string) *decimal.Decimal {
	value, err := decimal.Parse(text)
	if err != nil {
		return nil
	}
	return &value
}

// ParseState reads what a script returns of an account: age in milliseconds (-1: no snapshot), cash, equity, last
// equity, position, repeats, and the holds as client order IDs and what is kept of them in turn.
func ParseState(values []any, without string) State {
	at := func(i int) string {
		if i >= len(values) {
			return ""
		}
		s, _ := values[i].(string)
		return s
	}
	var s State
	if age, ok := first(values).(int64); ok && age >= 0 {
		s.Known, s.Age = true, time.Duration(age)*time.Millisecond
	}
	for i, into := range []*decimal.Decimal{&s.Cash, &s.Equity, &s.LastEquity, &s.Position} {
		if value := number(at(i + 1)); value != nil {
			*into = *value
		} else if i < 3 { // without a position there is none
			s.Known = false
		}
	}
	s.Repeats, _ = strconv.Atoi(at(5))
	if len(values) < 7 {
		return s
	}
	kept, _ := values[6].([]any)
	for i := 0; i+1 < len(kept); i += 2 {
		id, _ := kept[i].(string)
		what, _ := kept[i+1].(string)
		if hold, ok := DecodeHold(id, what); ok && id != without {
			s.Holds = append(s.Holds, hold)
		}
	}
	return s
}

func first(values []any) any {
	if len(values) == 0 {
		return nil
	}
	return values[0]
}

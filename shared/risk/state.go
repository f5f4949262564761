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
	// Open is how many of the account's other orders are open.
	Open int
	// Holds are what the account's other orders may still do to it, alike ones summed up: a buy or a sell in the order's
	// symbol, or the buys in all others, under no order's symbol.
	Holds []Hold
	// Legs are the same for each leg of a multi-leg order, in their order.
	Legs []State
}

// Hold is what an order of the account, or several alike, may still do to it: also one that is closed, by a fill that the
// snapshot does not show yet.
type Hold struct {
	Symbol string // as Key has it
	Buy    bool
	// Leg says that it is one leg of an order, which does not count as open beside its order.
	Leg bool
	// Qty is nil for an order by notional; Value is what the order may be worth in USD, nil while that is being looked up.
	Qty, Value *decimal.Decimal
}

// others stands for all symbols that are not the order's.
const others = "*"

// Encode is the hold as Redis keeps it, behind its state and the millisecond at which it was made.
func (h *Hold) Encode() string {
	side := "s"
	if h.Buy {
		side = "b"
	}
	if h.Leg {
		side = strings.ToUpper(side)
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

// ParseState reads what a script tells of an account, separated by semicolons: age in milliseconds (-1: no snapshot), cash,
// equity, last equity, position, repeats, and the sums of the holds (shared/store/lua/holds.lua). Of what is not that,
// nothing is known.
func ParseState(told string) State {
	var s State
	age, rest, _ := strings.Cut(told, ";")
	if milliseconds, err := strconv.ParseInt(age, 10, 64); err == nil && milliseconds >= 0 {
		s.Known, s.Age = true, time.Duration(milliseconds)*time.Millisecond
	}
	for i, into := range []*decimal.Decimal{&s.Cash, &s.Equity, &s.LastEquity, &s.Position} {
		var text string
		text, rest, _ = strings.Cut(rest, ";")
		if value := amount(text); value != nil {
			*into = *value
		} else if i < 3 { // without a position there is none
			s.Known = false
		}
	}
	repeats, rest, _ := strings.Cut(rest, ";")
	open, rest, known := strings.Cut(rest, ";")
	var errs [2]error
	s.Repeats, errs[0] = strconv.Atoi(repeats)
	s.Open, errs[1] = strconv.Atoi(open)
	if errs[0] != nil || errs[1] != nil || known && !s.parseHolds(rest) {
		s.Known = false
	}
	return s
}

// parseHolds reads of each group of holds its name, count, quantity and value, and reports whether that is what it read. The
// buys in all symbols come first: those in the order's own are taken off them.
func (s *State) parseHolds(rest string) bool {
	var worth decimal.Decimal
	valued, unvalued := 0, 0
	for more := true; more; {
		var name, number, qty, value string
		name, rest, _ = strings.Cut(rest, ";")
		number, rest, _ = strings.Cut(rest, ";")
		qty, rest, _ = strings.Cut(rest, ";")
		value, rest, more = strings.Cut(rest, ";")
		count, err := strconv.Atoi(number)
		last := strings.LastIndexByte(name, '|')
		if err != nil || last < len("b|") {
			return false
		}
		hold, known := Hold{Symbol: name[len("b|"):last], Buy: name[0] == 'b'}, name[last+1:]
		if strings.HasPrefix(known, "q") {
			hold.Qty = amount(qty)
		}
		if strings.HasSuffix(known, "v") {
			hold.Value = amount(value)
		}
		if hold.Symbol != others {
			s.Holds = append(s.Holds, hold)
			count = -count
		}
		switch {
		case !hold.Buy:
		case hold.Value == nil:
			unvalued += count
		case count < 0:
			worth, valued = worth.Sub(*hold.Value), valued+count
		default:
			worth, valued = worth.Add(*hold.Value), valued+count
		}
	}
	if valued > 0 {
		s.Holds = append(s.Holds, Hold{Symbol: others, Buy: true, Value: &worth})
	}
	if unvalued > 0 {
		s.Holds = append(s.Holds, Hold{Symbol: others, Buy: true})
	}
	return true
}

// amount reads a number, nil for none.
func amount(text string) *decimal.Decimal {
	if text == "" {
		return nil
	}
	value, err := decimal.Parse(text)
	if err != nil {
		return nil
	}
	return &value
}

package exchange_test

import (
	_ "embed"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/emulator/exchange"
	"github.com/opitios-ai/alpaca-knative/emulator/session"
	"github.com/opitios-ai/alpaca-knative/emulator/wire"
)

// refusalTexts are the messages of Alpaca's documented and observed refusals, one a line; {x} stands for what is filled in.
//
//go:embed testdata/refusals.txt
var refusalTexts string

// refusal is one way to be refused: everything about the answer, and what provokes it.
type refusal struct {
	text         string // a line of refusalTexts, or one of ours that is not in them
	status, code int
	extra        string // the body's other fields as JSON; {x} stands for anything

	on     func(t *testing.T) *floor // nil: trader
	before []string                  // orders
	setup  func(f *floor)
	at     string             // RFC 3339; empty: Monday 10:00 in New York
	body   string             // the order that is refused
	do     func(*floor) error // or what else is
}

func refusals() []refusal {
	return slices.Concat(shapeRefusals(), ruleRefusals(), accountRefusals(), lifeRefusals(), optionRefusals(), multiLegRefusals(),
		exerciseRefusals())
}

// template makes a pattern of a text with {x} in it.
func template(text string) *regexp.Regexp {
	parts := regexp.MustCompile(`\{\w*\}`).Split(text, -1)
	for i := range parts {
		parts[i] = regexp.QuoteMeta(parts[i])
	}
	return regexp.MustCompile(`\A(?s:` + strings.Join(parts, `.+?`) + `)\z`)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, r := range refusals() {
		t.Run(r.text, func(t *testing.T) {
			t.Parallel()
			f := trader(t)
			if r.on != nil {
				f = r.on(t)
			}
			for _, body := range r.before {
				f.place(body)
			}
			if r.at != "" {
				f.at(r.at)
			}
			if r.setup != nil {
				r.setup(f)
			}
			before := f.saved()
			var err error
			if r.do != nil {
				err = r.do(f)
			} else {
				_, err = f.try(r.body)
			}
			r.expect(t, err)
			if after := f.saved(); !strings.Contains(r.text, "liquidation only") && after != before {
				t.Errorf("the refused request changed\n%s\nto\n%s", before, after)
			}
		})
	}
}

func (r *refusal) expect(t *testing.T, err error) {
	t.Helper()
	var failure *wire.Error
	if !errors.As(err, &failure) {
		t.Fatalf("error = %v, want %q", err, r.text)
	}
	expect(t, "status", failure.Status, r.status)
	expect(t, "code", failure.Code, r.code)
	if !template(r.text).MatchString(failure.Message) {
		t.Errorf("message = %q, want %q", failure.Message, r.text)
	}
	var body map[string]json.RawMessage
	if err := json.Unmarshal(failure.Append(nil), &body); err != nil {
		t.Fatal(err)
	}
	delete(body, "code")
	delete(body, "message")
	fields := make([]string, 0, len(body))
	for _, name := range slices.Sorted(maps.Keys(body)) {
		fields = append(fields, `"`+name+`":`+string(body[name]))
	}
	if extra := strings.Join(fields, ","); !template(r.extra).MatchString(extra) {
		t.Errorf("other fields = %s, want %s", extra, r.extra)
	}
}

// TestEveryRefusalIsProvoked: each documented text has a request that brings it.
func TestEveryRefusalIsProvoked(t *testing.T) {
	t.Parallel()
	provoked := map[string]bool{}
	for _, r := range refusals() {
		provoked[r.text] = true
	}
	for line := range strings.Lines(refusalTexts) {
		if text := strings.TrimSpace(line); text != "" && !strings.HasPrefix(text, "#") && !provoked[text] {
			t.Errorf("nothing provokes %q", text)
		}
	}
}

// shape, rule, forbidden and missing are the four kinds of answers.
func shape(text, body string) refusal {
	return refusal{text: text, status: 422, code: 40010001, body: body}
}
func rule(text, body string) refusal {
	return refusal{text: text, status: 422, code: 42210000, body: body}
}
func forbidden(text, body string) refusal {
	return refusal{text: text, status: 403, code: 40310000, body: body}
}

func missing(text string, do func(*floor) error) refusal {
	return refusal{text: text, status: 404, code: 40410000, do: do}
}

func (r refusal) after(orders ...string) refusal { r.before = orders; return r }

func (r refusal) when(moment string) refusal { r.at = moment; return r }

func (r refusal) with(extra string) refusal { r.extra = extra; return r }

func (r refusal) given(setup func(*floor)) refusal { r.setup = setup; return r }

func (r refusal) doing(do func(*floor) error) refusal { r.do = do; return r }

func (r refusal) inside(on func(*testing.T) *floor) refusal { r.on = on; return r }

func (r refusal) restricted(to exchange.Restriction) refusal {
	return r.given(func(f *floor) { f.restrict(to) })
}

func (r refusal) privileged(to exchange.Privilege) refusal {
	return r.given(func(f *floor) {
		if err := f.account.Restrict(exchange.Restriction{}, to); err != nil {
			f.t.Fatal(err)
		}
	})
}

func (r refusal) configured(body string) refusal {
	return r.given(func(f *floor) {
		if _, err := f.account.Configure([]byte(body)); err != nil {
			f.t.Fatal(err)
		}
	})
}

// worldWith is trader with settings of its own.
func worldWith(cash string, change func(*exchange.Settings)) func(*testing.T) *floor {
	return func(t *testing.T) *floor {
		t.Helper()
		settings := exchange.Settings{FillLatency: -1, PartialFillProbability: -1}
		change(&settings)
		f := newFloor(t, session.Real, settings, cash)
		f.price("270")
		for symbol, price := range map[string]string{call270: "5", call280: "2", put260: "3", put250: "1"} {
			f.pinAt(symbol, price)
		}
		return f
	}
}

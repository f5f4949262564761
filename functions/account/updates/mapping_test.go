package updates

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/opitios-ai/alpaca-knative/shared/alpaca"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

func start() time.Time { return time.Date(2026, 11, 23, 14, 30, 0, 0, time.UTC) }

func decodeEntry(t testing.TB, e entry) event.Event {
	t.Helper()
	var decoded event.Event
	if err := json.Unmarshal(e.event, &decoded); err != nil {
		t.Fatalf("%v in %s", err, e.event)
	}
	return decoded
}

func TestTranslate(t *testing.T) {
	t.Parallel()
	const accepted = "order.accepted o:accepted"
	for _, test := range []struct {
		name  string
		trade alpaca.TradeEvent
		want  []string
	}{
		{"new", trade("new", "o", start()), []string{accepted}},
		{"accepted", trade("accepted", "o", start()), []string{accepted}},
		{"pending_new", trade("pending_new", "o", start()), []string{accepted}},
		{"rejected", trade("rejected", "o", start()), []string{accepted, "order.rejected o:rejected"}},
		{"canceled", trade("canceled", "o", start()), []string{accepted, "order.canceled o:canceled"}},
		{"expired", trade("expired", "o", start()), []string{accepted, "order.expired o:expired"}},
		{"replaced", trade("replaced", "o", start(), replacedBy), []string{accepted, "order.replaced o:replaced"}},
		{
			"partial fill", trade("partial_fill", "o", start(), executed("x", "4", "9")),
			[]string{accepted, "order.partially_filled o:x", "position.changed o:x:position", "account.updated :account"},
		},
		{
			"fill that opens", trade("fill", "o", start(), executed("x", "10", "10")),
			[]string{accepted, "order.filled o:filled", "position.opened o:x:position", "account.updated :account"},
		},
		{
			"fill that closes", trade("fill", "o", start(), executed("x", "10", "0"), selling),
			[]string{accepted, "order.filled o:filled", "position.closed o:x:position", "account.updated :account"},
		},
		{
			"fill that opens a short", trade("fill", "o", start(), executed("x", "10", "-10"), selling),
			[]string{accepted, "order.filled o:filled", "position.opened o:x:position", "account.updated :account"},
		},
		{
			"crypto, less its fee", trade("fill", "o", start(), executed("x", "1", "0.9975"), crypto),
			[]string{accepted, "order.filled o:filled", "position.opened o:x:position", "account.updated :account"},
		},
		{
			"fill without a position", trade("fill", "o", start(), func(e *alpaca.TradeEvent) { e.ExecutionID = "x" }),
			[]string{accepted, "order.filled o:filled", "account.updated :account"},
		},
		{
			"fill of an order of days ago", trade("partial_fill", "o", start(), executed("x", "4", "9"), submitted(start().Add(-48*time.Hour))),
			[]string{"order.partially_filled o:x", "position.changed o:x:position", "account.updated :account"},
		},
		{
			"days ago, read again", trade("canceled", "o", start().Add(-47*time.Hour), submitted(start().Add(-48*time.Hour))),
			[]string{"order.canceled o:canceled"},
		},
		{
			"canceled the day after", trade("canceled", "o", start(), submitted(start().Add(-24*time.Hour))),
			[]string{accepted, "order.canceled o:canceled"},
		},
		{
			"canceled, submitted nobody knows when", trade("canceled", "o", start(), submitted(time.Time{})),
			[]string{accepted, "order.canceled o:canceled"},
		},
		{"bust", trade("trade_bust", "o", start()), []string{"account.updated :account"}},
		{"pending cancel", trade("pending_cancel", "o", start()), nil},
		{"unknown", trade("teleported", "o", start()), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.trade.EventID = "01J"
			entries, err := translate(alice, &test.trade, start())
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, e := range entries {
				made := decodeEntry(t, e)
				checkEvent(t, made)
				if made.ID() != e.id {
					t.Errorf("entry %q holds event %q", e.id, made.ID())
				}
				id := made.ID()
				if id == "01J:account" {
					id = ":account"
				}
				got = append(got, made.Type()[len("ai.opitios."):]+" "+id)
			}
			if !slices.Equal(got, test.want) {
				t.Fatalf("got %q, want %q", got, test.want)
			}
		})
	}
}

// checkEvent holds an event to what every subscriber relies on: CloudEvents' rules, our attributes, and the schema.
func checkEvent(t testing.TB, made event.Event) {
	t.Helper()
	if err := made.Validate(); err != nil {
		t.Fatal(err)
	}
	if made.Source() != eventSource || made.Subject() != alice || event.Extension(made, event.ExtensionPartitionKey) != alice {
		t.Fatalf("attributes of %s", made)
	}
	data, err := jsonschema.UnmarshalJSON(bytes.NewReader(made.Data()))
	if err != nil {
		t.Fatal(err)
	}
	if err := schemas()[made.Type()].Validate(data); err != nil {
		t.Fatalf("%s: %v in %s", made.Type(), err, made.Data())
	}
}

// schemas are compiled once: the fuzz test asks for them often.
var schemas = sync.OnceValue(func() map[string]*jsonschema.Schema {
	compiled := map[string]*jsonschema.Schema{}
	for _, eventType := range event.Types() {
		content, err := event.Schema(eventType)
		if err != nil {
			panic(err)
		}
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
		if err != nil {
			panic(err)
		}
		compiler := jsonschema.NewCompiler()
		if err := compiler.AddResource(event.SchemaURI(eventType), document); err != nil {
			panic(err)
		}
		compiled[eventType] = compiler.MustCompile(event.SchemaURI(eventType))
	}
	return compiled
})

func TestFillSaysWhatWasExecuted(t *testing.T) {
	t.Parallel()
	executedAt := start().Add(-10 * time.Millisecond)
	fill := trade("partial_fill", "o", start(), executed("x", "4", "9"), func(e *alpaca.TradeEvent) { e.Timestamp = &executedAt })
	entries, err := translate(alice, &fill, start())
	if err != nil {
		t.Fatal(err)
	}
	first, err := event.Decode[event.OrderChanged](decodeEntry(t, entries[0]))
	if err != nil {
		t.Fatal(err)
	}
	if first.Status != alpaca.StatusAccepted || !first.FilledQty.IsZero() || first.FilledAvgPrice != nil {
		t.Errorf("accepted tells of the fill: %+v", first)
	}
	second := decodeEntry(t, entries[1])
	changed, err := event.Decode[event.OrderChanged](second)
	if err != nil {
		t.Fatal(err)
	}
	if changed.ExecutionID != "x" || changed.Price.String() != "187.25" || changed.ExecutionQty.String() != "4" ||
		changed.PositionQty.String() != "9" || changed.AlpacaEventID != fill.EventID || !second.Time().Equal(executedAt) {
		t.Errorf("%+v at %s", changed, second.Time())
	}
	position, err := event.Decode[event.PositionChanged](decodeEntry(t, entries[2]))
	if err != nil {
		t.Fatal(err)
	}
	if position.PreviousQty.String() != "5" || position.Qty.String() != "9" || position.OrderID != "o" {
		t.Errorf("%+v", position)
	}
}

func TestMultiLegFillMovesEachLegsPosition(t *testing.T) {
	t.Parallel()
	fill := trade("fill", "o", start(), func(e *alpaca.TradeEvent) {
		e.ExecutionID, e.Order.Symbol = "x", ""
		e.Order.Legs = []alpaca.Order{
			{ID: "l1", Side: alpaca.SideBuy, AssetClass: "us_option", Symbol: "AAPL261218C00190000"},
			{ID: "l2", Side: alpaca.SideSell, AssetClass: "us_option", Symbol: "AAPL261218C00200000"},
		}
		e.Legs = []alpaca.TradeEventLeg{
			{OrderID: "l1", ExecutionID: "x1", Symbol: "AAPL261218C00190000", Qty: number("1")},
			{OrderID: "l2", ExecutionID: "x2", Symbol: "AAPL261218C00200000", Qty: number("1")},
		}
		e.PositionQtys = map[string]decimal.Decimal{"AAPL261218C00190000": *number("1"), "AAPL261218C00200000": *number("0")}
	})
	entries, err := translate(alice, &fill, start())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, decodeEntry(t, e).Type()+" "+e.id)
	}
	want := []string{
		event.TypeOrderAccepted + " o:accepted", event.TypeOrderFilled + " o:filled", event.TypePositionOpened + " l1:x1:position",
		event.TypePositionClosed + " l2:x2:position", event.TypeAccountUpdated + " " + fill.EventID + ":account",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q", got)
	}
}

func TestEventWithoutAnOrderIsUnusable(t *testing.T) {
	t.Parallel()
	for _, broken := range []alpaca.TradeEvent{trade("new", "", start()), trade("", "o", start())} {
		if _, err := translate(alice, &broken, start()); !errors.Is(err, errUnusable) {
			t.Errorf("got %v", err)
		}
	}
}

// FuzzTranslate feeds the mapping whatever decodes as a trade event: it answers with an error, or with events that
// hold to their schemas, the same ones each time, the order's acceptance first.
func FuzzTranslate(f *testing.F) {
	for _, e := range []alpaca.TradeEvent{
		trade("new", "o", start()), trade("fill", "o", start(), executed("x", "10", "10")),
		trade("partial_fill", "o", start(), executed("x", "0.000000001", "-3"), selling),
		trade("fill", "o", start(), executed("x", "1", "0.9975"), crypto), trade("replaced", "o", start()),
	} {
		content, err := json.Marshal(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte(`{"event":"fill","order":{"id":"o"},"at":"0001-01-01T00:00:00+23:59"}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		var e alpaca.TradeEvent
		if json.Unmarshal(content, &e) != nil {
			return
		}
		entries, err := translate(alice, &e, start())
		if err != nil {
			if !errors.Is(err, errUnusable) || len(entries) > 4+len(e.Legs) {
				t.Fatal(err)
			}
			return
		}
		again, err := translate(alice, &e, start())
		if err != nil || len(again) != len(entries) {
			t.Fatal(err)
		}
		for i, made := range entries {
			if made.id != again[i].id || !bytes.Equal(made.event, again[i].event) {
				t.Fatalf("two forms of one event:\n%s\n%s", made.event, again[i].event)
			}
			var decoded event.Event
			if err := json.Unmarshal(made.event, &decoded); err != nil {
				t.Fatalf("the outbox can't read %s: %v", made.event, err)
			}
		}
	})
}

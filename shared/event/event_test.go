package event_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/opitios-ai/alpaca-knative/shared/clock"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

func TestNewSetsEveryAttribute(t *testing.T) {
	t.Parallel()
	e := newEvent(t, event.WithSequence(42), event.WithCorrelation("flow"), event.WithCausation("cause"),
		event.WithExpiry(start().Add(time.Minute)), event.WithTraceparent("00-1-2-01"))
	id, err := ulid.ParseStrict(e.ID())
	if err != nil || !ulid.Time(id.Time()).Equal(start()) {
		t.Errorf("ID %q is no ULID of %s: %v", e.ID(), start(), err)
	}
	got := map[string]string{
		"specversion": e.SpecVersion(), "type": e.Type(), "source": e.Source(), "subject": e.Subject(),
		"time": e.Time().Format(time.RFC3339), "datacontenttype": e.DataContentType(), "dataschema": e.DataSchema(),
	}
	for _, name := range []string{
		event.ExtensionPartitionKey, event.ExtensionSequence, event.ExtensionCorrelationID,
		event.ExtensionCausationID, event.ExtensionExpiryTime, event.ExtensionTraceparent,
	} {
		got[name] = event.Extension(e, name)
	}
	want := map[string]string{
		"specversion": "1.0", "type": event.TypeOrderRequested, "source": source, "subject": "acc-1",
		"time": "2026-11-23T14:30:00Z", "datacontenttype": "application/json",
		"dataschema":   event.SchemaURI(event.TypeOrderRequested),
		"partitionkey": "acc-1", "sequence": "00000000000000000042", "correlationid": "flow", "causationid": "cause",
		"expirytime": "2026-11-23T14:31:00Z", "traceparent": "00-1-2-01",
	}
	for name, value := range want {
		if got[name] != value {
			t.Errorf("%s = %q, want %q", name, got[name], value)
		}
	}
}

func TestSequencesOrderAsText(t *testing.T) {
	t.Parallel()
	previous := ""
	for _, n := range []uint64{0, 9, 10, 99, 1 << 40, math.MaxUint64} {
		text := event.Extension(newEvent(t, event.WithSequence(n)), event.ExtensionSequence)
		if text <= previous {
			t.Errorf("%d is %q, not after %q", n, text, previous)
		}
		previous = text
	}
}

func TestIDsAreUniqueOrGiven(t *testing.T) {
	t.Parallel()
	if a, b := newEvent(t), newEvent(t); a.ID() == b.ID() {
		t.Fatalf("both are %s", a.ID())
	}
	if e := newEvent(t, event.WithID("given")); e.ID() != "given" {
		t.Fatalf("got %s", e.ID())
	}
}

func TestProofCoversTheEventAsItIsSent(t *testing.T) {
	t.Parallel()
	prove := func(id, eventType string, data []byte) (string, error) {
		return fmt.Sprintf("%s|%s|%s", id, eventType, data), nil
	}
	e := newEvent(t, event.WithID("e-1"), event.WithProof(prove))
	want := "e-1|" + event.TypeOrderRequested + "|" + string(e.Data())
	if got := event.Extension(e, event.ExtensionProof); got != want {
		t.Fatalf("got %s, want %s", got, want)
	}
}

func TestEventsWithoutAnAccount(t *testing.T) {
	t.Parallel()
	e, err := event.New(event.TypeSweepTick, source, "", event.SweepTick{})
	if err != nil || e.Subject() != "" || event.Extension(e, event.ExtensionPartitionKey) != "" {
		t.Fatalf("got %v, %v", e, err)
	}
	e, err = event.New(event.TypeQuoteCrossed, source, "", event.QuoteCrossed{}, event.WithSubject("AAPL"))
	if err != nil || e.Subject() != "AAPL" || event.Extension(e, event.ExtensionPartitionKey) != "AAPL" {
		t.Fatalf("got %v, %v", e, err)
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	noEntropy := event.Builder{Clock: clock.NewFake(start()), Entropy: strings.NewReader("")}
	cases := map[string]func() error{
		"unknown type": func() error { _, err := event.New("ai.opitios.x", source, "a", nil); return err },
		"no source":    func() error { _, err := event.New(event.TypeSweepTick, "", "a", nil); return err },
		"data that is not JSON": func() error {
			_, err := event.New(event.TypeSweepTick, source, "a", func() {})
			return err
		},
		"failed proof": func() error {
			fails := func(string, string, []byte) (string, error) { return "", errors.New("no key") }
			_, err := event.New(event.TypeSweepTick, source, "a", nil, event.WithProof(fails))
			return err
		},
		"no randomness": func() error {
			_, err := noEntropy.New(event.TypeSweepTick, source, "a", nil)
			return err
		},
	}
	for name, try := range cases {
		if err := try(); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestDecode(t *testing.T) {
	t.Parallel()
	got, err := event.Decode[event.OrderRequested](newEvent(t))
	if err != nil || got.Order.Symbol != "AAPL" || got.Order.LimitPrice.String() != "187.25" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestDecodeFillsInTheAssetClass(t *testing.T) {
	t.Parallel()
	got, err := event.Decode[event.OrderRequested](withData(t, event.TypeOrderRequested, `{"account_id":"a","order":{}}`))
	if err != nil || got.AssetClass != event.AssetClassUSEquity {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestDecodeNamesTheField(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, data, field string }{
		{"unknown field", `{"account_id":"a","order":{"quantity":1}}`, "quantity"},
		{"wrong type", `{"account_id":7}`, "account_id"},
		{"wrong nested type", `{"order":{"side":false}}`, "order.side"},
		{"no number", `{"order":{"symbol":"A","qty":"ten"}}`, "order.qty"},
		{"no nested number", `{"order":{"stop_loss":{"stop_price":true}}}`, "order.stop_loss.stop_price"},
		{"not JSON", `{`, "data"},
		{"empty", ``, "data"},
		{"trailing data", `{"account_id":"a"} {}`, "data"},
		{"array", `[]`, "data"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := event.Decode[event.OrderRequested](withData(t, event.TypeOrderRequested, c.data))
			if !errors.Is(err, problem.InvalidRequest) || problem.From(err).Details["field"] != c.field {
				t.Fatalf("got %v %v, want INVALID_REQUEST at %s", err, problem.From(err).Details, c.field)
			}
		})
	}
}

func TestDecodeLetsFactsGrow(t *testing.T) {
	t.Parallel()
	data := `{"account_id":"a","reason":"fill","occurred_at":"2026-11-23T14:30:00Z","new_field":1}`
	got, err := event.Decode[event.AccountUpdated](withData(t, event.TypeAccountUpdated, data))
	if err != nil || got.Reason != "fill" {
		t.Fatalf("got %+v, %v", got, err)
	}
}

func TestDecodeWantsJSON(t *testing.T) {
	t.Parallel()
	e := withData(t, event.TypeAccountUpdated, `{}`)
	for contentType, good := range map[string]bool{
		"": true, "application/json; charset=utf-8": true, "application/x+json": true, "text/plain": false, "/": false,
	} {
		e.SetDataContentType(contentType)
		if _, err := event.Decode[event.AccountUpdated](e); (err == nil) != good {
			t.Errorf("%q: %v", contentType, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"account_id":"a","order":{"qty":"1.5","take_profit":{"limit_price":1e2}}}`, `{"order":null}`, `[]`, `{"a":{}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data string) {
		e := withData(t, event.TypeOrderRequested, data)
		_, err := event.Decode[event.OrderRequested](e)
		if err != nil && !errors.Is(err, problem.InvalidRequest) {
			t.Fatalf("%q: %v", data, err)
		}
	})
}

// withData makes an event whose data need not be right.
func withData(t testing.TB, eventType, data string) event.Event {
	t.Helper()
	e, err := event.New(eventType, source, "acc-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	e.DataEncoded = []byte(data)
	return e
}

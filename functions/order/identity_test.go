package order_test

import (
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	orderfn "github.com/opitios-ai/alpaca-knative/functions/order"
	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// TestDerivedIDIsStable: the IDs are part of the stored data; a change would let a repeat across a rollout through.
func TestDerivedIDIsStable(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, got, want string }{
		{"key", orderfn.DerivedID(orderfn.FromKey, "ACC001", "8e03978e-40d5-43e8-bc93-6894a57f9324"), "key-tagqi4y3va4u2i2wyplzw2rwsv3rdlyn"},
		{"event", orderfn.DerivedID(orderfn.FromEvent, "ACC001", "/bots/one", "01JD"), "evt-c3lyjrqytdta42kyxobuvctifddquq2q"},
	} {
		if c.got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, c.got, c.want)
		}
	}
}

// TestDerivedIDKeepsPartsApart: parts that only look alike when written one after the other differ.
func TestDerivedIDKeepsPartsApart(t *testing.T) {
	t.Parallel()
	cases := [][]string{
		{"acc", "a", "bc"}, {"acc", "ab", "c"}, {"acca", "", "bc"}, {"acc", "abc", ""}, {"acc", "abc"}, {"acc", "", "abc"},
		{"acc", "1:a", "2:bc"}, {"acc", "1:a2:bc"}, {"a", "cc", "abc"}, {"acc", "1:a", "bc"}, {"acc"}, {"acc", ""},
	}
	seen := map[string]int{}
	for i, parts := range cases {
		id := orderfn.DerivedID("x-", parts[0], parts[1:]...)
		if former, taken := seen[id]; taken {
			t.Errorf("%q and %q have the same ID", cases[former], parts)
		}
		seen[id] = i
	}
}

func TestDerivedIDsDiffer(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(rapid.StringN(0, 6, -1), 1, 3)
		a, b := parts.Draw(t, "a"), parts.Draw(t, "b")
		same := strings.Join(a, "\x00") == strings.Join(b, "\x00") && len(a) == len(b)
		ids := [2]string{orderfn.DerivedID(orderfn.FromEvent, "acc", a...), orderfn.DerivedID(orderfn.FromEvent, "acc", b...)}
		if (ids[0] == ids[1]) != same {
			t.Fatalf("%q and %q: %v", a, b, ids)
		}
		if len(ids[0]) > orderfn.MaxClientOrderID {
			t.Fatalf("%s is too long for Alpaca", ids[0])
		}
	})
}

func TestClientOrderID(t *testing.T) {
	t.Parallel()
	if got := orderfn.ClientOrderID("acc", "mine", "key"); got != "mine" {
		t.Errorf("the caller's own ID became %s", got)
	}
	derived := orderfn.ClientOrderID("acc", "", "key")
	if !strings.HasPrefix(derived, orderfn.FromKey) || derived != orderfn.ClientOrderID("acc", "", "key") {
		t.Errorf("from a key: %s", derived)
	}
	if derived == orderfn.ClientOrderID("other", "", "key") || derived == orderfn.ClientOrderID("acc", "", "Key") {
		t.Error("another account or key has the same ID")
	}
	generated := orderfn.ClientOrderID("acc", "", "")
	if !strings.HasPrefix(generated, orderfn.FromNone) || generated == orderfn.ClientOrderID("acc", "", "") {
		t.Errorf("without anything: %s", generated)
	}
}

// TestFingerprint: two ways of writing the same order agree, two orders don't.
func TestFingerprint(t *testing.T) {
	t.Parallel()
	identify := func(class, changes string) string {
		got, err := orderfn.Fingerprint(class, decodeOrder(t, with(t, market, changes)))
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	base := identify(event.AssetClassUSEquity, `{}`)
	for _, same := range []string{
		`{"qty":1.0}`, `{"qty":"1"}`, `{"qty":"1.000"}`, `{"qty":1e0}`, `{"limit_price":null}`, `{"extended_hours":false}`, `{"order_class":""}`,
	} {
		if identify(event.AssetClassUSEquity, same) != base {
			t.Errorf("%s has another fingerprint", same)
		}
	}
	seen := map[string]string{base: `{}`}
	for _, other := range []string{
		`{"qty":2}`, `{"qty":10}`, `{"symbol":"MSFT"}`, `{"side":"sell"}`, `{"qty":null,"notional":1}`, `{"type":"limit","limit_price":1}`,
		`{"type":"stop","stop_price":1}`, `{"time_in_force":"gtc"}`, `{"extended_hours":true}`, `{"client_order_id":"a"}`,
		`{"take_profit":{"limit_price":1}}`, `{"stop_loss":{"limit_price":1}}`, `{"stop_loss":{"stop_price":1}}`,
	} {
		got := identify(event.AssetClassUSEquity, other)
		if former, taken := seen[got]; taken {
			t.Errorf("%s and %s have the same fingerprint", other, former)
		}
		seen[got] = other
	}
	if identify(event.AssetClassCrypto, `{}`) == base {
		t.Error("another asset class has the same fingerprint")
	}
}

// TestIdempotencyKey: the IETF draft's quoted string, and what most clients send.
func TestIdempotencyKey(t *testing.T) {
	t.Parallel()
	const header = "Idempotency-Key"
	long := strings.Repeat("x", orderfn.MaxIdempotencyKey)
	if key, err := orderfn.IdempotencyKey(http.Header{}); key != "" || err != nil {
		t.Errorf("without a key: %q, %v", key, err)
	}
	for given, want := range map[string]string{
		"a": "a", `"a"`: "a", ` "a" `: "a", `"a\"b\\c"`: `a"b\c`, long: long, `"` + long + `"`: long, `a"b`: `a"b`,
	} {
		if key, err := orderfn.IdempotencyKey(http.Header{header: {given}}); key != want || err != nil {
			t.Errorf("%s: %q, %v", given, key, err)
		}
	}
	for _, given := range [][]string{
		{""}, {" "}, {"a b"}, {"a\tb"}, {"schlüssel"}, {long + "x"}, {`""`}, {`"`}, {`"a`}, {`"a"b"`}, {`"a\b"`}, {`"a\"`}, {`"a b"`}, {"a", "a"}, {`"a"`, `"b"`},
	} {
		if key, err := orderfn.IdempotencyKey(http.Header{header: given}); err == nil {
			t.Errorf("%q is taken as %q", given, key)
		}
	}
}

func TestIsOrderID(t *testing.T) {
	t.Parallel()
	const id = "61e69015-8549-4bfd-b9c3-01e75843f47d"
	if !orderfn.IsOrderID(id) || !orderfn.IsOrderID(strings.ToUpper(id)) {
		t.Error("an order ID is refused")
	}
	for _, bad := range []string{
		"", "..", id[1:], id + "0", strings.Replace(id, "-", "_", 1), strings.Replace(id, "6", "g", 1), strings.Replace(id, "6", "/", 1),
		"61e690158549-4bfd-b9c3-01e75843f47d-", strings.Repeat("-", 36),
	} {
		if orderfn.IsOrderID(bad) {
			t.Errorf("%q is taken for an order ID", bad)
		}
	}
}

package wire_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/opitios-ai/alpaca-knative/emulator/wire"
	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func sample() *wire.Object {
	var level wire.Object
	level.Number("p", decimal.MustParse("1.50")).Int("s", -3)
	at := time.Date(2026, time.November, 24, 15, 30, 5, 120_000_000, time.UTC)
	return new(wire.Object).String("T", "é\"").Uint("i", 1<<40).Bool("r", true).Time("t", at).Strings("c", nil).
		Strings("d", []string{"@", "I"}).Objects("b", []wire.Object{level}).Null("z")
}

func TestObjectJSON(t *testing.T) {
	t.Parallel()
	want := `{"T":"é\"","i":1099511627776,"r":true,"t":"2026-11-24T15:30:05.12Z","c":[],"d":["@","I"],"b":[{"p":1.5,"s":-3}],"z":null}`
	if got := string(sample().AppendJSON(nil)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string(sample().Reset().AppendJSON([]byte("x"))); got != "x{}" {
		t.Errorf("after Reset: %s", got)
	}
}

func TestObjectMessagePack(t *testing.T) {
	t.Parallel()
	packed := sample().AppendMessagePack([]byte{0xc0})
	want := "c0" + "88" + "a154" + "a3c3a922" + "a169" + "cf0000010000000000" + "a172c3" + "a174" + "d7ff1c9c38006b05ad7d" +
		"a163" + "90" + "a164" + "92a140a149" + "a162" + "91" + "82" + "a170cb3ff8000000000000" + "a173fd" + "a17ac0"
	if got := hex.EncodeToString(packed); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	var decoded map[string]any
	if err := msgpack.Unmarshal(packed[1:], &decoded); err != nil {
		t.Fatal(err)
	}
	if at, ok := decoded["t"].(time.Time); !ok || !at.Equal(time.Date(2026, time.November, 24, 15, 30, 5, 120_000_000, time.UTC)) {
		t.Errorf("time: %v", decoded["t"])
	}
}

func TestMessagePackOfJSON(t *testing.T) {
	t.Parallel()
	packed, err := wire.MessagePack(nil, []byte(`{"b":[1,-2,1.5,1e3,null,true],"a":{"text":"2026-11-24T15:30:05Z"},"e":[],"f":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := "84" + "a162" + "96" + "01" + "fe" + "cb3ff8000000000000" + "cb408f400000000000" + "c0" + "c3" +
		"a161" + "81" + "a474657874" + "b4" + hex.EncodeToString([]byte("2026-11-24T15:30:05Z")) + "a165" + "90" + "a166" + "80"
	if got := hex.EncodeToString(packed); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, bad := range []string{``, `{`, `{} {}`, `[1,]`, `nul`} {
		if _, err := wire.MessagePack(nil, []byte(bad)); err == nil {
			t.Errorf("%q was packed", bad)
		}
	}
}

// FuzzMessagePack checks that what is packed is what was meant, by unpacking it.
func FuzzMessagePack(f *testing.F) {
	f.Add([]byte(`{"stream":"listening","data":{"streams":["trade_updates"]}}`))
	f.Add([]byte(`[[[[]]],{"a":1e400},-9223372036854775808,18446744073709551615]`))
	f.Fuzz(func(t *testing.T, document []byte) {
		packed, err := wire.MessagePack(nil, document)
		if err != nil {
			return
		}
		decoder := msgpack.NewDecoder(bytes.NewReader(packed))
		decoder.UseLooseInterfaceDecoding(true)
		got, err := decoder.DecodeInterfaceLoose()
		if err != nil {
			t.Fatalf("unpack %x of %s: %v", packed, document, err)
		}
		var want any
		if json.Unmarshal(document, &want) != nil {
			return // a number beyond 64-bit floats
		}
		if !reflect.DeepEqual(plain(got), plain(want)) {
			t.Errorf("%s became %v", document, got)
		}
	})
}

// plain makes numbers alike and drops keys that came twice.
func plain(value any) any {
	switch v := value.(type) {
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case []any:
		list := make([]any, len(v))
		for i := range v {
			list[i] = plain(v[i])
		}
		return list
	case map[string]any:
		fields := make(map[string]any, len(v))
		for key, field := range v {
			fields[key] = plain(field)
		}
		return fields
	default:
		return value
	}
}

package decimal_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
)

func TestParse(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, in, want string }{
		{"integer", "100000", "100000"},
		{"trailing zeros are dropped", "1.500", "1.5"},
		{"negative", "-0.01", "-0.01"},
		{"long captured equity", "122011.09751111286868", "122011.09751111286868"},
		{"exponent", "1e5", "100000"},
		{"negative exponent", "1e-05", "0.00001"},
		{"fraction with exponent", "-12.5E-3", "-0.0125"},
		{"exponent that keeps a fraction", "1.2345e2", "123.45"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := decimal.Parse(c.in)
			if err != nil || got.String() != c.want {
				t.Fatalf("Parse(%q) = %s, %v; want %s", c.in, got, err, c.want)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	bad := []string{
		"", "abc", "1.2.3", "--1", "1e", "e5", "1e999999999", "1e-31", "NaN", "Infinity", "0x10", "1 ", "1e+-3",
		"1.00000000000000000001", strings.Repeat("9", 65),
	}
	for _, in := range bad {
		if got, err := decimal.Parse(in); !errors.Is(err, decimal.ErrSyntax) {
			t.Errorf("Parse(%q) = %s, %v; want ErrSyntax", in, got, err)
		}
	}
}

func TestNumberJSON(t *testing.T) {
	t.Parallel()
	var v struct {
		A decimal.Number  `json:"a"`
		B *decimal.Number `json:"b"`
		C *decimal.Number `json:"c"`
	}
	if err := json.Unmarshal([]byte(`{"a":1.50,"b":"2e-3","c":null}`), &v); err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(v)
	if err != nil || string(out) != `{"a":1.5,"b":0.002,"c":null}` {
		t.Fatalf("got %s, %v", out, err)
	}
	for _, bad := range []string{`{"a":true}`, `{"a":{}}`, `{"a":"x"}`, `{"a":[1]}`} {
		if err := json.Unmarshal([]byte(bad), &v); !errors.Is(err, decimal.ErrSyntax) {
			t.Errorf("%s: %v, want ErrSyntax", bad, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, seed := range []string{"1", "-1.5", "1e-5", "1e30", "00.1", ".5", "5.", "1E+2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		value, err := decimal.Parse(text)
		if err != nil {
			return
		}
		again, err := decimal.Parse(value.String())
		if err != nil || !again.Equal(value) {
			t.Fatalf("%q -> %s -> %s, %v", text, value, again, err)
		}
	})
}

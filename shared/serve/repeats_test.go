package serve_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

// FuzzRepeats: what looks at bytes finds what encoding/json's tokens tell.
func FuzzRepeats(f *testing.F) {
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, `"f%d":%d,`, i, i)
	}
	for _, body := range []string{
		`{}`, `[]`, `""`, `1`, `{"a":1,"A":2}`, `{"a":{"b":[1,{"c":null,"c":true}]}}`, `{"a":"}","b":"\"a\":","c":[]}`, ` { "a" : -1e5 , "b" : [ ] } `,
		`{"\u0061":1,"a":2}`, `{"a\\":1,"b":2}`, `{` + many.String() + `"F39":1}`, `{` + many.String() + `"f40":1}`, `{"":1,"":2}`, `[[1,2],{"a":[{"a":1}],"b":{}}]`,
	} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		if !json.Valid(body) {
			return
		}
		if got, want := serve.RefuseRepeats(body) != nil, repeats(t, json.NewDecoder(bytes.NewReader(body))); got != want {
			t.Fatalf("%s: repeated %v, want %v", body, got, want)
		}
	})
}

// repeats reads one value by its tokens.
func repeats(t *testing.T, decoder *json.Decoder) bool {
	t.Helper()
	token, err := decoder.Token()
	if err != nil {
		t.Fatal(err)
	}
	opening, nested := token.(json.Delim)
	if !nested {
		return false
	}
	var names []string
	found := false
	for decoder.More() {
		if opening == '{' {
			key, err := decoder.Token()
			if err != nil {
				t.Fatal(err)
			}
			for _, former := range names {
				found = found || strings.EqualFold(former, key.(string))
			}
			names = append(names, key.(string))
		}
		found = repeats(t, decoder) || found
	}
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	return found
}

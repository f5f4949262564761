package serve_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
	"github.com/opitios-ai/alpaca-knative/shared/serve"
)

func TestDecodeJSONNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	tests := []struct{ name, body, field, message string }{
		{"empty", "", "body", "a JSON body is required"},
		{"blank", " \n\t", "body", "a JSON body is required"},
		{"null", "null", "body", "the body must be a JSON object"},
		{"array", `[1]`, "body", "the body must be a JSON object"},
		{"string", `"AAPL"`, "body", "the body must be a JSON object"},
		{"number", `1`, "body", "the body must be a JSON object"},
		{"not JSON", `{symbol:1}`, "body", "the body is not JSON: error at byte 2"},
		{"cut off", `{"symbol":"A`, "body", "the body is not JSON: it ends too early"},
		{"trailing object", `{} {}`, "body", "there is data after the JSON body"},
		{"trailing brace", `{}}`, "body", "there is data after the JSON body"},
		{"unknown field", `{"simbol":"A"}`, "simbol", `unknown field "simbol"`},
		{"unknown nested field", `{"take_profit":{"price":1}}`, "price", `unknown field "price"`},
		{"unknown field with a quote", `{"a\"b":1}`, `a"b`, `unknown field "a\"b"`},
		{"unknown long field", `{"` + long + `":1}`, strings.Repeat("x", 128) + "...", `unknown field "` + strings.Repeat("x", 128) + `..."`},
		{"number for string", `{"symbol":1}`, "symbol", "symbol must be a string, not number"},
		{"string for bool", `{"extended_hours":"yes"}`, "extended_hours", "extended_hours must be true or false, not string"},
		{"string for array", `{"tags":"a"}`, "tags", "tags must be an array, not string"},
		{"string for object", `{"take_profit":"a"}`, "take_profit", "take_profit must be an object, not string"},
		{"fraction for whole number", `{"count":1.5}`, "count", "count must be a whole number in range, not number 1.5"},
		{"out of range", `{"count":256}`, "count", "count must be a whole number in range, not number 256"},
		{"negative for unsigned", `{"count":-1}`, "count", "count must be a whole number in range, not number -1"},
		{"number in array", `{"tags":[1]}`, "tags", "tags must be a string, not number"},
		{"repeated field", `{"symbol":"A","symbol":"B"}`, "symbol", "symbol stands twice"},
		{"repeated field in another case", `{"symbol":"A","Symbol":"B"}`, "Symbol", "Symbol stands twice"},
		{"repeated nested field", `{"take_profit":{"limit_price":1,"limit_price":2}}`, "limit_price", "limit_price stands twice"},
		{"repeated field by an escape", `{"symbol":"A","s\u0079mbol":"B"}`, "symbol", "symbol stands twice"},
		{"repeated field among brackets in text", `{"symbol":"}],{\"","symbol":"B"}`, "symbol", "symbol stands twice"},
		{"repeated field in array", `{"legs":[{},{"limit_price":1,"limit_price":2}]}`, "limit_price", "limit_price stands twice"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var target input
			got := problem.From(serve.DecodeJSON([]byte(test.body), &target))
			if got.Kind != problem.InvalidRequest || got.Details["field"] != test.field || got.Message != test.message {
				t.Fatalf("got %v %q %q", got.Kind, got.Details["field"], got.Message)
			}
		})
	}
}

// encoding/json does not say whose UnmarshalJSON failed: we must.
func TestDecodeJSONNamesTheFaultyDecimal(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, body, field string }{
		{"text", `{"symbol":"A","qty":"ten"}`, "qty"},
		{"object", `{"qty":{}}`, "qty"},
		{"bool", `{"qty":true}`, "qty"},
		{"pointer", `{"notional":"1,5"}`, "notional"},
		{"nested", `{"qty":"1","take_profit":{"limit_price":"abc"}}`, "take_profit.limit_price"},
		{"in an array", `{"legs":[{"limit_price":1},{"limit_price":"abc"}]}`, "legs[1].limit_price"},
		{"another case", `{"QTY":"ten"}`, "qty"},
		{"long", `{"qty":"` + strings.Repeat("9", 100_000) + `"}`, "qty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var target input
			got := problem.From(serve.DecodeJSON([]byte(test.body), &target))
			if got.Kind != problem.InvalidRequest || got.Details["field"] != test.field || !strings.HasPrefix(got.Message, test.field+": ") {
				t.Fatalf("got %v %q %q", got.Kind, got.Details["field"], got.Message)
			}
			if len(got.Error()) > 400 {
				t.Fatalf("an error of %d bytes", len(got.Error()))
			}
		})
	}
}

func TestDecodeJSONTakesNumbersAndStrings(t *testing.T) {
	t.Parallel()
	for _, body := range []string{`{"qty":1.50,"legs":[{"limit_price":2}]}`, " {\"qty\":\"1.50\",\"legs\":[{\"limit_price\":\"2\"}]}\n"} {
		var target input
		if err := serve.DecodeJSON([]byte(body), &target); err != nil {
			t.Fatal(err)
		}
		if target.Qty.String() != "1.5" || target.Legs[0].LimitPrice.String() != "2" {
			t.Fatalf("%s: %+v", body, target)
		}
	}
}

func TestBodyIsRefused(t *testing.T) {
	t.Parallel()
	const order = "/api/v1/stocks/order"
	unknownLength := func(r *http.Request) { r.ContentLength = -1 }
	huge := `{"symbol":"` + strings.Repeat("A", 2<<20) + `"}`
	tests := []struct {
		name   string
		r      *http.Request
		status int
		field  string
	}{
		{"no body", request(http.MethodPost, order, "", header("Content-Type", "application/json")), 400, `"field":"body"`},
		{"2 MiB", request(http.MethodPost, order, huge), 413, `"limit_bytes":1048576`},
		{"2 MiB of unknown length", request(http.MethodPost, order, huge, unknownLength), 413, `"limit_bytes":1048576`},
		{"no content type", request(http.MethodPost, order, "{}", header("Content-Type", "")), 415, `"field":"Content-Type"`},
		{"a form", request(http.MethodPost, order, "{}", header("Content-Type", "application/x-www-form-urlencoded")), 415, `"field":"Content-Type"`},
		{"a broken content type", request(http.MethodPost, order, "{}", header("Content-Type", ";;")), 415, `"field":"Content-Type"`},
		{"a body that nobody reads", request(http.MethodDelete, order, "{}"), 400, `"field":"body"`},
		{"the same of unknown length", request(http.MethodDelete, order, "{}", unknownLength), 400, `"field":"body"`},
		{"a body that breaks off", request(http.MethodPost, order, "{", func(r *http.Request) { r.Body = io.NopCloser(broken{}) }), 400, "did not arrive whole"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := newAPI(t).do(test.r)
			if got.Code != test.status || !strings.Contains(got.Body.String(), test.field) {
				t.Fatalf("%d %s", got.Code, got.Body)
			}
		})
	}
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errors.New("connection reset") }

func TestBodyIsTaken(t *testing.T) {
	t.Parallel()
	a := newAPI(t)
	for _, r := range []*http.Request{
		request(http.MethodPost, "/api/v1/stocks/order", `{"symbol":"A"}`, header("Content-Type", "Application/JSON; charset=utf-8")),
		request(http.MethodPost, "/api/v1/stocks/order", `{"symbol":"A"}`, func(r *http.Request) { r.ContentLength = -1 }),
	} {
		if got := a.do(r); got.Code != http.StatusCreated {
			t.Errorf("%d %s", got.Code, got.Body)
		}
	}
	empty := request(http.MethodDelete, "/api/v1/stocks/order", "", func(r *http.Request) { r.ContentLength, r.Body = -1, http.NoBody })
	if got := a.do(empty); got.Code != http.StatusOK {
		t.Errorf("an empty body of unknown length: %d %s", got.Code, got.Body)
	}
}

// Whatever the body is, it decodes or is an INVALID_REQUEST with a field and a bounded text.
func FuzzDecodeJSON(f *testing.F) {
	for _, seed := range []string{
		`{"symbol":"AAPL","qty":"1.5","take_profit":{"limit_price":1}}`, `{"qty":"x"}`, `{"legs":[{"limit_price":[]}]}`, `null`, `{}{}`,
		`{"a":{"b":[{"c":1,"c":2}]}}`, `{"symbol":"\ud800"}`, `[[[[`, `{"count":1e400}`, "{\"\xff\":1}", `{"":1}`, `{"Qty":1,"qty":"y"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var target input
		err := serve.DecodeJSON(body, &target)
		if err == nil {
			if !json.Valid(body) {
				t.Fatalf("%q is not JSON but was taken", body)
			}
			return
		}
		got := problem.From(err)
		if _, named := got.Details["field"].(string); got.Kind != problem.InvalidRequest || !named || len(got.Message) > 800 {
			t.Fatalf("%v", err)
		}
	})
}

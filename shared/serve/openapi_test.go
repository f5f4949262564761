package serve_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func openAPI(t *testing.T) (raw []byte, document map[string]any) {
	t.Helper()
	got := newAPI(t).do(request(http.MethodGet, "/openapi.json", "", header("Authorization", "")))
	if got.Code != http.StatusOK {
		t.Fatalf("%d %s", got.Code, got.Body)
	}
	if err := json.Unmarshal(got.Body.Bytes(), &document); err != nil {
		t.Fatal(err)
	}
	return got.Body.Bytes(), document
}

// at follows keys into nested objects.
func at(t *testing.T, document any, keys ...string) any {
	t.Helper()
	for _, key := range keys {
		object, _ := document.(map[string]any)
		next, ok := object[key]
		if !ok {
			t.Fatalf("no %q of %v", key, keys)
		}
		document = next
	}
	return document
}

func TestOpenAPIHasEveryOperation(t *testing.T) {
	t.Parallel()
	_, document := openAPI(t)
	if document["openapi"] != "3.1.0" || at(t, document, "info", "title") != "Test" {
		t.Errorf("%v %v", document["openapi"], document["info"])
	}
	want := map[string]string{
		"getQuote": "GET /api/v1/stocks/{symbol}/quote", "getCrypto": "GET /api/v1/crypto/{symbol}/quote", "placeOrder": "POST /api/v1/stocks/order",
		"cancel": "DELETE /api/v1/stocks/order", "issueToken": "GET /api/v1/auth/token", "panics": "GET /api/v1/panic", "fails": "GET /api/v1/fail",
	}
	for path, item := range at(t, document, "paths").(map[string]any) {
		for method := range item.(map[string]any) {
			id, _ := at(t, item, method, "operationId").(string)
			if want[id] != strings.ToUpper(method)+" "+path {
				t.Errorf("%s is %s %s", id, method, path)
			}
			delete(want, id)
		}
	}
	if len(want) > 0 {
		t.Errorf("missing %v", want)
	}
}

func TestOpenAPIDescribesFailuresAndParameters(t *testing.T) {
	t.Parallel()
	_, document := openAPI(t)
	quote := at(t, document, "paths", "/api/v1/stocks/{symbol}/quote", "get")
	for status, codes := range map[string]string{
		"400": "INVALID_REQUEST", "401": "INVALID_TOKEN", "403": "FORBIDDEN", "404": "SYMBOL_NOT_FOUND", "422": "INVALID_SYMBOL",
		"429": "RATE_LIMIT_EXCEEDED", "500": "INTERNAL_ERROR",
	} {
		if got := at(t, quote, "responses", status, "description"); got != codes {
			t.Errorf("%s: %v, want %s", status, got, codes)
		}
	}
	if at(t, quote, "security").([]any)[0].(map[string]any)["token"] == nil {
		t.Errorf("security %v", at(t, quote, "security"))
	}
	parameters := at(t, quote, "parameters").([]any)
	if len(parameters) != 2 || at(t, parameters[0], "required") != true || len(at(t, parameters[1], "schema", "enum").([]any)) != 2 {
		t.Errorf("parameters %v", parameters)
	}
	order := at(t, document, "paths", "/api/v1/stocks/order", "post")
	for _, status := range []string{"201", "413", "415"} {
		at(t, order, "responses", status)
	}
}

// The document is true when what the API says conforms to it.
func TestAnswersConformToOpenAPI(t *testing.T) {
	t.Parallel()
	raw, _ := openAPI(t)
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("mem:///openapi.json", document); err != nil {
		t.Fatal(err)
	}
	const quote, crypto = "/api/v1/stocks/{symbol}/quote", "/api/v1/crypto/{symbol}/quote"
	tests := []struct {
		name    string
		r       *http.Request
		pattern string
	}{
		{"a quote", request(http.MethodGet, "/api/v1/stocks/AAPL/quote", ""), quote},
		{"raw data", request(http.MethodGet, "/api/v1/crypto/BTCUSD/quote", ""), crypto},
		{"no token", request(http.MethodGet, "/api/v1/stocks/AAPL/quote", "", header("Authorization", "")), quote},
		{"a wrong query", request(http.MethodGet, "/api/v1/stocks/AAPL/quote?x=1", ""), quote},
		{"a placed order", request(http.MethodPost, "/api/v1/stocks/order", `{"symbol":"A"}`), "/api/v1/stocks/order"},
		{"a wrong order", request(http.MethodPost, "/api/v1/stocks/order", `{"qty":"x"}`), "/api/v1/stocks/order"},
		{"a failure", request(http.MethodGet, "/api/v1/fail", ""), "/api/v1/fail"},
		{"nothing", request(http.MethodGet, "/api/v1/auth/token", ""), "/api/v1/auth/token"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			answer := newAPI(t).do(test.r)
			pointer := strings.Join([]string{"", "paths", strings.ReplaceAll(test.pattern, "/", "~1"), strings.ToLower(test.r.Method), "responses",
				strconv.Itoa(answer.Code), "content", "application~1json", "schema"}, "/")
			schema, err := compiler.Compile("mem:///openapi.json#" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer))
			if err != nil {
				t.Fatal(err)
			}
			value, err := jsonschema.UnmarshalJSON(answer.Body)
			if err != nil {
				t.Fatal(err)
			}
			if err := schema.Validate(value); err != nil {
				t.Fatalf("%v: %v", value, err)
			}
		})
	}
}

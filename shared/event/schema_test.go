package event_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/event"
	"github.com/opitios-ai/alpaca-knative/shared/order"
)

// payloads has a zero value of each type's payload.
func payloads() map[string]any {
	result := map[string]any{
		event.TypeOrderRequested: event.OrderRequested{}, event.TypeOrderCancelRequested: event.OrderCancelRequested{},
		event.TypeAccountUpdated: event.AccountUpdated{}, event.TypeQuoteCrossed: event.QuoteCrossed{},
		event.TypeRiskBreached: event.RiskBreached{}, event.TypeSweepTick: event.SweepTick{},
	}
	for _, eventType := range event.Types() {
		switch {
		case strings.HasPrefix(eventType, "ai.opitios.position."):
			result[eventType] = event.PositionChanged{}
		case strings.HasPrefix(eventType, "ai.opitios.market."):
			result[eventType] = event.MarketSession{}
		case result[eventType] == nil:
			result[eventType] = event.OrderChanged{}
		}
	}
	return result
}

func TestEveryTypeIsKnownAndHasASchema(t *testing.T) {
	t.Parallel()
	for _, eventType := range event.Types() {
		if !event.Known(eventType) {
			t.Errorf("%s is not known", eventType)
		}
		schema := parseSchema(t, eventType)
		if schema["$id"] != event.SchemaURI(eventType) ||
			schema["$schema"] != "https://json-schema.org/draft/2020-12/schema" {
			t.Errorf("%s: wrong $id or $schema", eventType)
		}
	}
	if event.Known("ai.opitios.order.") || event.Known("") {
		t.Error("knows a type that does not exist")
	}
	if _, err := event.Schema("../event"); err == nil {
		t.Error("gave a schema of an unknown type")
	}
}

func TestSchemasAndStructsHaveTheSameFields(t *testing.T) {
	t.Parallel()
	for eventType, payload := range payloads() {
		sameFields(t, eventType, parseSchema(t, eventType), reflect.TypeOf(payload))
	}
}

func TestOnlyCommandsAreClosed(t *testing.T) {
	t.Parallel()
	for _, eventType := range event.Types() {
		open, _ := parseSchema(t, eventType)["additionalProperties"].(bool)
		if open == event.IsCommand(eventType) {
			t.Errorf("%s: additionalProperties is %v", eventType, open)
		}
	}
}

// TestFullPayloadsAreValid fills every field of every struct; what Go writes must be what the schema allows.
func TestFullPayloadsAreValid(t *testing.T) {
	t.Parallel()
	for eventType, payload := range payloads() {
		value := reflect.New(reflect.TypeOf(payload)).Elem()
		fill(value, eventType)
		document, err := json.Marshal(value.Interface())
		if err != nil {
			t.Fatal(err)
		}
		if err := validate(t, eventType, string(document)); err != nil {
			t.Errorf("%s: %s: %v", eventType, document, err)
		}
	}
}

func TestSchemasRefuse(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, eventType, data string }{
		{"no account", event.TypeOrderRequested, `{"order":{}}`},
		{"no order", event.TypeOrderRequested, `{"account_id":"a"}`},
		{"unknown field", event.TypeOrderRequested, `{"account_id":"a","order":{},"x":1}`},
		{"unknown field of the order", event.TypeOrderRequested, `{"account_id":"a","order":{"x":1}}`},
		{"unknown field of a leg", event.TypeOrderRequested, `{"account_id":"a","order":{"stop_loss":{"x":1}}}`},
		{"text as quantity", event.TypeOrderRequested, `{"account_id":"a","order":{"qty":"ten"}}`},
		{"asset class", event.TypeOrderRequested, `{"account_id":"a","order":{},"asset_class":"bond"}`},
		{"cancel of nothing", event.TypeOrderCancelRequested, `{"account_id":"a"}`},
		{"rejected without a reason", event.TypeOrderRejected, `{"account_id":"a","occurred_at":"2026-11-23T14:30:00Z"}`},
		{"time that is none", event.TypeAccountUpdated, `{"account_id":"a","reason":"fill","occurred_at":"now"}`},
		{"quoted price", event.TypeQuoteCrossed,
			`{"symbol":"A","direction":"above","level":"1","price":2,"occurred_at":"2026-11-23T14:30:00Z"}`},
		{"session of another type", event.TypeMarketOpened,
			`{"session":"closed","date":"2026-11-23","at":"2026-11-23T14:30:00Z"}`},
		{"shard out of range", event.TypeSweepTick, `{"shard":64}`},
	}
	for _, c := range cases {
		if validate(t, c.eventType, c.data) == nil {
			t.Errorf("%s: accepted %s", c.name, c.data)
		}
	}
}

func TestQuotedNumbersAreFineInCommands(t *testing.T) {
	t.Parallel()
	if err := validate(t, event.TypeOrderRequested, `{"account_id":"a","order":{"qty":"1.5","limit_price":2}}`); err != nil {
		t.Fatal(err)
	}
}

func parseSchema(t *testing.T, eventType string) map[string]any {
	t.Helper()
	content, err := event.Schema(eventType)
	if err != nil {
		t.Fatal(err)
	}
	var schema map[string]any
	if err := json.Unmarshal(content, &schema); err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, eventType, data string) error {
	t.Helper()
	content, err := event.Schema(eventType)
	if err != nil {
		t.Fatal(err)
	}
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource(event.SchemaURI(eventType), document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile(event.SchemaURI(eventType))
	if err != nil {
		t.Fatal(err)
	}
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(instance)
}

// sameFields compares names, and what Go always writes with what the schema requires.
func sameFields(t *testing.T, path string, schema map[string]any, target reflect.Type) {
	t.Helper()
	properties, _ := schema["properties"].(map[string]any)
	inStruct := make(map[string]bool)
	for field := range target.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		inStruct[name] = true
		property, _ := properties[name].(map[string]any)
		if items, isList := property["items"].(map[string]any); isList && field.Type.Kind() == reflect.Slice {
			sameFields(t, path+"."+name, items, field.Type.Elem())
		}
		if inner := structOf(field.Type); inner != nil && property != nil {
			sameFields(t, path+"."+name, property, inner)
		}
	}
	got, want := slices.Sorted(maps.Keys(properties)), slices.Sorted(maps.Keys(inStruct))
	if !slices.Equal(got, want) {
		t.Errorf("%s: schema has %v, struct has %v", path, got, want)
	}
	required, _ := schema["required"].([]any)
	for _, name := range required {
		if text, _ := name.(string); !inStruct[text] {
			t.Errorf("%s requires %v, which the struct does not have", path, name)
		}
	}
}

// structOf returns the struct behind a field that is a JSON object.
func structOf(target reflect.Type) reflect.Type {
	if target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	switch target {
	case reflect.TypeFor[event.Reason](), reflect.TypeFor[order.OrderRequest](), reflect.TypeFor[order.TakeProfit](),
		reflect.TypeFor[order.StopLoss]():
		return target
	default:
		return nil
	}
}

// fill sets every field to something that is not empty.
func fill(value reflect.Value, eventType string) {
	switch target := value.Addr().Interface().(type) {
	case *decimal.Number:
		*target = decimal.Number{Decimal: decimal.MustParse("12.5")}
		return
	case *time.Time:
		*target = start()
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			fill(value.Field(i), eventType)
			fillSpecial(value.Type().Field(i).Name, value.Field(i), eventType)
		}
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(value.Elem(), eventType)
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fill(value.Index(0), eventType)
	case reflect.String:
		value.SetString("text")
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int:
		value.SetInt(7)
	}
}

func fillSpecial(name string, value reflect.Value, eventType string) {
	special := map[string]string{
		"AssetClass": event.AssetClassCrypto, "Direction": "above", "Action": "refused", "Date": "2026-11-23",
		"Session": strings.TrimPrefix(eventType, "ai.opitios.market."),
	}
	if text, found := special[name]; found {
		value.SetString(text)
	}
}

package event

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"reflect"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// Decode reads the event's JSON data into a payload struct. A command's data must have no unknown field; a fact
// may have some, so that producers can add fields. Errors are *problem.Error of kind InvalidRequest and name the
// field at fault where there is one.
func Decode[T any](e Event) (T, error) {
	var payload T
	if !isJSON(e.DataContentType()) {
		return payload, problem.InvalidRequest.New("event data must be application/json").Field("datacontenttype")
	}
	decoder := json.NewDecoder(bytes.NewReader(e.Data()))
	if IsCommand(e.Type()) {
		decoder.DisallowUnknownFields()
	}
	if err := decoder.Decode(&payload); err != nil {
		return payload, decodeProblem(err, e.Data(), reflect.TypeFor[T]())
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return payload, problem.InvalidRequest.New("event data must be one JSON object").Field("data")
	}
	if withDefaults, ok := any(&payload).(interface{ setDefaults() }); ok {
		withDefaults.setDefaults()
	}
	return payload, nil
}

func isJSON(contentType string) bool {
	if contentType == "" {
		return true
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	return err == nil && (mediaType == "application/json" || strings.HasSuffix(mediaType, "+json"))
}

func decodeProblem(err error, data []byte, target reflect.Type) error {
	if quoted, found := strings.CutPrefix(err.Error(), "json: unknown field "); found {
		name := strings.Trim(quoted, `"`)
		return problem.InvalidRequest.New("event data has an unknown field %q", name).Field(name).Because(err)
	}
	var wrongType *json.UnmarshalTypeError
	if errors.As(err, &wrongType) && wrongType.Field != "" {
		return problem.InvalidRequest.New("%s must not be a JSON %s", wrongType.Field, wrongType.Value).
			Field(wrongType.Field).Because(err)
	}
	if name := faultyField(data, target); name != "" {
		return problem.InvalidRequest.New("%s has a value of the wrong form", name).Field(name).Because(err)
	}
	return problem.InvalidRequest.New("event data must be one JSON object").Field("data").Because(err)
}

// faultyField finds the dotted name of the first field whose own decoder refuses its value: encoding/json does
// not say which field that was. Only failed events pay for it.
func faultyField(data []byte, target reflect.Type) string {
	for target.Kind() == reflect.Pointer {
		target = target.Elem()
	}
	var members map[string]json.RawMessage
	if target.Kind() != reflect.Struct || json.Unmarshal(data, &members) != nil {
		return ""
	}
	for field := range target.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		value, present := members[name]
		if !present || json.Unmarshal(value, reflect.New(field.Type).Interface()) == nil {
			continue
		}
		if inner := faultyField(value, field.Type); inner != "" {
			return name + "." + inner
		}
		return name
	}
	return ""
}

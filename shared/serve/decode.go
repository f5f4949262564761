package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// MaxBody is the largest request body, in bytes.
const MaxBody = 1 << 20

// decodeBody reads the body into target, which is *None for an operation without one.
func decodeBody(w http.ResponseWriter, r *http.Request, target any) error {
	if _, none := target.(*None); none {
		return refuseBody(r)
	}
	if r.ContentLength > MaxBody {
		return bodyTooLarge()
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return problem.UnsupportedMedia.New("Content-Type must be application/json").Field("Content-Type")
	}
	content, err := io.ReadAll(http.MaxBytesReader(w, r.Body, MaxBody))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return bodyTooLarge()
		}
		return problem.InvalidRequest.New("the body did not arrive whole").Because(err)
	}
	return DecodeJSON(content, target)
}

func bodyTooLarge() error {
	return problem.BodyTooLarge.New("the body is larger than %d bytes", MaxBody).With("limit_bytes", MaxBody)
}

// refuseBody rejects a body that nobody would read.
func refuseBody(r *http.Request) error {
	if r.ContentLength > 0 {
		return problem.InvalidRequest.New("this operation takes no body").Field("body")
	}
	return nil
}

// DecodeJSON decodes content into target, a pointer to a struct. Unknown fields, trailing data and wrong types are
// problems that name the field.
func DecodeJSON(content []byte, target any) error {
	if len(bytes.TrimSpace(content)) == 0 {
		return problem.InvalidRequest.New("a JSON body is required").Field("body")
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return explain(err, content, target)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return problem.InvalidRequest.New("there is data after the JSON body").Field("body")
	}
	return nil
}

// explain turns a decoding error into a problem that names the field.
func explain(err error, content []byte, target any) error {
	var wrongType *json.UnmarshalTypeError
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		return problem.InvalidRequest.New("the body is not JSON: error at byte %d", syntax.Offset).Field("body").Because(err)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return problem.InvalidRequest.New("the body is not JSON: it ends too early").Field("body").Because(err)
	case errors.As(err, &wrongType) && wrongType.Field != "":
		return problem.InvalidRequest.New("%s must be %s, not %s", wrongType.Field, kindName(wrongType.Type), wrongType.Value).
			Field(wrongType.Field).Because(err)
	case errors.As(err, &wrongType):
		return problem.InvalidRequest.New("the body must be a JSON object").Field("body").Because(err)
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name = strings.Trim(name, `"`)
		return problem.InvalidRequest.New("unknown field %q", name).Field(name).Because(err)
	}
	field := faultyField(content, reflect.TypeOf(target).Elem(), "")
	return problem.InvalidRequest.New("%s: %v", field, err).Field(field).Because(err)
}

// faultyField finds the field whose own UnmarshalJSON failed, by trying each alone: encoding/json does not say.
func faultyField(content []byte, structType reflect.Type, prefix string) string {
	var fields map[string]json.RawMessage
	if structType.Kind() != reflect.Struct || json.Unmarshal(content, &fields) != nil {
		return strings.TrimSuffix(prefix, ".")
	}
	for i := range structType.NumField() {
		field := structType.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		raw, present := fields[name]
		if !present || json.Unmarshal(raw, reflect.New(field.Type).Interface()) == nil {
			continue
		}
		inner := field.Type
		if inner.Kind() == reflect.Pointer {
			inner = inner.Elem()
		}
		return faultyField(raw, inner, prefix+name+".")
	}
	return strings.TrimSuffix(prefix, ".")
}

func kindName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	default:
		return "a number"
	}
}

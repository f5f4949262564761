package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strconv"
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

// refuseBody rejects a body that nobody would read, also one of unknown length.
func refuseBody(r *http.Request) error {
	if r.ContentLength == 0 {
		return nil
	}
	if n, _ := io.ReadFull(r.Body, make([]byte, 1)); n == 0 {
		return nil
	}
	return problem.InvalidRequest.New("this operation takes no body").Field("body")
}

// DecodeJSON decodes content into target, a pointer to a struct. Unknown and repeated fields, trailing data and wrong
// types are problems that name the field.
func DecodeJSON(content []byte, target any) error {
	if len(bytes.TrimSpace(content)) == 0 {
		return problem.InvalidRequest.New("a JSON body is required").Field("body")
	}
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(target); err != nil {
		return explain(err, content, target)
	}
	if len(bytes.TrimSpace(content[decoder.InputOffset():])) > 0 {
		return problem.InvalidRequest.New("there is data after the JSON body").Field("body")
	}
	if bytes.TrimSpace(content)[0] != '{' { // null: everything else that is no object did not decode
		return notAnObject()
	}
	return refuseRepeats(content)
}

func notAnObject() *problem.Error {
	return problem.InvalidRequest.New("the body must be a JSON object").Field("body")
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
		field := withoutEmbedded(wrongType.Field, reflect.TypeOf(target).Elem())
		return problem.InvalidRequest.New("%s must be %s, not %s", field, kindName(wrongType.Type), clip(wrongType.Value)).Field(field)
	case errors.As(err, &wrongType):
		return notAnObject()
	}
	if quoted, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		name, unquoteErr := strconv.Unquote(quoted)
		if unquoteErr != nil {
			name = quoted
		}
		return problem.InvalidRequest.New("unknown field %q", clip(name)).Field(clip(name))
	}
	field, err := faultyField(content, reflect.TypeOf(target).Elem(), "", err)
	return problem.InvalidRequest.New("%s: %s", field, clip(err.Error())).Field(field)
}

// withoutEmbedded drops the names of target's embedded structs, which encoding/json puts in front of a field's name and
// no caller knows.
func withoutEmbedded(path string, target reflect.Type) string {
	first, rest, found := strings.Cut(path, ".")
	if target.Kind() != reflect.Struct || !found {
		return path
	}
	if embedded, ok := target.FieldByName(first); ok && embedded.Anonymous {
		return withoutEmbedded(rest, embedded.Type)
	}
	return path
}

// maxEcho is how many bytes of the caller's own text an error repeats: a body of a megabyte must not come back, nor go
// to the log.
const maxEcho = 128

func clip(text string) string {
	if len(text) <= maxEcho {
		return text
	}
	return strings.ToValidUTF8(text[:maxEcho], "") + "..."
}

// faultyField finds the field whose own UnmarshalJSON failed, by trying each alone: encoding/json does not say. It
// returns the field's name and its error.
func faultyField(content []byte, t reflect.Type, path string, err error) (string, error) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	var inner []json.RawMessage
	var members map[string]json.RawMessage
	switch {
	case t.Kind() == reflect.Slice && json.Unmarshal(content, &inner) == nil:
		for i, raw := range inner {
			if err := json.Unmarshal(raw, reflect.New(t.Elem()).Interface()); err != nil {
				return faultyField(raw, t.Elem(), fmt.Sprintf("%s[%d]", path, i), err)
			}
		}
	case t.Kind() == reflect.Struct && json.Unmarshal(content, &members) == nil:
		for _, field := range reflect.VisibleFields(t) {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			raw, present := member(members, name)
			if !present {
				continue
			}
			if err := json.Unmarshal(raw, reflect.New(field.Type).Interface()); err != nil {
				return faultyField(raw, field.Type, strings.TrimPrefix(path+"."+name, "."), err)
			}
		}
	}
	if path == "" {
		path = "body"
	}
	return path, err
}

// member finds a field by its name in any case, as encoding/json does.
func member(members map[string]json.RawMessage, name string) (json.RawMessage, bool) {
	for key, raw := range members {
		if name != "" && strings.EqualFold(key, name) {
			return raw, true
		}
	}
	return nil, false
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
	case reflect.Float32, reflect.Float64:
		return "a number"
	default:
		return "a whole number in range"
	}
}

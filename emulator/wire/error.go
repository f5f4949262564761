package wire

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Codes of Alpaca's error bodies.
const (
	CodeBody          = 40010000 // the body is not JSON of the expected shape
	CodeShape         = 40010001 // a field is missing, malformed or contradicts another; sent with status 422
	CodeForbidden     = 40310000
	CodeNotFound      = 40410000
	CodeUnprocessable = 42210000
	CodeInternal      = 50010000
)

// Error is an answer that refuses a request, in Alpaca's form. It is an error; build one with the constructors
// below. Code 0 leaves the code out of the body, as Alpaca's own front does.
type Error struct {
	Status  int
	Code    int
	Message string
	fields  []field
}

type field struct {
	name string
	raw  []byte
}

// Error returns the message with its code.
func (f *Error) Error() string {
	return fmt.Sprintf("%s (HTTP %d, code %d)", f.Message, f.Status, f.Code)
}

// Shape is HTTP 422 with code 40010001: the request's fields are wrong in themselves.
func Shape(format string, args ...any) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Code: CodeShape, Message: fmt.Sprintf(format, args...)}
}

// Unprocessable is HTTP 422 with code 42210000: a business rule refuses the request.
func Unprocessable(format string, args ...any) *Error {
	return &Error{Status: http.StatusUnprocessableEntity, Code: CodeUnprocessable, Message: fmt.Sprintf(format, args...)}
}

// Forbidden is HTTP 403 with code 40310000: the account may not or cannot do this.
func Forbidden(format string, args ...any) *Error {
	return &Error{Status: http.StatusForbidden, Code: CodeForbidden, Message: fmt.Sprintf(format, args...)}
}

// NotFound is HTTP 404 with code 40410000.
func NotFound(format string, args ...any) *Error {
	return &Error{Status: http.StatusNotFound, Code: CodeNotFound, Message: fmt.Sprintf(format, args...)}
}

// BadBody is HTTP 400 with code 40010000.
func BadBody() *Error {
	return &Error{Status: http.StatusBadRequest, Code: CodeBody, Message: "request body format is invalid"}
}

// Plain is an answer without a code, which Alpaca's front and its data API give.
func Plain(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// With adds a string to the body and returns f.
func (f *Error) With(name, value string) *Error {
	f.fields = append(f.fields, field{name, String(nil, value)})
	return f
}

// WithList adds an array of strings to the body and returns f.
func (f *Error) WithList(name string, values []string) *Error {
	raw := []byte{'['}
	for i, value := range values {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = String(raw, value)
	}
	f.fields = append(f.fields, field{name, append(raw, ']')})
	return f
}

// Append appends the body. Keys are sorted, as in bodies captured from Alpaca; the code-less form has the space
// after the colon that Alpaca's front sends.
func (f *Error) Append(dst []byte) []byte {
	if f.Code == 0 && len(f.fields) == 0 {
		dst = append(dst, `{"message": `...)
		return append(String(dst, f.Message), '}')
	}
	fields := append([]field{{"message", String(nil, f.Message)}}, f.fields...)
	if f.Code != 0 {
		fields = append(fields, field{"code", strconv.AppendInt(nil, int64(f.Code), 10)})
	}
	slices.SortFunc(fields, func(a, b field) int { return strings.Compare(a.name, b.name) })
	for i, field := range fields {
		separator := byte(',')
		if i == 0 {
			separator = '{'
		}
		dst = append(dst, separator)
		dst = append(String(dst, field.name), ':')
		dst = append(dst, field.raw...)
	}
	return append(dst, '}')
}

// ErrorOf returns the *Error in err's chain, or Alpaca's internal error that hides err.
func ErrorOf(err error) *Error {
	var found *Error
	if errors.As(err, &found) {
		return found
	}
	return Internal()
}

// Internal is HTTP 500 with code 50010000, as Alpaca answers when it fails itself.
func Internal() *Error {
	return &Error{Status: http.StatusInternalServerError, Code: CodeInternal, Message: "internal server error occurred"}
}

// WriteError answers a request with err's Error.
func WriteError(w http.ResponseWriter, err error) {
	failure := ErrorOf(err)
	Write(w, failure.Status, failure.Append(nil))
}

// Write answers a request with a JSON body. A client that is gone is not an error of ours.
func Write(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	header["Content-Type"] = []string{"application/json; charset=UTF-8"}
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	w.WriteHeader(status)
	_, _ = w.Write(body)
}

package auth

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// latestInstant is 9999-12-31T23:59:59Z in Unix seconds, the last one that RFC 3339 can write. Without a bound, a
// huge exp would overflow into an arbitrary time.
const latestInstant = 253402300799

var (
	errNotAnObject     = errors.New("not a JSON object")
	errDuplicateMember = errors.New("a member appears twice")
	errTrailingData    = errors.New("data after the JSON object")
)

// members are the members of one JSON object, by their exact names. encoding/json would take "EXP" for "exp" and
// the last of two "exp": a second reader of the same token might see another one (RFC 8725, 2.4). The first
// error of a getter is kept in err; a member that is null counts as absent.
type members struct {
	values map[string]json.RawMessage
	err    error
}

func parseMembers(data []byte) (*members, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return nil, errNotAnObject
	}
	values := make(map[string]json.RawMessage, 10)
	for decoder.More() {
		if err := readMember(decoder, values); err != nil {
			return nil, err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, fmt.Errorf("read the end of the object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errTrailingData
	}
	return &members{values: values}, nil
}

func readMember(decoder *json.Decoder, values map[string]json.RawMessage) error {
	token, err := decoder.Token()
	if err != nil {
		return fmt.Errorf("read a member's name: %w", err)
	}
	name, ok := token.(string)
	if !ok {
		return errNotAnObject
	}
	if _, duplicate := values[name]; duplicate {
		return errDuplicateMember
	}
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("read the value of a member: %w", err)
	}
	values[name] = value
	return nil
}

func (m *members) has(name string) bool {
	_, ok := m.values[name]
	return ok
}

func (m *members) decode(name string, into any) bool {
	value, ok := m.values[name]
	if !ok || m.err != nil || string(value) == "null" {
		return false
	}
	if err := json.Unmarshal(value, into); err != nil {
		m.err = fmt.Errorf("%s: %w", name, err)
		return false
	}
	return true
}

func (m *members) text(name string) (text string) {
	m.decode(name, &text)
	return text
}

// texts reads a list of strings.
func (m *members) texts(name string) (texts []string) {
	m.decode(name, &texts)
	return texts
}

// audience reads aud, which may be one string or a list (RFC 7519, 4.1.3).
func (m *members) audience() (audience jwt.ClaimStrings) {
	m.decode("aud", &audience)
	return audience
}

// instant reads a NumericDate: seconds since 1970, fractions allowed (RFC 7519, 2). It is nil when absent.
func (m *members) instant(name string) *jwt.NumericDate {
	var seconds float64
	if !m.decode(name, &seconds) {
		return nil
	}
	if seconds < 0 || seconds > latestInstant {
		m.err = fmt.Errorf("%s: not a time between 1970 and 9999", name)
		return nil
	}
	return &jwt.NumericDate{Time: time.UnixMilli(int64(seconds * 1000))}
}

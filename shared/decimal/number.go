package decimal

import (
	"bytes"
	"fmt"
)

// Number is a Decimal in the native API's JSON form: written as a plain JSON number (never with an exponent,
// never quoted), read from a JSON number or string.
type Number struct{ Decimal }

// MarshalJSON writes the plain JSON number.
func (n Number) MarshalJSON() ([]byte, error) {
	return []byte(n.String()), nil
}

// UnmarshalJSON reads a JSON number or a string that holds one; anything else is ErrSyntax.
func (n *Number) UnmarshalJSON(data []byte) error {
	data = bytes.TrimSpace(data)
	if len(data) >= 2 && data[0] == '"' && data[len(data)-1] == '"' {
		data = data[1 : len(data)-1]
	}
	value, err := Parse(string(data))
	if err != nil {
		return fmt.Errorf("must be a number: %w", err)
	}
	n.Decimal = value
	return nil
}

// NumberOf returns a pointer to d as a Number, or nil for nil: optional fields of the native API.
func NumberOf(d *Decimal) *Number {
	if d == nil {
		return nil
	}
	return &Number{*d}
}

package alpaca

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"go.uber.org/zap/zapcore"
)

const redacted = "[redacted]"

// ErrNoCredentials is returned, before anything is sent, for a call whose key ID or secret key is empty or can't be
// sent in a header.
var ErrNoCredentials = errors.New("alpaca: key ID and secret key must be printable ASCII and not be empty")

// Credentials is the key pair of one Alpaca account. However it is printed, logged or marshalled, the secret key
// does not appear.
type Credentials struct {
	KeyID, SecretKey string
	// AccountID is our own name of the account, for metrics; it is not sent.
	AccountID string
}

// String names the key ID only.
func (c Credentials) String() string {
	return fmt.Sprintf("Credentials{KeyID: %s, SecretKey: %s}", c.KeyID, redacted)
}

// GoString names the key ID only.
func (c Credentials) GoString() string { return "alpaca." + c.String() }

// Format covers the verbs that print a struct field by field and would pass String by, such as %d.
func (c Credentials) Format(state fmt.State, _ rune) {
	_, _ = io.WriteString(state, c.String())
}

// MarshalJSON writes the key ID only.
func (c Credentials) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		KeyID     string `json:"key_id"`
		SecretKey string `json:"secret_key"`
	}{c.KeyID, redacted})
}

// MarshalLogObject logs the key ID only.
func (c Credentials) MarshalLogObject(encoder zapcore.ObjectEncoder) error {
	encoder.AddString("key_id", c.KeyID)
	encoder.AddString("secret_key", redacted)
	return nil
}

func (c Credentials) validate() error {
	if !sendable(c.KeyID) || !sendable(c.SecretKey) {
		return ErrNoCredentials
	}
	return nil
}

func sendable(key string) bool {
	for i := range len(key) {
		if key[i] <= ' ' || key[i] > '~' {
			return false
		}
	}
	return key != ""
}

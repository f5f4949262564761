package config

// Secret is a string that never prints itself: logs, errors and JSON show "[redacted]".
type Secret string

const redactedText = "[redacted]"

// Reveal returns the secret itself.
func (s Secret) Reveal() string { return string(s) }

// String returns a placeholder.
func (s Secret) String() string { return redactedText }

// GoString returns a placeholder.
func (s Secret) GoString() string { return redactedText }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redactedText), nil }

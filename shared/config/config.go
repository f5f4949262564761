// Package config reads a program's configuration from the environment into one validated struct.
package config

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/caarlos0/env/v11"
)

// ErrInvalid is wrapped by every error of Load.
var ErrInvalid = errors.New("invalid configuration")

// Validator is implemented by a configuration that has rules beyond the types of its fields.
type Validator interface {
	// Validate returns what is wrong, naming the environment variable, or nil.
	Validate() error
}

// Load fills target, a pointer to a struct with `env` tags, from environ (a copy of the process's own when nil)
// and validates it. Its error lists every missing or malformed variable by name, never by value.
func Load(target any, environ map[string]string) error {
	if environ == nil {
		environ = Environ()
	}
	if err := env.ParseWithOptions(target, env.Options{Environment: environ}); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, redacted(err, environ))
	}
	if validator, ok := target.(Validator); ok {
		if err := validator.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
	}
	return nil
}

// Environ returns the process's environment as a map.
func Environ() map[string]string {
	return env.ToMap(os.Environ())
}

// redacted removes values from a parse error: strconv quotes what it could not read, and that may be a secret in
// the wrong variable.
func redacted(err error, environ map[string]string) error {
	text := err.Error()
	for _, value := range environ {
		if len(value) >= 4 {
			text = strings.ReplaceAll(text, fmt.Sprintf("%q", value), "(value not shown)")
		}
	}
	return errors.New(text)
}

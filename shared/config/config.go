// Package config reads a program's configuration from the environment into one validated struct.
package config

import (
	"errors"
	"fmt"
	"os"
	"reflect"
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
		return fmt.Errorf("%w: %w", ErrInvalid, explain(err, target, environ))
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

// explain lists what is wrong by the names of the variables, which is what an operator can change.
func explain(err error, target any, environ map[string]string) error {
	var all env.AggregateError
	if !errors.As(err, &all) {
		return redacted(err.Error(), environ)
	}
	variables := variableNames(reflect.TypeOf(target).Elem())
	explained := make([]error, 0, len(all.Errors))
	for _, one := range all.Errors {
		var parse env.ParseError
		if errors.As(one, &parse) {
			one = fmt.Errorf("%s: want %s: %w", variables[parse.Name], parse.Type, parse.Err)
		}
		explained = append(explained, redacted(one.Error(), environ))
	}
	return errors.Join(explained...)
}

// variableNames maps the fields of a configuration, embedded ones included, to their variables.
func variableNames(t reflect.Type) map[string]string {
	names := make(map[string]string)
	for _, field := range reflect.VisibleFields(t) {
		if variable, _, _ := strings.Cut(field.Tag.Get("env"), ","); variable != "" {
			names[field.Name] = variable
		}
	}
	return names
}

// redacted removes values from an error's text: strconv quotes what it could not read, and that may be a secret in the
// wrong variable.
func redacted(text string, environ map[string]string) error {
	for _, value := range environ {
		if len(value) >= 4 {
			text = strings.ReplaceAll(text, fmt.Sprintf("%q", value), "(value not shown)")
		}
	}
	return errors.New(text)
}

package broker

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/types"

	"github.com/opitios-ai/alpaca-knative/shared/event"
)

// Filter reports whether a Trigger wants an event. It may be used concurrently.
type Filter func(e event.Event) bool

// filter compiles spec.filters, or spec.filter when there are none: the newer field wins, as in Knative.
func (m *triggerManifest) filter() (Filter, error) {
	if len(m.Spec.Filters) > 0 {
		return compileAll("spec.filters", m.Spec.Filters)
	}
	if m.Spec.Filter == nil {
		return func(event.Event) bool { return true }, nil
	}
	wanted := m.Spec.Filter.Attributes
	if err := checkNames("spec.filter.attributes", wanted); err != nil {
		return nil, err
	}
	return func(e event.Event) bool { return attributesMatch(e, wanted) }, nil
}

// attributesMatch is the older dialect: equality, where an empty wanted value stands for any value there is.
func attributesMatch(e event.Event, wanted map[string]string) bool {
	for name, want := range wanted {
		value, found := attribute(e, name)
		if !found || (want == "" && value == "") || (want != "" && want != value) {
			return false
		}
	}
	return true
}

func compile(field string, spec filterSpec) (Filter, error) {
	if spec.CESQL != "" {
		return nil, fieldError(field+".cesql", "the cesql dialect is not supported")
	}
	var (
		result   Filter
		err      error
		dialects int
	)
	if len(spec.Exact) > 0 {
		dialects++
		result, err = compileText(field+".exact", spec.Exact, func(value, want string) bool { return value == want })
	}
	if len(spec.Prefix) > 0 && err == nil {
		dialects++
		result, err = compileText(field+".prefix", spec.Prefix, strings.HasPrefix)
	}
	if len(spec.Suffix) > 0 && err == nil {
		dialects++
		result, err = compileText(field+".suffix", spec.Suffix, strings.HasSuffix)
	}
	if len(spec.All) > 0 && err == nil {
		dialects++
		result, err = compileAll(field+".all", spec.All)
	}
	if len(spec.Any) > 0 && err == nil {
		dialects++
		result, err = compileAny(field+".any", spec.Any)
	}
	if spec.Not != nil && err == nil {
		dialects++
		result, err = compileNot(field+".not", *spec.Not)
	}
	if err == nil && dialects != 1 {
		return nil, fieldError(field, "must have exactly one dialect, not %d", dialects)
	}
	return result, err
}

func compileText(field string, wanted map[string]string, match func(value, want string) bool) (Filter, error) {
	if err := checkNames(field, wanted); err != nil {
		return nil, err
	}
	for name, want := range wanted {
		if want == "" {
			return nil, fieldError(field+"."+name, "must not be empty")
		}
	}
	return func(e event.Event) bool {
		for name, want := range wanted {
			if value, found := attribute(e, name); !found || !match(value, want) {
				return false
			}
		}
		return true
	}, nil
}

func compileAll(field string, specs []filterSpec) (Filter, error) {
	members, err := compileList(field, specs)
	return func(e event.Event) bool {
		for _, member := range members {
			if !member(e) {
				return false
			}
		}
		return true
	}, err
}

func compileAny(field string, specs []filterSpec) (Filter, error) {
	members, err := compileList(field, specs)
	return func(e event.Event) bool {
		for _, member := range members {
			if member(e) {
				return true
			}
		}
		return false
	}, err
}

func compileNot(field string, spec filterSpec) (Filter, error) {
	inner, err := compile(field, spec)
	return func(e event.Event) bool { return !inner(e) }, err
}

func compileList(field string, specs []filterSpec) ([]Filter, error) {
	members := make([]Filter, 0, len(specs))
	for i, spec := range specs {
		member, err := compile(field+"["+strconv.Itoa(i)+"]", spec)
		if err != nil {
			return nil, err
		}
		members = append(members, member)
	}
	return members, nil
}

func checkNames(field string, attributes map[string]string) error {
	valid := regexp.MustCompile(`^[a-z][a-z0-9]*$`)
	for name := range attributes {
		if !valid.MatchString(name) {
			return fieldError(field, "%q is no attribute name: lower-case letters and digits only", name)
		}
	}
	return nil
}

// attribute looks up a context attribute by the names that Knative's filters know.
func attribute(e event.Event, name string) (string, bool) {
	switch name {
	case "specversion":
		return e.SpecVersion(), true
	case "type":
		return e.Type(), true
	case "source":
		return e.Source(), true
	case "subject":
		return e.Subject(), true
	case "id":
		return e.ID(), true
	case "time":
		return e.Time().Format(time.RFC3339Nano), true
	case "dataschema":
		return e.DataSchema(), true
	case "datacontenttype":
		return e.DataContentType(), true
	default:
		value, found := e.Extensions()[name]
		if !found {
			return "", false
		}
		text, err := types.Format(value)
		return text, err == nil
	}
}

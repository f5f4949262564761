package broker

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

// The documents that are read, field by field as Knative names them. The decoder is strict: what is not here is
// an error, because it would be silently different from the cluster.

type metadata struct {
	Name        string            `yaml:"name"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

type brokerManifest struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
	Spec       struct {
		Delivery *deliverySpec `yaml:"delivery"`
	} `yaml:"spec"`
}

type triggerManifest struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   metadata `yaml:"metadata"`
	Spec       struct {
		Broker string `yaml:"broker"`
		Filter *struct {
			Attributes map[string]string `yaml:"attributes"`
		} `yaml:"filter"`
		Filters    []filterSpec     `yaml:"filters"`
		Subscriber *destinationSpec `yaml:"subscriber"`
		Delivery   *deliverySpec    `yaml:"delivery"`
	} `yaml:"spec"`
}

type filterSpec struct {
	Exact  map[string]string `yaml:"exact"`
	Prefix map[string]string `yaml:"prefix"`
	Suffix map[string]string `yaml:"suffix"`
	All    []filterSpec      `yaml:"all"`
	Any    []filterSpec      `yaml:"any"`
	Not    *filterSpec       `yaml:"not"`
	CESQL  string            `yaml:"cesql"`
}

type destinationSpec struct {
	Ref *struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
		Name       string `yaml:"name"`
	} `yaml:"ref"`
	URI string `yaml:"uri"`
}

type deliverySpec struct {
	DeadLetterSink *destinationSpec `yaml:"deadLetterSink"`
	Retry          int              `yaml:"retry"`
	BackoffPolicy  BackoffPolicy    `yaml:"backoffPolicy"`
	BackoffDelay   string           `yaml:"backoffDelay"`
	Timeout        string           `yaml:"timeout"`
}

// fieldError is an error that names the field, from the document's root.
func fieldError(field, format string, args ...any) error {
	return fmt.Errorf("%s: %w", field, fmt.Errorf(format, args...))
}

func (s *deliverySpec) delivery(field string) (Delivery, error) {
	result := Delivery{Retry: s.Retry, BackoffPolicy: s.BackoffPolicy, Timeout: defaultTimeout}
	if s.Retry < 0 {
		return Delivery{}, fieldError(field+".retry", "must not be negative")
	}
	switch s.BackoffPolicy {
	case "", BackoffExponential, BackoffLinear:
	default:
		return Delivery{}, fieldError(field+".backoffPolicy", "%q is neither exponential nor linear", s.BackoffPolicy)
	}
	var err error
	if s.BackoffDelay != "" {
		if result.BackoffDelay, err = parseDuration(s.BackoffDelay); err != nil {
			return Delivery{}, fieldError(field+".backoffDelay", "%w", err)
		}
	}
	if s.Timeout != "" {
		if result.Timeout, err = parseDuration(s.Timeout); err != nil {
			return Delivery{}, fieldError(field+".timeout", "%w", err)
		}
		if result.Timeout == 0 {
			return Delivery{}, fieldError(field+".timeout", "must be more than 0")
		}
	}
	if s.DeadLetterSink != nil {
		sink, err := s.DeadLetterSink.destination(field + ".deadLetterSink")
		if err != nil {
			return Delivery{}, err
		}
		result.DeadLetterSink = &sink
	}
	return result, nil
}

func (s *destinationSpec) destination(field string) (Destination, error) {
	if s == nil || (s.Ref == nil && s.URI == "") {
		return Destination{}, fieldError(field, "needs a ref or a uri")
	}
	var result Destination
	if s.URI != "" {
		uri, err := url.Parse(s.URI)
		if err != nil {
			return Destination{}, fieldError(field+".uri", "%w", err)
		}
		result.URI = uri
	}
	if s.Ref == nil {
		if (result.URI.Scheme != "http" && result.URI.Scheme != "https") || result.URI.Host == "" {
			return Destination{}, fieldError(field+".uri", "must be an absolute HTTP URL when there is no ref")
		}
		return result, nil
	}
	if result.URI != nil && (result.URI.Scheme != "" || result.URI.Host != "") {
		return Destination{}, fieldError(field+".uri", "must be relative when there is a ref")
	}
	if s.Ref.Kind != "Service" {
		return Destination{}, fieldError(field+".ref.kind", "%q is not supported, only Service is", s.Ref.Kind)
	}
	if s.Ref.Name == "" {
		return Destination{}, fieldError(field+".ref.name", "is missing")
	}
	result.Service = s.Ref.Name
	return result, nil
}

// parseDuration reads an ISO 8601 duration of days and less, for example PT0.2S.
func parseDuration(text string) (time.Duration, error) {
	form := regexp.MustCompile(`^P(?:(\d{1,4})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?$`)
	parts := form.FindStringSubmatch(text)
	if parts == nil || text == "P" || text[len(text)-1] == 'T' {
		return 0, fmt.Errorf("%q is not an ISO 8601 duration such as PT0.2S", text)
	}
	units := []time.Duration{24 * time.Hour, time.Hour, time.Minute, time.Second}
	var total time.Duration
	for i, unit := range units {
		if parts[i+1] == "" {
			continue
		}
		number, err := strconv.ParseFloat(parts[i+1], 64)
		if err != nil {
			return 0, errors.New("not a number in " + text)
		}
		total += time.Duration(number * float64(unit))
	}
	return total, nil
}

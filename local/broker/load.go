package broker

import (
	"fmt"
	"io/fs"
	"slices"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxManifest bounds one file in bytes; real ones are a hundredth of it.
const maxManifest = 1 << 20

// eventingVersion is the apiVersion of Brokers and Triggers.
const eventingVersion = "eventing.knative.dev/v1"

// Load reads every *.yaml file at the top of dir, for example os.DirFS("knative/eventing"). EventTypes, PingSources and
// Kustomizations are passed over because they do not change delivery; any other kind than Broker and Trigger,
// an unknown field, and a value that is not supported are errors that name the file and the field. There must be
// exactly one Broker.
func Load(dir fs.FS) (*Definition, error) {
	names, err := fs.Glob(dir, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list manifests: %w", err)
	}
	slices.Sort(names)
	var all manifests
	for _, name := range names {
		content, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("read manifest: %w", err)
		}
		if err := all.add(name, content); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return all.definition()
}

// manifests collects what the files hold; Triggers may come before their Broker.
type manifests struct {
	brokers  []inFile[brokerManifest]
	triggers []inFile[triggerManifest]
}

// inFile is a manifest and where it came from.
type inFile[T any] struct {
	file     string
	manifest T
}

func (m *manifests) add(name string, content []byte) error {
	if len(content) > maxManifest {
		return fmt.Errorf("is larger than %d bytes", maxManifest)
	}
	file, err := parser.ParseBytes(content, 0)
	if err != nil {
		return fmt.Errorf("not YAML: %w", err)
	}
	for _, document := range file.Docs {
		if document.Body == nil {
			continue
		}
		if err := m.addDocument(name, document.Body); err != nil {
			return err
		}
	}
	return nil
}

func (m *manifests) addDocument(name string, document ast.Node) error {
	var head struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string `yaml:"kind"`
	}
	if err := yaml.NodeToValue(document, &head); err != nil {
		return fmt.Errorf("not a manifest: %w", err)
	}
	switch head.Kind {
	case "EventType", "PingSource", "Kustomization":
		return nil
	case "Broker":
		return appendStrict(&m.brokers, name, head.APIVersion, document)
	case "Trigger":
		return appendStrict(&m.triggers, name, head.APIVersion, document)
	default:
		return fmt.Errorf("kind: %q is not supported", head.Kind)
	}
}

func appendStrict[T any](list *[]inFile[T], name, apiVersion string, document ast.Node) error {
	if apiVersion != eventingVersion {
		return fmt.Errorf("apiVersion: %q is not %s", apiVersion, eventingVersion)
	}
	var manifest T
	if err := yaml.NodeToValue(document, &manifest, yaml.Strict()); err != nil {
		return fmt.Errorf("not supported: %w", err)
	}
	*list = append(*list, inFile[T]{file: name, manifest: manifest})
	return nil
}

func (m *manifests) definition() (*Definition, error) {
	if len(m.brokers) != 1 {
		return nil, fmt.Errorf("there must be one Broker, not %d", len(m.brokers))
	}
	broker := m.brokers[0]
	delivery, err := broker.manifest.delivery()
	if err != nil {
		return nil, fmt.Errorf("%s: broker %w", broker.file, err)
	}
	result := &Definition{Name: broker.manifest.Metadata.Name, Triggers: make([]Trigger, 0, len(m.triggers))}
	for _, found := range m.triggers {
		name := found.manifest.Metadata.Name
		taken := slices.ContainsFunc(result.Triggers, func(t Trigger) bool { return t.Name == name })
		if name == "" || taken {
			return nil, fmt.Errorf("%s: trigger %q: metadata.name: is missing or not unique", found.file, name)
		}
		trigger, err := found.manifest.trigger(result.Name, delivery)
		if err != nil {
			return nil, fmt.Errorf("%s: trigger %s: %w", found.file, name, err)
		}
		result.Triggers = append(result.Triggers, trigger)
	}
	return result, nil
}

func (m *brokerManifest) delivery() (Delivery, error) {
	if m.Metadata.Name == "" {
		return Delivery{}, fieldError("metadata.name", "is missing")
	}
	if m.Spec.Delivery == nil {
		return clusterDefault(), nil
	}
	return m.Spec.Delivery.delivery("spec.delivery")
}

// trigger checks a manifest. A Trigger's delivery replaces the Broker's as a whole, but for the dead-letter sink,
// as in knative/eventing pkg/reconciler/broker/trigger.
func (m *triggerManifest) trigger(broker string, delivery Delivery) (Trigger, error) {
	result := Trigger{Name: m.Metadata.Name, Delivery: delivery}
	if m.Spec.Broker != broker {
		return Trigger{}, fieldError("spec.broker", "%q does not exist", m.Spec.Broker)
	}
	var err error
	if result.Filter, err = m.filter(); err != nil {
		return Trigger{}, err
	}
	if result.Subscriber, err = m.Spec.Subscriber.destination("spec.subscriber"); err != nil {
		return Trigger{}, err
	}
	if m.Spec.Delivery == nil {
		return result, nil
	}
	if result.Delivery, err = m.Spec.Delivery.delivery("spec.delivery"); err != nil {
		return Trigger{}, err
	}
	if result.Delivery.DeadLetterSink == nil {
		result.Delivery.DeadLetterSink = delivery.DeadLetterSink
	}
	return result, nil
}

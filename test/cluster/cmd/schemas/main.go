// Command schemas writes the JSON schemas of every kind that the manifests on its standard input use, as a running cluster
// has them: Kubernetes', Knative's, the Gateway API's, Prometheus's. CI validates the overlays against them without a
// cluster. They are strict: a field that the schema does not know is an error.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "schemas: want KUBECTL FOLDER, manifests on the standard input, KUBECONFIG set")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "schemas:", err)
		os.Exit(1)
	}
}

// kind is one kind of object.
type kind struct{ group, version, name string }

func run(kubectl, folder string) error {
	kinds, err := kindsOf(bufio.NewScanner(os.Stdin))
	if err != nil {
		return err
	}
	documents := map[string]map[string]any{}
	for _, k := range kinds {
		path := "/openapi/v3/apis/" + k.group + "/" + k.version
		if k.group == "" {
			path = "/openapi/v3/api/" + k.version
		}
		if documents[path] == nil {
			raw, err := exec.Command(kubectl, "get", "--raw", path).Output()
			if err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
			var document map[string]any
			if err := json.Unmarshal(raw, &document); err != nil {
				return err
			}
			documents[path] = document
		}
		schema, err := schemaOf(documents[path], k)
		if err != nil {
			return err
		}
		content, err := json.Marshal(schema)
		if err != nil {
			return err
		}
		group := k.group
		if group == "" {
			group = k.version // as kubeconform's templates have it
		}
		file := strings.ToLower(k.name) + "-" + group + "-" + k.version + ".json"
		if err := os.WriteFile(filepath.Join(folder, file), append(content, '\n'), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// kindsOf reads the top-level apiVersion and kind of every document.
func kindsOf(lines *bufio.Scanner) ([]kind, error) {
	found := map[kind]bool{}
	version, name := "", ""
	flush := func() {
		if version != "" && name != "" {
			group, v, ok := strings.Cut(version, "/")
			if !ok {
				group, v = "", version
			}
			found[kind{group, v, name}] = true
		}
		version, name = "", ""
	}
	for lines.Scan() {
		line := lines.Text()
		switch {
		case line == "---":
			flush()
		case strings.HasPrefix(line, "apiVersion: "):
			version = strings.TrimPrefix(line, "apiVersion: ")
		case strings.HasPrefix(line, "kind: "):
			name = strings.TrimPrefix(line, "kind: ")
		}
	}
	flush()
	kinds := make([]kind, 0, len(found))
	for k := range found {
		kinds = append(kinds, k)
	}
	sort.Slice(kinds, func(i, j int) bool { return fmt.Sprint(kinds[i]) < fmt.Sprint(kinds[j]) })
	return kinds, lines.Err()
}

var errUnknown = errors.New("the cluster does not know the kind")

func schemaOf(document map[string]any, k kind) (any, error) {
	components, _ := document["components"].(map[string]any)
	schemas, _ := components["schemas"].(map[string]any)
	for _, value := range schemas {
		schema, _ := value.(map[string]any)
		names, _ := schema["x-kubernetes-group-version-kind"].([]any)
		for _, n := range names {
			name, _ := n.(map[string]any)
			if name["group"] == k.group && name["version"] == k.version && name["kind"] == k.name {
				return resolve(schema, schemas, 0), nil
			}
		}
	}
	return nil, fmt.Errorf("%w: %s/%s %s", errUnknown, k.group, k.version, k.name)
}

// maxDepth ends the schemas that contain themselves (CustomResourceDefinition's); what is deeper is not checked.
const maxDepth = 40

// resolve returns the schema with its references in their place, without descriptions and defaults, and closed.
func resolve(value any, schemas map[string]any, depth int) any {
	switch value := value.(type) {
	case []any:
		list := make([]any, len(value))
		for i, v := range value {
			list[i] = resolve(v, schemas, depth+1)
		}
		return list
	case map[string]any:
		if depth > maxDepth {
			return map[string]any{}
		}
		if reference, ok := value["$ref"].(string); ok {
			return resolve(schemas[strings.TrimPrefix(reference, "#/components/schemas/")], schemas, depth+1)
		}
		if all, ok := value["allOf"].([]any); ok && len(all) == 1 { // how OpenAPI gives a reference a description
			return resolve(all[0], schemas, depth+1)
		}
		return object(value, schemas, depth)
	default:
		return value
	}
}

func object(value map[string]any, schemas map[string]any, depth int) any {
	if value["x-kubernetes-int-or-string"] == true || value["format"] == "int-or-string" {
		return map[string]any{"type": []any{"string", "integer"}}
	}
	result := map[string]any{}
	for _, name := range []string{"type", "enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "required", "oneOf", "anyOf", "items", "additionalProperties"} {
		if v, ok := value[name]; ok {
			result[name] = resolve(v, schemas, depth+1)
		}
	}
	properties, _ := value["properties"].(map[string]any)
	if properties == nil {
		return result
	}
	resolved := map[string]any{}
	for name, property := range properties {
		resolved[name] = resolve(property, schemas, depth+1)
	}
	result["properties"] = resolved
	if result["type"] == "object" && result["additionalProperties"] == nil && value["x-kubernetes-preserve-unknown-fields"] != true {
		result["additionalProperties"] = false
	}
	return result
}

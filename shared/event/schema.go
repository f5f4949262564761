package event

import (
	"embed"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/types"
)

//go:embed schema/*.json
var schemas embed.FS

// schemaBase is where the schemas are published: this repository's folder.
const schemaBase = "https://raw.githubusercontent.com/opitios-ai/alpaca-knative/main/shared/event/schema/"

// SchemaURI returns the dataschema attribute of a known type: the $id of its JSON Schema.
func SchemaURI(eventType string) string { return schemaBase + eventType + ".json" }

// Schema returns the JSON Schema (draft 2020-12) of a known type's data.
func Schema(eventType string) ([]byte, error) {
	if !Known(eventType) {
		return nil, fmt.Errorf("schema: unknown event type %q", eventType)
	}
	return schemas.ReadFile("schema/" + eventType + ".json")
}

// formatAttribute is the canonical text of an attribute's value.
func formatAttribute(value any) (string, error) { return types.Format(value) }

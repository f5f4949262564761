package serve

import (
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/opitios-ai/alpaca-knative/shared/decimal"
	"github.com/opitios-ai/alpaca-knative/shared/problem"
)

// document is the OpenAPI document, made at the first request for it: building it reflects over every type, and a
// cold start must not pay for that.
type document struct {
	once sync.Once
	json []byte
	err  error
}

func (rt *Router) serveOpenAPI(w http.ResponseWriter, r *http.Request) {
	exchangeOf(w).endpoint = "/openapi.json"
	content, err := rt.OpenAPI()
	if err != nil {
		rt.fail(w, r, err)
		return
	}
	rt.writeJSON(exchangeOf(w), http.StatusOK, content)
}

// OpenAPI returns the OpenAPI 3.1 document of the router's operations.
func (rt *Router) OpenAPI() ([]byte, error) {
	rt.document.once.Do(func() {
		rt.document.json, rt.document.err = json.MarshalIndent(rt.buildOpenAPI(), "", "  ")
	})
	return rt.document.json, rt.document.err
}

func (rt *Router) buildOpenAPI() *huma.OpenAPI {
	registry := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	registry.RegisterTypeAlias(reflect.TypeFor[decimal.Number](), reflect.TypeFor[float64]())
	api := &huma.OpenAPI{
		OpenAPI: "3.1.0",
		Info:    &huma.Info{Title: rt.config.Title, Version: "1.0.0", License: &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}},
		Components: &huma.Components{
			Schemas:         registry,
			SecuritySchemes: map[string]*huma.SecurityScheme{"token": {Type: "http", Scheme: "bearer", BearerFormat: "JWT"}},
		},
		Paths: map[string]*huma.PathItem{},
	}
	failure := registry.Schema(reflect.TypeFor[failureEnvelope](), true, "Failure")
	for _, op := range rt.operations {
		api.AddOperation(describe(op, registry, failure))
	}
	return api
}

// failureEnvelope is the body of every failed answer.
type failureEnvelope struct {
	Success   bool      `json:"success" doc:"Always false."`
	Timestamp time.Time `json:"timestamp"`
	RequestID string    `json:"request_id"`
	Error     errorBody `json:"error"`
}

func describe(op *Operation, registry huma.Registry, failure *huma.Schema) *huma.Operation {
	described := &huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary, Description: op.Description,
		Tags: []string{op.Tag}, Responses: map[string]*huma.Response{},
	}
	for _, p := range op.Parameters {
		described.Parameters = append(described.Parameters, describeParameter(p))
	}
	if op.body != reflect.TypeFor[None]() {
		described.RequestBody = &huma.RequestBody{
			Required: true, Content: jsonContent(registry.Schema(op.body, true, op.ID+"Request")),
		}
	}
	described.Responses[strconv.Itoa(op.success())] = describeSuccess(op, registry)
	for _, other := range op.Also {
		described.Responses[strconv.Itoa(other.Status)] = &huma.Response{
			Description: http.StatusText(other.Status), Content: jsonContent(envelopeSchema(reflect.TypeOf(other.Data), op.ID+"Also", registry)),
		}
	}
	kinds := slices.Concat([]*problem.Kind{problem.InvalidRequest, problem.Internal}, op.Problems)
	if op.body != reflect.TypeFor[None]() {
		kinds = append(kinds, problem.BodyTooLarge, problem.UnsupportedMedia)
	}
	if op.Permission != "" {
		described.Security = []map[string][]string{{"token": {string(op.Permission)}}}
		kinds = append(kinds, problem.InvalidToken, problem.Forbidden)
	}
	if op.Limit != "" {
		kinds = append(kinds, problem.RateLimitExceeded)
	}
	for _, kind := range kinds {
		addFailure(described, kind, failure)
	}
	return described
}

// describeSuccess is the envelope, an event stream, or nothing more than the status of a socket's handshake.
func describeSuccess(op *Operation, registry huma.Registry) *huma.Response {
	success := &huma.Response{Description: http.StatusText(op.success())}
	switch {
	case !op.stream:
		success.Content = jsonContent(successSchema(op, registry))
	case op.success() == http.StatusOK:
		success.Content = map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: huma.TypeString}}}
	}
	return success
}

// addFailure documents kind; kinds with the same status share one response that lists their codes.
func addFailure(described *huma.Operation, kind *problem.Kind, failure *huma.Schema) {
	status := strconv.Itoa(kind.Status())
	if former, ok := described.Responses[status]; ok {
		if !slices.Contains(strings.Split(former.Description, ", "), kind.Code()) {
			former.Description += ", " + kind.Code()
		}
		return
	}
	described.Responses[status] = &huma.Response{Description: kind.Code(), Content: jsonContent(failure)}
}

func describeParameter(p Parameter) *huma.Param {
	schema := &huma.Schema{Type: huma.TypeString}
	for _, value := range p.Enum {
		schema.Enum = append(schema.Enum, value)
	}
	described := &huma.Param{Name: p.Name, In: p.In, Description: p.Description, Required: p.Required || p.In == InPath, Schema: schema}
	if p.Example != "" {
		described.Example = p.Example
	}
	return described
}

// successSchema is the envelope with the operation's own data.
func successSchema(op *Operation, registry huma.Registry) *huma.Schema {
	data := op.data
	if op.Data != nil {
		data = reflect.TypeOf(op.Data)
	}
	return envelopeSchema(data, op.ID, registry)
}

func envelopeSchema(data reflect.Type, hint string, registry huma.Registry) *huma.Schema {
	properties := map[string]*huma.Schema{
		"success":    {Type: huma.TypeBoolean, Description: "Always true."},
		"timestamp":  {Type: huma.TypeString, Format: "date-time"},
		"request_id": {Type: huma.TypeString},
	}
	if data != reflect.TypeFor[None]() {
		properties["data"] = registry.Schema(data, true, hint+"Data")
	}
	return &huma.Schema{Type: huma.TypeObject, Properties: properties, Required: []string{"success", "timestamp", "request_id"}}
}

func jsonContent(schema *huma.Schema) map[string]*huma.MediaType {
	return map[string]*huma.MediaType{"application/json": {Schema: schema}}
}

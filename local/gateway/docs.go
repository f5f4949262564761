package gateway

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"html/template"
	"net/http"
	"slices"
	"sort"
	"strings"
)

//go:embed docs.html
var docsHTML string

// docsOperation is one operation as the page shows it.
type docsOperation struct {
	Method, Path, Summary, Description string
	Permission                         string
	Parameters                         []docsParameter
	Body                               string
	Responses                          []docsResponse
}

type docsParameter struct{ Name, In, Description, Example string }

type docsResponse struct{ Status, Description string }

type docsTag struct {
	Name       string
	Operations []docsOperation
}

// docsSchema is a schema as indented JSON.
type docsSchema struct{ Name, JSON string }

func (g *Gateway) serveDocs(w http.ResponseWriter, r *http.Request) {
	document, err := g.openAPI(r.Context())
	if err != nil {
		http.Error(w, "the documents of the functions can't be merged", http.StatusInternalServerError)
		return
	}
	page, err := template.New("docs").Parse(docsHTML)
	if err != nil {
		http.Error(w, "the page is broken", http.StatusInternalServerError)
		return
	}
	var out bytes.Buffer
	view := struct {
		Tags    []docsTag
		Schemas []docsSchema
	}{docsTags(document), docsSchemas(document)}
	if err := page.Execute(&out, view); err != nil {
		http.Error(w, "the page is broken", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
	_, _ = out.WriteTo(w) // the client is gone if this fails
}

// docsTags lists the operations by tag, then path and method.
func docsTags(document map[string]any) []docsTag {
	byTag := map[string][]docsOperation{}
	for path, item := range member(document, "paths") {
		methods, _ := item.(map[string]any)
		for method, value := range methods {
			operation, ok := value.(map[string]any)
			if !ok {
				continue
			}
			tag := "Other"
			if tags, _ := operation["tags"].([]any); len(tags) > 0 {
				tag, _ = tags[0].(string)
			}
			byTag[tag] = append(byTag[tag], docsOperationOf(strings.ToUpper(method), path, operation))
		}
	}
	tags := make([]docsTag, 0, len(byTag))
	for name, operations := range byTag {
		slices.SortFunc(operations, func(a, b docsOperation) int {
			return strings.Compare(a.Path+" "+a.Method, b.Path+" "+b.Method)
		})
		tags = append(tags, docsTag{name, operations})
	}
	slices.SortFunc(tags, func(a, b docsTag) int { return strings.Compare(a.Name, b.Name) })
	return tags
}

func docsOperationOf(method, path string, operation map[string]any) docsOperation {
	o := docsOperation{Method: method, Path: path, Summary: text(operation, "summary"), Description: text(operation, "description")}
	if security, _ := operation["security"].([]any); len(security) > 0 {
		scheme, _ := security[0].(map[string]any)
		if scopes, _ := scheme["token"].([]any); len(scopes) > 0 {
			o.Permission, _ = scopes[0].(string)
		}
	}
	parameters, _ := operation["parameters"].([]any)
	for _, value := range parameters {
		p, _ := value.(map[string]any)
		o.Parameters = append(o.Parameters, docsParameter{text(p, "name"), text(p, "in"), text(p, "description"), text(p, "example")})
	}
	if schema := member(operation, "requestBody", "content", "application/json", "schema"); schema != nil {
		o.Body = strings.TrimPrefix(text(schema, "$ref"), "#/components/schemas/")
	}
	for status, value := range member(operation, "responses") {
		response, _ := value.(map[string]any)
		o.Responses = append(o.Responses, docsResponse{status, text(response, "description")})
	}
	sort.Slice(o.Responses, func(i, j int) bool { return o.Responses[i].Status < o.Responses[j].Status })
	return o
}

func docsSchemas(document map[string]any) []docsSchema {
	var schemas []docsSchema
	for name, value := range member(document, "components", "schemas") {
		content, err := json.MarshalIndent(value, "", "  ")
		if err != nil {
			continue
		}
		schemas = append(schemas, docsSchema{name, string(content)})
	}
	slices.SortFunc(schemas, func(a, b docsSchema) int { return strings.Compare(a.Name, b.Name) })
	return schemas
}

func text(object map[string]any, name string) string {
	s, _ := object[name].(string)
	return s
}

// Package docs keeps documents that repeat the code equal to it.
package docs

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// update rewrites the document instead of comparing it.
var update = flag.Bool("update", false, "rewrite docs/configuration.md")

// sources are the configuration structs, in the order of the document.
func sources() []struct{ title, file string } {
	return []struct{ title, file string }{
		{"All functions", "shared/platform/config.go"},
		{"quote and quote feed: sources", "functions/quote/source/config.go"},
		{"quote", "functions/quote/config.go"},
		{"quote, streams", "functions/quote/stream/config.go"},
		{"quote feed", "functions/quote/feed/config.go"},
		{"order", "functions/order/function.go"},
		{"account", "functions/account/config.go"},
		{"account updates", "functions/account/updates/config.go"},
		{"make run", "local/config.go"},
		{"gateway (on a cluster without the Gateway API)", "local/gateway/cmd/config.go"},
		{"warmup (the market-open warm-up job)", "knative/warmup/config.go"},
	}
}

// TestConfigurationPage compares docs/configuration.md with the structs; go test ./test/docs -update rewrites it.
func TestConfigurationPage(t *testing.T) {
	var page strings.Builder
	page.WriteString("# Configuration\n\nEvery program reads its configuration from the environment into one struct, checks it, and refuses to start when a\n" +
		"required variable is missing or a value is malformed, naming the variable. `-check-config` only checks.\n" +
		"This page is made from the structs: `go test ./test/docs -update`.\n")
	for _, source := range sources() {
		fmt.Fprintf(&page, "\n## %s\n\n| variable | default | what |\n| --- | --- | --- |\n", source.title)
		for _, v := range variables(t, "../../"+source.file) {
			fmt.Fprintf(&page, "| `%s` | %s | %s |\n", v.name, v.fallback, v.comment)
		}
	}
	const path = "../../docs/configuration.md"
	if *update {
		if err := os.WriteFile(path, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	committed, err := os.ReadFile(path)
	if err != nil || string(committed) != page.String() {
		t.Fatalf("docs/configuration.md does not match the code: go test ./test/docs -update (%v)", err)
	}
}

type variable struct{ name, fallback, comment string }

// variables reads the env tags and comments of the struct Config in a file.
func variables(t *testing.T, file string) []variable {
	t.Helper()
	parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	var found []variable
	ast.Inspect(parsed, func(node ast.Node) bool {
		spec, ok := node.(*ast.TypeSpec)
		if !ok || spec.Name.Name != "Config" {
			return true
		}
		comment := ""
		for _, field := range spec.Type.(*ast.StructType).Fields.List {
			if field.Doc != nil { // a comment stands above the fields it is about
				comment = strings.Join(strings.Fields(field.Doc.Text()), " ")
			}
			if field.Tag == nil {
				continue
			}
			tag, err := strconv.Unquote(field.Tag.Value)
			if err != nil {
				t.Fatal(err)
			}
			found = append(found, variableOf(reflect.StructTag(tag), comment))
		}
		return false
	})
	if len(found) == 0 {
		t.Fatalf("%s: no struct Config with env tags", file)
	}
	return found
}

func variableOf(tag reflect.StructTag, comment string) variable {
	name, options, _ := strings.Cut(tag.Get("env"), ",")
	v := variable{name: name, comment: comment}
	switch fallback := tag.Get("envDefault"); {
	case fallback != "":
		v.fallback = "`" + fallback + "`"
	case strings.Contains(options, "required"):
		v.fallback = "required"
	}
	return v
}

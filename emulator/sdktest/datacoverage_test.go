package sdktest

import (
	"bytes"
	"context"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestEveryMarketDataMethodIsCalled type-checks the tests of this folder and lists, for every exported function and method of
// the SDK's market data and stream packages, the tests that call it, also through helpers. One that no test calls is a
// failure, and so is a list that is not the committed one.
func TestEveryMarketDataMethodIsCalled(t *testing.T) {
	t.Parallel()
	checked := typeCheck(t)
	for name, path := range map[string]string{
		"testdata/marketdata-coverage.txt": "github.com/alpacahq/alpaca-trade-api-go/v3/marketdata",
		"testdata/stream-coverage.txt":     "github.com/alpacahq/alpaca-trade-api-go/v3/marketdata/stream",
	} {
		wanted := callable(checked.imported(t, path))
		var list strings.Builder
		for _, function := range wanted {
			tests := checked.tests(function)
			if len(tests) == 0 {
				t.Errorf("%s is called by no test", function)
			}
			fmt.Fprintf(&list, "%s\t%s\n", function, strings.Join(tests, " "))
		}
		if *update {
			if err := os.WriteFile(name, []byte(list.String()), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		committed, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if string(committed) != list.String() {
			t.Errorf("%s is not what the tests call now: run go test ./emulator/sdktest -run EveryMarketDataMethod -update", name)
		}
	}
}

// callable returns the names of a package's exported functions and of the exported methods of its types. Codecs are left out:
// the clients call them with every answer. So is Internal, whose results have no exported type.
func callable(sdk *types.Package) []string {
	var names []string
	for _, name := range sdk.Scope().Names() {
		switch object := sdk.Scope().Lookup(name).(type) {
		case *types.Func:
			if object.Exported() {
				names = append(names, sdk.Name()+"."+name)
			}
		case *types.TypeName:
			if !object.Exported() || types.IsInterface(object.Type()) {
				continue
			}
			methods := types.NewMethodSet(types.NewPointer(object.Type()))
			for i := range methods.Len() {
				method := methods.At(i).Obj().Name()
				if token.IsExported(method) && !strings.Contains(method, "JSON") && method != "Internal" {
					names = append(names, "("+sdk.Name()+"."+name+")."+method)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// checked is the type-checked tests of this folder: what each function mentions, by name.
type checked struct {
	packages map[string]*types.Package
	mentions map[string]map[string]bool // of a function of the tests
}

func typeCheck(t *testing.T) *checked {
	t.Helper()
	files := token.NewFileSet()
	paths, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	parsed := make([]*ast.File, 0, len(paths))
	for _, path := range paths {
		file, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		parsed = append(parsed, file)
	}
	exports := exportData(t)
	imports := importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) { return os.Open(exports[path]) })
	info := &types.Info{Uses: make(map[*ast.Ident]types.Object), Selections: make(map[*ast.SelectorExpr]*types.Selection)}
	config := types.Config{Importer: imports}
	folder, err := config.Check("sdktest", files, parsed, info)
	if err != nil {
		t.Fatal(err)
	}
	result := &checked{packages: make(map[string]*types.Package), mentions: make(map[string]map[string]bool)}
	for _, imported := range folder.Imports() {
		result.packages[imported.Path()] = imported
	}
	for _, file := range parsed {
		for _, declaration := range file.Decls {
			if function, ok := declaration.(*ast.FuncDecl); ok {
				result.note(function, info)
			}
		}
	}
	return result
}

// exportData returns where the compiler keeps what it knows of each package that the tests import.
func exportData(t *testing.T) map[string]string {
	t.Helper()
	list := exec.CommandContext(context.WithoutCancel(t.Context()), "go", "list", "-deps", "-test", "-export", "-f", "{{.ImportPath}}\t{{.Export}}", ".")
	var problems bytes.Buffer
	list.Stderr = &problems
	output, err := list.Output()
	if err != nil {
		t.Fatalf("go list: %v: %s", err, &problems)
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(output)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	return exports
}

// note remembers what a function of the tests mentions: functions by package and name, methods by receiver and name. A method
// that a type has from an embedded one is the outer type's.
func (c *checked) note(function *ast.FuncDecl, info *types.Info) {
	name := function.Name.Name
	if function.Recv != nil {
		name = "(method)." + name
	}
	if c.mentions[name] == nil {
		c.mentions[name] = make(map[string]bool)
	}
	ast.Inspect(function, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.SelectorExpr:
			if selection := info.Selections[node]; selection != nil {
				c.mentions[name][methodName(selection)] = true
			}
		case *ast.Ident:
			used, ok := info.Uses[node].(*types.Func)
			if ok && used.Signature().Recv() == nil {
				c.mentions[name][used.Pkg().Name()+"."+used.Name()] = true
			}
		}
		return true
	})
}

func methodName(selection *types.Selection) string {
	receiver := selection.Recv()
	if pointer, ok := receiver.(*types.Pointer); ok {
		receiver = pointer.Elem()
	}
	named, ok := receiver.(*types.Named)
	if !ok || named.Obj().Pkg() == nil {
		return ""
	}
	if named.Obj().Pkg().Name() == "sdktest" {
		return "sdktest.(method)." + selection.Obj().Name()
	}
	return "(" + named.Obj().Pkg().Name() + "." + named.Obj().Name() + ")." + selection.Obj().Name()
}

// tests returns the tests that mention a function themselves or through helpers, sorted.
func (c *checked) tests(function string) []string {
	found := make(map[string]bool)
	seen := make(map[string]bool)
	var climb func(mentioned string)
	climb = func(mentioned string) {
		for caller, mentions := range c.mentions {
			if !mentions[mentioned] || seen[caller] {
				continue
			}
			seen[caller] = true
			if strings.HasPrefix(caller, "Test") {
				found[caller] = true
				continue
			}
			climb("sdktest." + caller)
		}
	}
	climb(function)
	return slices.Sorted(maps.Keys(found))
}

func (c *checked) imported(t *testing.T, path string) *types.Package {
	t.Helper()
	if c.packages[path] == nil {
		t.Fatalf("no test imports %s", path)
	}
	return c.packages[path]
}

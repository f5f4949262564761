package sdktest

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
)

const (
	sdkPackage = "github.com/alpacahq/alpaca-trade-api-go/v3/alpaca"
	listPath   = "testdata/trading-coverage.txt"
)

var update = flag.Bool("update", false, "write the coverage list anew")

// TestEveryTradingMethodIsCalled reads the tests of this folder and of the emulator and lists, for every exported method of
// the SDK's trading client and every exported function of its package, the tests that call it. One that no test calls is
// a failure, and so is a list that is not the committed one.
func TestEveryTradingMethodIsCalled(t *testing.T) {
	t.Parallel()
	callers := callersOf(t, ".", "..")
	wanted := make([]string, 0, 2*reflect.TypeFor[*alpaca.Client]().NumMethod())
	client := reflect.TypeFor[*alpaca.Client]()
	for i := range client.NumMethod() {
		wanted = append(wanted, "(*alpaca.Client)."+client.Method(i).Name)
	}
	wanted = append(wanted, packageFunctions(t)...)
	slices.Sort(wanted)
	var list strings.Builder
	for _, name := range wanted {
		tests := callers[name]
		if len(tests) == 0 {
			t.Errorf("%s is called by no test", name)
		}
		list.WriteString(name + "\t" + strings.Join(slices.Sorted(maps.Keys(tests)), " ") + "\n")
	}
	if *update {
		if err := os.WriteFile(listPath, []byte(list.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	committed, err := os.ReadFile(listPath)
	if err != nil {
		t.Fatal(err)
	}
	if string(committed) != list.String() {
		t.Errorf("%s is not what the tests call now: run go test ./emulator/sdktest -run EveryTradingMethod -update", listPath)
	}
}

// packageFunctions returns the exported functions of the SDK's package, which use its default client.
func packageFunctions(t *testing.T) []string {
	t.Helper()
	// The go command knows the folder also in a binary without paths (-trimpath).
	output, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", sdkPackage).Output()
	if err != nil {
		t.Fatal(err)
	}
	folder := strings.TrimSpace(string(output))
	var functions []string
	for _, file := range parse(t, filepath.Join(folder, "*.go")) {
		for _, declaration := range file.Decls {
			function, ok := declaration.(*ast.FuncDecl)
			if ok && function.Recv == nil && function.Name.IsExported() && !strings.HasPrefix(function.Name.Name, "Test") {
				functions = append(functions, "alpaca."+function.Name.Name)
			}
		}
	}
	if len(functions) == 0 {
		t.Fatalf("no functions found in %s", folder)
	}
	return functions
}

func parse(t *testing.T, pattern string) []*ast.File {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	files := make([]*ast.File, 0, len(paths))
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return files
}

// callersOf returns the tests by what they call of the SDK: functions of its package by that name, and methods of its
// client wherever a method of that name is called on something else.
func callersOf(t *testing.T, folders ...string) map[string]map[string]bool {
	t.Helper()
	callers := make(map[string]map[string]bool)
	for _, folder := range folders {
		for _, file := range parse(t, filepath.Join(folder, "*_test.go")) {
			for _, declaration := range file.Decls {
				if function, ok := declaration.(*ast.FuncDecl); ok && strings.HasPrefix(function.Name.Name, "Test") {
					noteCalls(function, callers)
				}
			}
		}
	}
	return callers
}

func noteCalls(test *ast.FuncDecl, callers map[string]map[string]bool) {
	ast.Inspect(test, func(node ast.Node) bool {
		selector, ok := node.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		name := "(*alpaca.Client)." + selector.Sel.Name
		if on, ok := selector.X.(*ast.Ident); ok && on.Name == "alpaca" {
			name = "alpaca." + selector.Sel.Name
		}
		if callers[name] == nil {
			callers[name] = make(map[string]bool)
		}
		callers[name][test.Name.Name] = true
		return true
	})
}

package gateway_test

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/opitios-ai/alpaca-knative/local/gateway"
)

var update = flag.Bool("update", false, "rewrite the HTTPRoute")

const routeFile = "../../knative/components/http-route/http-route.yaml"

// match is one match of an HTTPRoute's rule.
type match struct {
	Path struct {
		Type  string `yaml:"type"`
		Value string `yaml:"value"`
	} `yaml:"path"`
	Method string `yaml:"method"`
}

type httpRoute struct {
	Spec struct {
		Rules []struct {
			Matches []match `yaml:"matches"`
			Filters []struct {
				URLRewrite struct {
					Hostname string `yaml:"hostname"`
				} `yaml:"urlRewrite"`
			} `yaml:"filters"`
		} `yaml:"rules"`
	} `yaml:"spec"`
}

// services is the order of the rules; each service has two at most, because a rule may have 64 matches.
func services() []string {
	return []string{gateway.Order, gateway.Quote, gateway.QuoteStream, gateway.Account}
}

// rendered is the HTTPRoute of the path table.
func rendered() string {
	var out strings.Builder
	out.WriteString(`# The path table of local/gateway/route.go; ` + "`go test ./local/gateway -update`" + ` writes it from there. Requests go on to the
# cluster-local door of Knative's ingress under the function's own name: an HTTPRoute can't name a KService, whose Service
# is but an alias of that door. The overlay says which Gateway, and which door. What is not here is not reachable: /events
# and /metrics are the cluster's own.
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata:
  name: opitios
  namespace: opitios
  labels: {app.kubernetes.io/part-of: opitios-alpaca}
spec:
  parentRefs:
    - {name: public, namespace: traefik}
  rules:
`)
	for _, service := range services() {
		matches := matchesOf(service)
		if len(matches) > 64 {
			panic("too many matches for one rule: " + service)
		}
		out.WriteString("    - matches:\n")
		for _, m := range matches {
			method := ""
			if m.Method != "" {
				method = ", method: " + m.Method
			}
			fmt.Fprintf(&out, "        - {path: {type: %s, value: %q}%s}\n", m.Path.Type, m.Path.Value, method)
		}
		fmt.Fprintf(&out, "      filters:\n        - {type: URLRewrite, urlRewrite: {hostname: %s.opitios.svc.cluster.local}}\n", service)
		out.WriteString("      backendRefs:\n        - {name: traefik-internal, namespace: traefik, port: 80}\n")
	}
	return out.String()
}

// matchesOf are the matches of a service: its lines of the table, each for /api/v1 and its alias /v1, and for the account
// function what belongs to nobody else.
func matchesOf(service string) []match {
	var matches []match
	add := func(kind, value, method string) {
		m := match{Method: method}
		m.Path.Type, m.Path.Value = kind, value
		if !slices.Contains(matches, m) {
			matches = append(matches, m)
		}
	}
	for _, line := range gateway.Lines() {
		if line.Service != service {
			continue
		}
		patterns := []string{line.Pattern}
		if rest, ok := strings.CutPrefix(line.Pattern, "/api/v1/"); ok {
			patterns = append(patterns, "/v1/"+rest)
		}
		for _, pattern := range patterns {
			switch prefix, open := strings.CutSuffix(pattern, "*"); {
			case !open:
				add("Exact", pattern, line.Method)
			case strings.HasSuffix(prefix, "/"):
				add("PathPrefix", strings.TrimSuffix(prefix, "/"), line.Method)
			default: // /v2/orders*, which is also /v2/orders:by_client_order_id
				add("PathPrefix", prefix, line.Method)
				if line.Method == "" {
					add("Exact", prefix+":by_client_order_id", "")
				}
			}
		}
	}
	if service == gateway.Account {
		for _, path := range []string{"/", "/docs", "/openapi.json", "/healthz", "/readyz"} {
			add("Exact", path, "")
		}
	}
	return matches
}

func readRoute(t *testing.T) httpRoute {
	t.Helper()
	if *update {
		if err := os.WriteFile(routeFile, []byte(rendered()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	content, err := os.ReadFile(routeFile)
	if err != nil {
		t.Fatal(err)
	}
	if string(content) != rendered() {
		t.Fatal("the HTTPRoute is not that of the path table: go test ./local/gateway -update")
	}
	var route httpRoute
	if err := yaml.Unmarshal(content, &route); err != nil {
		t.Fatal(err)
	}
	return route
}

// serviceOf routes as the Gateway API says: an exact path first, then the longest prefix of whole elements, then a match
// with a method.
func (r *httpRoute) serviceOf(method, path string) string {
	best, service := -1, ""
	for _, rule := range r.Spec.Rules {
		for _, m := range rule.Matches {
			if m.Method != "" && m.Method != method {
				continue
			}
			weight := 2 * len(m.Path.Value)
			switch value := m.Path.Value; {
			case m.Path.Type == "Exact" && path == value:
				weight += 1 << 16
			case m.Path.Type == "PathPrefix" && (path == value || strings.HasPrefix(path, strings.TrimSuffix(value, "/")+"/")):
			default:
				continue
			}
			if m.Method != "" {
				weight++
			}
			if weight > best {
				best, service = weight, strings.TrimSuffix(rule.Filters[0].URLRewrite.Hostname, ".opitios.svc.cluster.local")
			}
		}
	}
	return service
}

// TestHTTPRouteIsThePathTable compares what the two do with every path at a border of the table, and beside it.
func TestHTTPRouteIsThePathTable(t *testing.T) {
	t.Parallel()
	route := readRoute(t)
	var paths []string
	for _, line := range gateway.Lines() {
		base := strings.TrimSuffix(line.Pattern, "*")
		for _, path := range []string{base, strings.TrimSuffix(base, "/"), base + "x", base + "/x", base + "/x/y", base + "x/y", base + ":by_client_order_id"} {
			paths = append(paths, path, strings.Replace(path, "/api/v1/", "/v1/", 1))
		}
	}
	paths = append(paths, "/events", "/events/dead-letters", "/metrics", "/api", "/api/v1", "/v1", "/v3/x", "/v2", "/stream/x", "//v2/orders")
	compared := 0
	for _, path := range paths {
		for _, method := range []string{"GET", "POST", "PATCH", "PUT", "DELETE"} {
			table, cluster := gateway.ServiceOf(method, path), route.serviceOf(method, path)
			compared++
			if table != cluster && !nowhere(path) {
				t.Errorf("%s %s: %q by the table, %q on a cluster", method, path, table, cluster)
			}
		}
	}
	if compared < 1000 {
		t.Errorf("only %d requests were compared", compared)
	}
	for _, path := range []string{"/events", "/events/dead-letters", "/metrics", "/debug/pprof/"} {
		if service := route.serviceOf("POST", path); service != "" {
			t.Errorf("%s is reachable: %s", path, service)
		}
	}
}

// nowhere are paths that no function serves, so that it is the same 404 whoever answers: a prefix of the table without its
// slash (an HTTPRoute's prefix is of whole elements), what only begins as /v2/orders and /v2/positions do, and /v2 itself.
func nowhere(path string) bool {
	for _, line := range gateway.Lines() {
		prefix, open := strings.CutSuffix(line.Pattern, "/*")
		if open && (path == prefix || path == strings.Replace(prefix, "/api/v1/", "/v1/", 1)) && !exact(path) {
			return true
		}
	}
	for _, start := range []string{"/v2/orders", "/v2/positions"} {
		rest, ok := strings.CutPrefix(path, start)
		if ok && rest != "" && rest[0] != '/' && rest != ":by_client_order_id" || start == "/v2/positions" && rest == ":by_client_order_id" {
			return true
		}
	}
	return false
}

// exact reports whether the table has the path itself.
func exact(path string) bool {
	return slices.ContainsFunc(gateway.Lines(), func(l gateway.Line) bool {
		return l.Pattern == path || strings.Replace(l.Pattern, "/api/v1/", "/v1/", 1) == path
	})
}

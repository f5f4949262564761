package lab

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// The modules that Knative's manifests come from beside its own two: module archives have no symbolic links, and what
// these would point to is elsewhere.
const (
	servingModule    = "knative.dev/serving"
	eventingModule   = "knative.dev/eventing"
	networkingModule = "knative.dev/networking"
	cachingModule    = "knative.dev/caching"
	gatewayModule    = "sigs.k8s.io/gateway-api"
	// monitorModule has the definition of PodMonitor.
	monitorModule = "github.com/prometheus-operator/prometheus-operator@v0.85.0"
)

// bundle is manifests that are applied together.
type bundle struct {
	name  string
	files []string
}

// writeManifests renders Knative's manifests out of the module cache: image names instead of ko:// references, small
// CPU requests (a test cluster has two cores), no autoscaling of Knative itself.
func (l *Lab) writeManifests(ctx context.Context) error {
	bundles, err := l.bundles(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.path("manifests"), 0o755); err != nil {
		return err
	}
	for _, b := range bundles {
		var all strings.Builder
		for _, file := range b.files {
			content, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			fmt.Fprintf(&all, "# %s\n%s\n---\n", file, adapt(string(content)))
		}
		if err := os.WriteFile(l.path("manifests", b.name+".yaml"), []byte(all.String()), 0o644); err != nil {
			return err
		}
	}
	for _, name := range []string{"coredns.yaml", "traefik.yaml", "eventing-images.yaml"} {
		content, err := configFiles.ReadFile("config/" + name)
		if err != nil {
			return err
		}
		if err := os.WriteFile(l.path("manifests", name), content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) bundles(ctx context.Context) ([]bundle, error) {
	folders := map[string]string{}
	for _, module := range []string{servingModule, eventingModule, networkingModule, cachingModule} {
		folder, err := l.moduleFolder(ctx, "knative", module)
		if err != nil {
			return nil, err
		}
		folders[module] = folder
	}
	gateway, err := l.moduleFolder(ctx, "traefik", gatewayModule)
	if err != nil {
		return nil, err
	}
	monitors, err := l.downloadTool(ctx, monitorModule)
	if err != nil {
		return nil, err
	}
	serving, eventing, networking := folders[servingModule], folders[eventingModule], folders[networkingModule]
	channels := filepath.Join(eventing, "config/channels/in-memory-channel")
	definitions := append([]string{
		filepath.Join(folders[cachingModule], "config/image.yaml"), filepath.Join(networking, "config/certificate.yaml"),
		filepath.Join(networking, "config/domain-claim.yaml"), filepath.Join(networking, "config/ingress.yaml"),
		filepath.Join(networking, "config/serverlessservice.yaml"),
		filepath.Join(monitors, "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml"),
	}, yamlBelow(filepath.Join(serving, "config/core/300-resources"))...)
	definitions = append(definitions, yamlBelow(filepath.Join(eventing, "config/core/resources"))...)
	definitions = append(definitions, yamlBelow(filepath.Join(channels, "resources"))...)
	definitions = append(definitions, yamlBelow(filepath.Join(gateway, "config/crd/standard"))...)
	core := without(yamlBelow(filepath.Join(serving, "config/core")), "300-resources", "hpa", "300-knativecertificate", "999-cache")
	events := without(yamlBelow(filepath.Join(eventing, "config/core")), "/resources/", "hpa", "deployments/job-sink", "deployments/request-reply")
	events = append(events, without(yamlBelow(channels), "/resources/")...)
	events = append(events, without(yamlBelow(filepath.Join(eventing, "config/brokers/mt-channel-broker")), "hpa")...)
	return []bundle{
		{"definitions", definitions},
		{"serving", append(core, filepath.Join(networking, "config/config-network.yaml"))},
		{"eventing", events},
	}, nil
}

// adapt makes a manifest of Knative's repository one that this cluster can run.
func adapt(manifest string) string {
	reference := regexp.MustCompile(`ko://([a-zA-Z0-9_./-]+)`)
	manifest = reference.ReplaceAllStringFunc(manifest, func(found string) string {
		group := "eventing"
		if strings.HasPrefix(found, "ko://"+servingModule) {
			group = "serving"
		}
		return "dev.local/" + knativeImage(group, filepath.Base(found)) + ":1"
	})
	requests := regexp.MustCompile(`(requests:\n\s+cpu: )"?\d+m?"?`)
	return requests.ReplaceAllString(manifest, "${1}10m")
}

func yamlBelow(folder string) []string {
	var found []string
	_ = filepath.WalkDir(folder, func(name string, entry fs.DirEntry, err error) error { // a missing folder has no files
		if err == nil && !entry.IsDir() && strings.HasSuffix(name, ".yaml") {
			found = append(found, name)
		}
		return nil
	})
	slices.Sort(found)
	return found
}

// without leaves out the files whose path has one of the parts.
func without(files []string, parts ...string) []string {
	return slices.DeleteFunc(files, func(file string) bool {
		return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(file, part) })
	})
}

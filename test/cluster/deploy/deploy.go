// Package deploy builds the product's images and applies an overlay of knative/ to a cluster: to the lab, whose node gets
// the images as a file, or to the one that KUBECONFIG names, through the registry that KO_DOCKER_REPO names.
package deploy

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Namespace is where everything goes; knative/base/namespace.yaml makes it.
const Namespace = "opitios"

// Accounts is how many accounts the emulator of the overlay local-cluster has.
const Accounts = 20

// readyTime bounds the wait for everything to be ready.
const readyTime = 5 * time.Minute

// Node is a cluster whose node takes images from a file.
type Node interface {
	// Import gives the node an image archive.
	Import(ctx context.Context, archive string) error
	// Tag gives an image of the node a second name.
	Tag(ctx context.Context, from, to string) error
}

// Deployment is one deploy.
type Deployment struct {
	// Repository is the folder of the repository, Overlay the name of one below knative/overlays.
	Repository, Overlay string
	// Kubectl, Kustomize and Ko are the programs.
	Kubectl, Kustomize, Ko string
	// Kubeconfig names the cluster; empty is what kubectl takes by itself.
	Kubeconfig string
	// Registry is where images are pushed; empty for a Node.
	Registry string
	Node     Node
	// Archive is the file that the images for a Node are written to.
	Archive string
	Output  io.Writer
}

// ErrNoWay means that there is neither a registry nor a node to give images to.
var ErrNoWay = errors.New("KO_DOCKER_REPO: set it to a registry that the cluster pulls from, or bring up the lab with `make cluster`")

// Run builds, applies and waits.
func (d *Deployment) Run(ctx context.Context) error {
	if d.Node == nil && d.Registry == "" {
		return ErrNoWay
	}
	overlay := filepath.Join(d.Repository, "knative", "overlays", d.Overlay)
	manifest, err := d.run(ctx, nil, d.Kustomize, "build", overlay)
	if err != nil {
		return err
	}
	d.say("images")
	resolved, err := d.images(ctx, manifest)
	if err != nil {
		return err
	}
	d.say("apply   %s", d.Overlay)
	if err := d.apply(ctx, namespaceOf(resolved)); err != nil {
		return err
	}
	if err := d.secrets(ctx); err != nil {
		return err
	}
	stamped, err := d.stamp(ctx, resolved)
	if err != nil {
		return err
	}
	if err := d.apply(ctx, stamped); err != nil {
		return err
	}
	d.say("wait    until everything is ready")
	return d.ready(ctx)
}

// images replaces every ko:// reference by an image, after building and publishing it.
func (d *Deployment) images(ctx context.Context, manifest []byte) ([]byte, error) {
	resolve := []string{"resolve", "-f", "-", "--preserve-import-paths", "--sbom=none"}
	if d.Node == nil {
		return d.runIn(ctx, manifest, []string{"KO_DOCKER_REPO=" + d.Registry}, d.Ko, resolve...)
	}
	// Without a registry: a file for the node, and a base that is served from this machine.
	const tag = "lab"
	arguments := append([]string{"run", "./knative/image/cmd", "--", d.Ko}, resolve...)
	arguments = append(arguments, "--push=false", "--tarball="+d.Archive, "--tags="+tag)
	resolved, err := d.runIn(ctx, manifest, []string{"KO_DOCKER_REPO=dev.local/opitios"}, "go", arguments...)
	if err != nil {
		return nil, err
	}
	if err := d.Node.Import(ctx, d.Archive); err != nil {
		return nil, err
	}
	// A digest can't be looked up in a node without a registry, and a tag that stays would not make a new revision: the tag
	// becomes the digest's beginning, so that what is unchanged is not rolled out.
	reference := regexp.MustCompile(`(dev\.local/opitios/\S+):` + tag + `@sha256:([0-9a-f]{16})[0-9a-f]{48}`)
	named := map[string]string{}
	result := reference.ReplaceAllFunc(resolved, func(found []byte) []byte {
		parts := reference.FindSubmatch(found)
		to := string(parts[1]) + ":" + string(parts[2])
		named[to] = string(parts[1]) + ":" + tag
		return []byte(to)
	})
	for to, from := range named {
		if err := d.Node.Tag(ctx, from, to); err != nil {
			return nil, err
		}
	}
	return result, nil
}

// namespaceOf is the manifest of the namespace alone: the Secrets have to be in it before what refers to them.
func namespaceOf(manifest []byte) []byte {
	for document := range bytes.SplitSeq(manifest, []byte("\n---\n")) {
		if bytes.Contains(document, []byte("\nkind: Namespace\n")) {
			return document
		}
	}
	return nil
}

// apply applies a manifest, again for a while where a webhook or a definition is not there yet.
func (d *Deployment) apply(ctx context.Context, manifest []byte) error {
	deadline := time.Now().Add(time.Minute)
	for {
		_, err := d.kubectl(ctx, manifest, "apply", "--server-side", "--force-conflicts", "-f", "-")
		if err == nil || time.Now().After(deadline) || !strings.Contains(err.Error(), "webhook") {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// secrets makes those of the overlay local-cluster, whose accounts are the emulator's, unless they are there, and says
// which are missing for any other.
func (d *Deployment) secrets(ctx context.Context) error {
	var missing []string
	for _, name := range []string{"opitios-accounts", "opitios-tokens", "opitios-redis"} {
		if _, err := d.kubectl(ctx, nil, "-n", Namespace, "get", "secret", name); err == nil {
			continue
		}
		if d.Overlay != "local-cluster" {
			missing = append(missing, name)
			continue
		}
		if err := d.testSecret(ctx, name); err != nil {
			return err
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the namespace %s has no Secret %s: docs/cluster.md says how to make it", Namespace, strings.Join(missing, ", "))
	}
	return nil
}

func (d *Deployment) testSecret(ctx context.Context, name string) error {
	values := map[string]string{}
	switch name {
	case "opitios-accounts":
		values["JSON"] = emulatorAccounts()
	case "opitios-tokens":
		key := make([]byte, 32)
		_, _ = rand.Read(key) // it never fails
		values["jwt-secret"] = hex.EncodeToString(key)
	case "opitios-redis":
		values["url"] = "redis://redis." + Namespace + ".svc.cluster.local:6379"
	}
	secret, err := json.Marshal(map[string]any{
		"apiVersion": "v1", "kind": "Secret", "metadata": map[string]string{"name": name, "namespace": Namespace}, "stringData": values,
	})
	if err != nil {
		return err
	}
	_, err = d.kubectl(ctx, secret, "apply", "--server-side", "-f", "-")
	return err
}

// emulatorAccounts is the accounts' document for the key pairs that emulator/cmd makes up.
func emulatorAccounts() string {
	var accounts []any
	for i := 1; i <= Accounts; i++ {
		accounts = append(accounts, map[string]any{
			"id": fmt.Sprintf("account-%d", i), "type": "paper", "key_id": fmt.Sprintf("PKEMULATOR%010d", i),
			"secret_key": fmt.Sprintf("emulator-secret-%010d", i), "market_data": i == 1,
			"permissions": []string{"trade", "market_data", "account_read"},
		})
	}
	content, _ := json.Marshal(map[string]any{"accounts": accounts}) // strings and numbers only
	return string(content)
}

// stamp writes the digest of the accounts' Secret into the templates of the pods that read it at their start.
func (d *Deployment) stamp(ctx context.Context, manifest []byte) ([]byte, error) {
	data, err := d.kubectl(ctx, nil, "-n", Namespace, "get", "secret", "opitios-accounts", "-o", "jsonpath={.data}")
	if err != nil {
		return nil, err
	}
	var keys map[string]string
	if err := json.Unmarshal(data, &keys); err != nil {
		return nil, fmt.Errorf("the Secret opitios-accounts: %w", err)
	}
	if keys["JSON"] == "" {
		return nil, errors.New("the Secret opitios-accounts has no key JSON: docs/cluster.md says how to make it")
	}
	digest := sha256.Sum256(data)
	return bytes.ReplaceAll(manifest, []byte("opitios.ai/accounts: unstamped"), []byte("opitios.ai/accounts: sha256-"+hex.EncodeToString(digest[:8]))), nil
}

// ready waits for everything that the overlay holds.
func (d *Deployment) ready(ctx context.Context) error {
	timeout := "--timeout=" + readyTime.String()
	waits := [][]string{
		{"--for=condition=Available", "deployment", "--all"},
		{"--for=condition=Ready", "ksvc", "--all"},
		{"--for=condition=Ready", "broker,trigger,pingsource,sinkbinding", "--all"},
	}
	for _, wait := range waits {
		_, err := d.kubectl(ctx, nil, append([]string{"-n", Namespace, "wait", timeout}, wait...)...)
		if err != nil {
			state, _ := d.kubectl(ctx, nil, "-n", Namespace, "get", "pods,ksvc,broker,trigger,pingsource", "-o", "wide")
			return fmt.Errorf("%w\n%s", err, state)
		}
	}
	return nil
}

func (d *Deployment) kubectl(ctx context.Context, input []byte, arguments ...string) ([]byte, error) {
	if d.Kubeconfig != "" {
		arguments = append([]string{"--kubeconfig=" + d.Kubeconfig}, arguments...)
	}
	return d.run(ctx, input, d.Kubectl, arguments...)
}

func (d *Deployment) run(ctx context.Context, input []byte, name string, arguments ...string) ([]byte, error) {
	return d.runIn(ctx, input, nil, name, arguments...)
}

func (d *Deployment) runIn(ctx context.Context, input []byte, environment []string, name string, arguments ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, arguments...)
	cmd.Dir, cmd.Env = d.Repository, append(os.Environ(), environment...)
	cmd.Stdin = bytes.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(name), strings.Join(arguments, " "), err, strings.TrimSpace(said.String()))
	}
	return out.Bytes(), nil
}

func (d *Deployment) say(format string, values ...any) {
	_, _ = fmt.Fprintf(d.Output, "%s  %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, values...))
}

// Package measure measures the deployed functions on a real cluster, each beside a hello-world function in the same run.
package measure

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// Namespace is the product's.
const Namespace = "opitios"

// Bench is one run of the measurements.
type Bench struct {
	// Kubectl is the program, with its --kubeconfig.
	Kubectl []string
	// Ingress, Inner and Broker are the addresses of the cluster's public door, its inner door, and the Broker.
	Ingress, Inner, Broker string
	// NodeLog is the file of the node's containerd.
	NodeLog string
	// Runs is how many cold starts of each kind.
	Runs   int
	Output io.Writer

	looked time.Time // when the kubelet last reported containers

	token  string
	client *http.Client
}

// Open finds the doors and gets a token.
func (b *Bench) Open(ctx context.Context) error {
	b.client = &http.Client{Timeout: 2 * time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 256}}
	for _, door := range []struct {
		into                    *string
		namespace, name, suffix string
	}{
		{&b.Ingress, "traefik", "traefik", ""}, {&b.Inner, "traefik", "traefik-internal", ""},
		{&b.Broker, "knative-eventing", "broker-ingress", "/" + Namespace + "/opitios"},
	} {
		address, err := b.kubectl(ctx, nil, "-n", door.namespace, "get", "service", door.name, "-o", "jsonpath={.spec.clusterIP}")
		if err != nil {
			return err
		}
		*door.into = "http://" + address + door.suffix
	}
	encoded, err := b.k(ctx, "get", "secret", "opitios-tokens", "-o", "jsonpath={.data.jwt-secret}")
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return err
	}
	now := time.Now()
	b.token = sign(key, map[string]any{"alg": "HS256", "typ": "JWT"}, map[string]any{
		"iss": "opitios-alpaca", "aud": "trading-api", "sub": "measure", "jti": random(), "iat": now.Unix(), "exp": now.Add(3 * time.Hour).Unix(),
		"account_id": "account-1", "permissions": []string{"trade", "market_data", "account_read"},
	})
	return b.hello(ctx)
}

// hello deploys the peer: the same settings of Knative, the same limits, no code, no environment and no volumes.
func (b *Bench) hello(ctx context.Context) error {
	image, err := b.k(ctx, "get", "configmap", "measure", "-o", "jsonpath={.data.hello}")
	if err != nil {
		return fmt.Errorf("the hello-world image is not there (`make cluster-bench` makes it): %w", err)
	}
	quote, err := b.k(ctx, "get", "ksvc", "quote", "-o", "json")
	if err != nil {
		return err
	}
	var service map[string]any
	if err := json.Unmarshal([]byte(quote), &service); err != nil {
		return err
	}
	template := path(service, "spec", "template")
	annotations := path(template, "metadata")["annotations"]
	spec := path(template, "spec")
	container, _ := spec["containers"].([]any)[0].(map[string]any)
	container["image"] = image
	for _, name := range []string{"env", "envFrom", "livenessProbe", "volumeMounts"} {
		delete(container, name)
	}
	delete(spec, "volumes")
	container["readinessProbe"] = map[string]any{"httpGet": map[string]any{"path": "/"}}
	if err := b.peer(ctx, annotations, spec); err != nil {
		return err
	}
	_, err = b.k(ctx, "wait", "--for=condition=Ready", "ksvc/hello", "trigger/hello", "--timeout=180s")
	return err
}

// peer applies the function and a Trigger for events of its own.
func (b *Bench) peer(ctx context.Context, annotations any, spec map[string]any) error {
	const name = "hello"
	service := map[string]any{
		"apiVersion": "serving.knative.dev/v1", "kind": "Service", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"annotations": annotations}, "spec": spec}},
	}
	trigger := map[string]any{
		"apiVersion": "eventing.knative.dev/v1", "kind": "Trigger", "metadata": map[string]any{"name": name},
		"spec": map[string]any{
			"broker": "opitios", "filter": map[string]any{"attributes": map[string]string{"type": "measure." + name}},
			"subscriber": map[string]any{"ref": map[string]string{"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": name}},
		},
	}
	for _, object := range []any{service, trigger} {
		content, err := json.Marshal(object)
		if err != nil {
			return err
		}
		if _, err := b.kubectl(ctx, content, "-n", Namespace, "apply", "-f", "-"); err != nil {
			return err
		}
	}
	return nil
}

// Close removes the peer.
func (b *Bench) Close(ctx context.Context) error {
	_, err := b.k(ctx, "delete", "ksvc/hello", "trigger/hello", "--ignore-not-found")
	return err
}

func path(object map[string]any, names ...string) map[string]any {
	for _, name := range names {
		object, _ = object[name].(map[string]any)
	}
	return object
}

// hostOf is the name by which the inner door knows a function. The public door has the HTTPRoute, which goes through the
// ingress twice; the figures are of one way through it, the same for hello.
func hostOf(function string) string { return function + "." + Namespace + ".svc.cluster.local" }

// get asks a function for a path through a door, by the host that the door knows it by.
func (b *Bench) get(ctx context.Context, door, host, at string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, door+at, http.NoBody)
	if err != nil {
		return err
	}
	request.Host = host
	request.Header.Set("Authorization", "Bearer "+b.token)
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s%s: %s %.200s", host, at, response.Status, body)
	}
	return err
}

// publish posts an event; the in-memory channel answers when it was delivered.
func (b *Bench) publish(ctx context.Context, id, kind, data string, extensions map[string]string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, b.Broker, strings.NewReader(data))
	if err != nil {
		return err
	}
	request.Close = true // an event that meets the end of an idle connection can't be sent again by itself
	request.Header.Set("Content-Type", "application/json")
	for name, value := range map[string]string{"Specversion": "1.0", "Id": id, "Type": kind, "Source": "/measure"} {
		request.Header.Set("Ce-"+name, value)
	}
	for name, value := range extensions {
		request.Header.Set("Ce-"+name, value)
	}
	response, err := b.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		return errors.New("the Broker answers " + response.Status)
	}
	return nil
}

func sign(key []byte, header, claims map[string]any) string {
	part := func(value any) string {
		content, _ := json.Marshal(value) // strings and numbers only
		return base64.RawURLEncoding.EncodeToString(content)
	}
	unsigned := part(header) + "." + part(claims)
	mac := hmac.New(sha256.New, key)
	_, _ = mac.Write([]byte(unsigned)) // a hash never fails
	return unsigned + "." + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

func random() string {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // it never fails
	return hex.EncodeToString(id)
}

func (b *Bench) k(ctx context.Context, arguments ...string) (string, error) {
	return b.kubectl(ctx, nil, append([]string{"-n", Namespace}, arguments...)...)
}

func (b *Bench) kubectl(ctx context.Context, input []byte, arguments ...string) (string, error) {
	all := append(append([]string{}, b.Kubectl[1:]...), arguments...)
	cmd := exec.CommandContext(ctx, b.Kubectl[0], all...)
	cmd.Stdin = bytes.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func (b *Bench) say(format string, values ...any) {
	_, _ = fmt.Fprintf(b.Output, format+"\n", values...)
}

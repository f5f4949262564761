package lab

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// The times that the parts may take on a busy machine; on an idle one they take a tenth.
const (
	availableTime = 6 * time.Minute
	webhookTime   = 2 * time.Minute
)

// install applies Knative and what it needs, and waits until all of it is available.
func (l *Lab) install(ctx context.Context) error {
	for _, namespace := range []string{"knative-serving", "knative-eventing"} {
		manifest := "apiVersion: v1\nkind: Namespace\nmetadata: {name: " + namespace + "}\n"
		if err := l.applyText(ctx, manifest); err != nil {
			return err
		}
	}
	l.say("apply   definitions, DNS")
	if err := l.applyFiles(ctx, "coredns", "definitions"); err != nil {
		return err
	}
	if _, err := l.kubectl(ctx, "wait", "--for=condition=Established", "crd", "--all", "--timeout=120s"); err != nil {
		return err
	}
	l.say("apply   Knative Serving, Eventing, Traefik")
	if err := l.applyFiles(ctx, "serving", "traefik", "eventing-images", "eventing"); err != nil {
		return err
	}
	if err := l.configure(ctx); err != nil {
		return err
	}
	for _, namespace := range []string{"kube-system", "knative-serving", "traefik", "knative-eventing"} {
		l.say("wait    %s", namespace)
		if err := l.available(ctx, namespace); err != nil {
			return err
		}
	}
	l.say("wait    Knative's webhooks")
	return l.waitWebhooks(ctx)
}

func (l *Lab) applyFiles(ctx context.Context, names ...string) error {
	for _, name := range names {
		if err := l.change(ctx, nil, "apply", "--server-side", "--force-conflicts", "-f", l.path("manifests", name+".yaml")); err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) applyText(ctx context.Context, manifest string) error {
	return l.change(ctx, []byte(manifest), "apply", "--server-side", "--force-conflicts", "-f", "-")
}

// change runs a kubectl that changes something, again for a while where a webhook does not answer: a cluster that comes up
// again asks those of its former life before their pods are there.
func (l *Lab) change(ctx context.Context, input []byte, arguments ...string) error {
	deadline := time.Now().Add(webhookTime)
	for {
		_, err := l.kubectlWith(ctx, input, arguments...)
		if err == nil || !strings.Contains(err.Error(), "failed calling webhook") || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// configure sets Knative's ingress, domain and how soon what is idle goes.
func (l *Lab) configure(ctx context.Context) error {
	patches := []struct{ configMap, data string }{
		{"config-network", `{"ingress-class":"traefik.ingress.networking.knative.dev"}`},
		{"config-domain", `{"example.test":""}`},
		// A test can't wait the 90 s that production gives an idle function.
		{"config-autoscaler", `{"scale-to-zero-grace-period":"6s","stable-window":"6s"}`},
	}
	for _, p := range patches {
		err := l.change(ctx, nil, "-n", "knative-serving", "patch", "configmap", p.configMap, "--type=merge", "-p", `{"data":`+p.data+`}`)
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Lab) available(ctx context.Context, namespace string) error {
	timeout := fmt.Sprintf("--timeout=%s", availableTime)
	_, err := l.kubectl(ctx, "-n", namespace, "wait", "--for=condition=Available", "deployment", "--all", timeout)
	if err == nil {
		return nil
	}
	pods, _ := l.kubectl(ctx, "-n", namespace, "get", "pods", "-o", "wide")
	return fmt.Errorf("%w\n%s", err, pods)
}

// waitWebhooks tries what a deploy does until the webhooks behind it answer: they are Available some seconds before
// their certificates are where the API server looks.
func (l *Lab) waitWebhooks(ctx context.Context) error {
	probe := `apiVersion: serving.knative.dev/v1
kind: Service
metadata: {name: probe, namespace: default}
spec: {template: {spec: {containers: [{image: dev.local/none:1}]}}}
---
apiVersion: eventing.knative.dev/v1
kind: Broker
metadata: {name: probe, namespace: default, annotations: {eventing.knative.dev/broker.class: MTChannelBasedBroker}}
---
apiVersion: sources.knative.dev/v1
kind: PingSource
metadata: {name: probe, namespace: default}
spec: {schedule: "* * * * *", sink: {uri: "http://probe.invalid"}}
`
	return l.change(ctx, []byte(probe), "apply", "--dry-run=server", "--server-side", "-f", "-")
}

func (l *Lab) kubectl(ctx context.Context, arguments ...string) (string, error) {
	return l.kubectlWith(ctx, nil, arguments...)
}

func (l *Lab) kubectlWith(ctx context.Context, input []byte, arguments ...string) (string, error) {
	out, err := runWith(ctx, command{
		name: l.Kubectl(), arguments: append([]string{"--kubeconfig=" + l.Kubeconfig()}, arguments...), input: input,
	})
	return strings.TrimSpace(out), err
}

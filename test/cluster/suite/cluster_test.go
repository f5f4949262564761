// Package suite proves on a real Kubernetes with Knative what only shows there: scaling from and to zero, rollouts
// without a failed request, events through the Broker, dead letters, session events and the warm-up. It runs against what
// `make deploy` deployed with the overlay local-cluster.
package suite

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	namespace = "opitios"
	// patience is how long a test polls for what takes a second on an idle machine.
	patience = 2 * time.Minute
)

// cluster is where the suite runs.
type cluster struct {
	kubectl string
	// ingress is the address of the cluster's ingress, broker that of the Broker's door.
	ingress, broker string
}

var errNotSet = errors.New("no cluster: bring one up with `make cluster deploy`, or set KUBECONFIG, INGRESS_URL and BROKER_URL")

// open finds the cluster: KUBECONFIG's, or the lab in the folder STATE. Its ingress and Broker are reached at their
// Services' addresses, which works from a node; elsewhere INGRESS_URL and BROKER_URL say how (docs/cluster.md).
func open() (*cluster, error) {
	c := &cluster{kubectl: "kubectl", ingress: os.Getenv("INGRESS_URL"), broker: os.Getenv("BROKER_URL")}
	if os.Getenv("KUBECONFIG") == "" {
		state := os.Getenv("STATE")
		if state == "" {
			state = "/var/tmp/opitios-cluster"
		}
		c.kubectl = filepath.Join(state, "bin", "kubectl")
		if err := os.Setenv("KUBECONFIG", filepath.Join(state, "certs", "admin.kubeconfig")); err != nil {
			return nil, err
		}
	}
	if program := os.Getenv("KUBECTL"); program != "" {
		c.kubectl = program
	}
	if _, err := c.run(nil, "-n", namespace, "get", "ksvc", "quote"); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSet, err)
	}
	for _, door := range []struct {
		into                 *string
		namespace, name, url string
	}{
		{&c.ingress, "traefik", "traefik", "http://%s"},
		{&c.broker, "knative-eventing", "broker-ingress", "http://%s/" + namespace + "/opitios"},
	} {
		if *door.into != "" {
			continue
		}
		address, err := c.run(nil, "-n", door.namespace, "get", "service", door.name, "-o", "jsonpath={.spec.clusterIP}")
		if err != nil {
			return nil, err
		}
		*door.into = fmt.Sprintf(door.url, address)
	}
	return c, nil
}

// run runs kubectl and returns what it printed. An API server that is too busy to answer is asked again: what is asked of
// it here may be done twice.
func (c *cluster) run(input []byte, arguments ...string) (string, error) {
	var out string
	var err error
	for range 4 {
		out, err = c.once(input, arguments...)
		if err == nil || !strings.Contains(err.Error(), "imeout") {
			break
		}
	}
	return out, err
}

func (c *cluster) once(input []byte, arguments ...string) (string, error) {
	cmd := exec.CommandContext(context.Background(), c.kubectl, arguments...)
	cmd.Stdin = bytes.NewReader(input)
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(arguments, " "), err, strings.TrimSpace(said.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

// shared is the cluster of all tests; they run one after the other, because each of them moves what the others look at.
var shared *cluster // TestMain has no other way to hand it over

func TestMain(m *testing.M) {
	c, err := open()
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster-test:", err)
		os.Exit(1)
	}
	shared = c
	os.Exit(m.Run())
}

// k runs kubectl in the product's namespace.
func (c *cluster) k(t *testing.T, arguments ...string) string {
	t.Helper()
	out, err := c.run(nil, append([]string{"-n", namespace}, arguments...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// object reads a Kubernetes object into target.
func (c *cluster) object(t *testing.T, target any, arguments ...string) {
	t.Helper()
	if err := json.Unmarshal([]byte(c.k(t, append([]string{"get", "-o", "json"}, arguments...)...)), target); err != nil {
		t.Fatal(err)
	}
}

// apply applies an object.
func (c *cluster) apply(t *testing.T, object any) {
	t.Helper()
	content, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.run(content, "-n", namespace, "apply", "-f", "-"); err != nil {
		t.Fatal(err)
	}
}

// pod is what is read of a pod.
type pod struct {
	Metadata struct {
		Name              string            `json:"name"`
		Labels            map[string]string `json:"labels"`
		DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
	} `json:"metadata"`
	Status struct {
		PodIP      string `json:"podIP"`
		Conditions []struct {
			Type   string `json:"type"`
			Status string `json:"status"`
		} `json:"conditions"`
	} `json:"status"`
}

func (p *pod) ready() bool {
	for _, condition := range p.Status.Conditions {
		if condition.Type == "Ready" {
			return condition.Status == "True"
		}
	}
	return false
}

// pods are those of a KService that are not on their way out: the queue-proxy keeps a leaving pod for half a minute.
func (c *cluster) pods(t *testing.T, service string) []pod {
	t.Helper()
	var list struct {
		Items []pod `json:"items"`
	}
	c.object(t, &list, "pods", "-l", "serving.knative.dev/service="+service)
	var staying []pod
	for _, p := range list.Items {
		if p.Metadata.DeletionTimestamp == nil {
			staying = append(staying, p)
		}
	}
	return staying
}

// eventually polls until what is true, and fails the test with the last thing it said when that takes too long.
func eventually(t *testing.T, what string, check func() (bool, string)) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		ok, state := check()
		if ok {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s; %s", patience, what, state)
		}
		time.Sleep(200 * time.Millisecond)
	}
}

// toZero waits until a KService has no pod.
func (c *cluster) toZero(t *testing.T, service string) {
	t.Helper()
	eventually(t, service+" is at zero", func() (bool, string) {
		n := len(c.pods(t, service))
		return n == 0, fmt.Sprintf("%d pods", n)
	})
}

// revision is the newest ready Revision of a KService.
func (c *cluster) revision(t *testing.T, service string) string {
	t.Helper()
	return c.k(t, "get", "ksvc", service, "-o", "jsonpath={.status.latestReadyRevisionName}")
}

// roll makes a new revision of a KService and waits until it has all traffic.
func (c *cluster) roll(t *testing.T, service string) {
	t.Helper()
	before := c.revision(t, service)
	patch := fmt.Sprintf(`{"spec":{"template":{"metadata":{"annotations":{"suite.opitios.ai/rolled":"%d"}}}}}`, time.Now().UnixNano())
	c.k(t, "patch", "ksvc", service, "--type=merge", "-p", patch)
	eventually(t, service+" has a new revision", func() (bool, string) {
		var status struct {
			Status struct {
				LatestReady string `json:"latestReadyRevisionName"`
				Traffic     []struct {
					Revision string `json:"revisionName"`
					Percent  int    `json:"percent"`
				} `json:"traffic"`
				Conditions []struct{ Type, Status string } `json:"conditions"`
			} `json:"status"`
		}
		c.object(t, &status, "ksvc", service)
		s := status.Status
		done := s.LatestReady != before && len(s.Traffic) == 1 && s.Traffic[0].Revision == s.LatestReady
		for _, condition := range s.Conditions {
			done = done && condition.Status == "True"
		}
		return done, fmt.Sprintf("%+v", s)
	})
}

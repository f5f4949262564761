package warmup

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// Limits of one call to the API server.
const (
	callTime  = 10 * time.Second
	maxAnswer = 16 << 20
)

// Cluster calls the API server with the token of the pod's ServiceAccount. Two calls are all there is to it, so it does
// without Kubernetes' own client, which would be ten times this program.
type Cluster struct {
	client *http.Client
	base   string
	token  string
}

var _ Revisions = (*Cluster)(nil)

// errAuthority: the file of the cluster's authority holds no certificate.
var errAuthority = errors.New("KUBERNETES_CA_FILE holds no certificate")

// NewCluster reads the token and the authority's certificate.
func NewCluster(cfg *Config) (*Cluster, error) {
	token, err := os.ReadFile(cfg.TokenFile)
	if err != nil {
		return nil, fmt.Errorf("KUBERNETES_TOKEN_FILE: %w", err)
	}
	authority, err := os.ReadFile(cfg.AuthorityFile)
	if err != nil {
		return nil, fmt.Errorf("KUBERNETES_CA_FILE: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(authority) {
		return nil, errAuthority
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	return &Cluster{
		client: &http.Client{Transport: transport, Timeout: callTime},
		base: strings.TrimSuffix(cfg.APIServer, "/") + "/apis/serving.knative.dev/v1/namespaces/" + url.PathEscape(cfg.Namespace) +
			"/revisions",
		token: strings.TrimSpace(string(token)),
	}, nil
}

// List returns the Revisions of the namespace.
func (c *Cluster) List(ctx context.Context) ([]Revision, error) {
	var list struct {
		Items []Revision `json:"items"`
	}
	if err := c.call(ctx, http.MethodGet, c.base, nil, &list); err != nil {
		return nil, fmt.Errorf("list revisions: %w", err)
	}
	return list.Items, nil
}

// Annotate merges annotations into a Revision's; nil removes one (RFC 7386).
func (c *Cluster) Annotate(ctx context.Context, name string, annotations map[string]*string) error {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": annotations}})
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPatch, c.base+"/"+url.PathEscape(name), patch, nil)
}

func (c *Cluster) call(ctx context.Context, method, address string, body []byte, into any) error {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	response, err := c.client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode/100 != 2 {
		var status struct {
			Message string `json:"message"`
		}
		_ = json.Unmarshal(answer, &status) // without a message the status has to do
		return fmt.Errorf("API server: %s: %s", response.Status, status.Message)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

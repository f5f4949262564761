package image_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/opitios-ai/alpaca-knative/knative/image"
)

// fetch pulls one thing from the registry and checks its digest, as ko does.
func fetch(t *testing.T, base http.Handler, path string) []byte {
	t.Helper()
	answer := httptest.NewRecorder()
	base.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody))
	sum := sha256.Sum256(answer.Body.Bytes())
	if answer.Code != http.StatusOK || answer.Header().Get("Docker-Content-Digest") != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Fatalf("%s: %d %v", path, answer.Code, answer.Header())
	}
	return answer.Body.Bytes()
}

func TestBaseCanBePulled(t *testing.T) {
	t.Parallel()
	base, err := image.New("amd64")
	if err != nil {
		t.Fatal(err)
	}
	type reference struct{ Digest string }
	var manifest struct {
		Config reference
		Layers []reference
	}
	if err := json.Unmarshal(fetch(t, base, "/v2/base/manifests/1"), &manifest); err != nil || len(manifest.Layers) != 1 {
		t.Fatalf("%+v, %v", manifest, err)
	}
	var config struct {
		Config struct{ User string } `json:"config"`
		Rootfs struct {
			Diffs []string `json:"diff_ids"`
		} `json:"rootfs"`
	}
	if err := json.Unmarshal(fetch(t, base, "/v2/base/blobs/"+manifest.Config.Digest), &config); err != nil || config.Config.User != image.User {
		t.Fatalf("%+v, %v", config, err)
	}
	unpacked, err := gzip.NewReader(bytes.NewReader(fetch(t, base, "/v2/base/blobs/"+manifest.Layers[0].Digest)))
	if err != nil {
		t.Fatal(err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(content); config.Rootfs.Diffs[0] != "sha256:"+hex.EncodeToString(sum[:]) {
		t.Errorf("the layer is not what the configuration says")
	}
	found := map[string]int64{}
	for files := tar.NewReader(bytes.NewReader(content)); ; {
		header, err := files.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = header.Mode
	}
	if found["tmp/"] != 0o1777 || found["etc/ssl/certs/ca-certificates.crt"] == 0 || found["etc/passwd"] == 0 {
		t.Errorf("it holds %v", found)
	}
}

func TestBaseTakesNothing(t *testing.T) {
	t.Parallel()
	base, err := image.New("amd64")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{http.MethodGet, "/v2/", http.StatusOK},
		{http.MethodPost, "/v2/base/blobs/uploads/", http.StatusMethodNotAllowed},
		{http.MethodGet, "/v2/base/blobs/sha256:0", http.StatusNotFound},
		{http.MethodGet, "/", http.StatusNotFound},
	} {
		answer := httptest.NewRecorder()
		base.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), test.method, test.path, http.NoBody))
		if answer.Code != test.status {
			t.Errorf("%s %s: %d, want %d", test.method, test.path, answer.Code, test.status)
		}
	}
}

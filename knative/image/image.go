// Package image is a base image for ko where no registry can be reached: a user, the certificate authorities of this
// machine, a folder for temporary files, and nothing that could be run.
package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// User is the number of the user that images run as: what runAsNonRoot wants is a number.
const User = "65532"

// The media types of the OCI image specification.
const (
	typeManifest = "application/vnd.oci.image.manifest.v1+json"
	typeConfig   = "application/vnd.oci.image.config.v1+json"
	typeLayer    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// Base is an image in memory. It is an http.Handler: a registry that has this one image under every name and tag, and
// takes none.
type Base struct {
	manifest []byte
	blobs    map[string][]byte // by digest
}

var _ http.Handler = (*Base)(nil)

var errAuthorities = errors.New("no certificate authorities on this machine: install ca-certificates, or set SSL_CERT_FILE")

// authorities returns the machine's certificate authorities, as one PEM file.
func authorities() ([]byte, error) {
	for _, name := range []string{
		os.Getenv("SSL_CERT_FILE"), "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem",
	} {
		if content, err := os.ReadFile(name); err == nil { //nolint:gosec // whoever sets the variable reads the file as well
			return content, nil
		}
	}
	return nil, errAuthorities
}

// New makes the image for linux on architecture, for example amd64. The same machine makes the same bytes every time.
func New(architecture string) (*Base, error) {
	roots, err := authorities()
	if err != nil {
		return nil, err
	}
	layer, content, err := layerOf(roots)
	if err != nil {
		return nil, err
	}
	b := &Base{blobs: make(map[string][]byte)}
	config, err := json.Marshal(map[string]any{
		"architecture": architecture, "os": "linux", "created": "1970-01-01T00:00:00Z",
		"config": map[string]any{"User": User, "Env": []string{"PATH=/usr/local/bin:/usr/bin:/bin"}, "WorkingDir": "/"},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(content)}},
	})
	if err != nil {
		return nil, err
	}
	describe := func(mediaType string, blob []byte) map[string]any {
		b.blobs[digest(blob)] = blob
		return map[string]any{"mediaType": mediaType, "digest": digest(blob), "size": len(blob)}
	}
	b.manifest, err = json.Marshal(map[string]any{
		"schemaVersion": 2, "mediaType": typeManifest, "config": describe(typeConfig, config), "layers": []any{describe(typeLayer, layer)},
	})
	return b, err
}

// layerOf returns the layer, compressed and not.
func layerOf(roots []byte) (compressed, content []byte, err error) {
	var plain bytes.Buffer
	writer := tar.NewWriter(&plain)
	entries := []struct {
		name    string
		mode    int64
		content []byte
	}{
		{"etc/", 0o755, nil},
		{"etc/passwd", 0o644, []byte("nonroot:x:" + User + ":" + User + ":nonroot:/:/sbin/nologin\n")},
		{"etc/group", 0o644, []byte("nonroot:x:" + User + ":\n")},
		{"etc/ssl/", 0o755, nil},
		{"etc/ssl/certs/", 0o755, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, roots},
		{"tmp/", 0o1777, nil},
	}
	for _, e := range entries {
		header := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.content)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
		if strings.HasSuffix(e.name, "/") {
			header.Typeflag = tar.TypeDir
		}
		if err := writer.WriteHeader(header); err != nil {
			return nil, nil, err
		}
		if _, err := writer.Write(e.content); err != nil {
			return nil, nil, err
		}
	}
	if err := writer.Close(); err != nil {
		return nil, nil, err
	}
	var packed bytes.Buffer
	zip := gzip.NewWriter(&packed)
	if _, err := zip.Write(plain.Bytes()); err != nil {
		return nil, nil, err
	}
	if err := zip.Close(); err != nil {
		return nil, nil, err
	}
	return packed.Bytes(), plain.Bytes(), nil
}

func digest(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ServeHTTP answers as a registry of the OCI distribution specification does to a pull.
func (b *Base) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	last := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		w.WriteHeader(http.StatusMethodNotAllowed)
	case strings.Contains(r.URL.Path, "/manifests/"):
		w.Header().Set("Content-Type", typeManifest)
		b.write(w, b.manifest)
	case strings.Contains(r.URL.Path, "/blobs/") && b.blobs[last] != nil:
		w.Header().Set("Content-Type", "application/octet-stream")
		b.write(w, b.blobs[last])
	case r.URL.Path == "/v2/":
		w.WriteHeader(http.StatusOK)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func (b *Base) write(w http.ResponseWriter, content []byte) {
	w.Header().Set("Docker-Content-Digest", digest(content))
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	_, _ = w.Write(content) // the client is gone if this fails; to HEAD nothing is sent
}

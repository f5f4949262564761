package lab

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// image is a container image of one layer on nothing.
type image struct {
	// name is its reference, for example dev.local/pause:1.
	name string
	// files are what it holds: path in the image to path on this machine.
	files map[string]string
	// entrypoint and environment are its configuration. The user is always 65532: Knative sets runAsNonRoot, which
	// needs a number.
	entrypoint  []string
	environment []string
}

// write writes the image as a docker-archive, as `ctr images import` takes it.
func (i image) write(file string) error {
	layer, digest, err := i.layer()
	if err != nil {
		return err
	}
	config, err := json.Marshal(map[string]any{
		"architecture": "amd64", "os": "linux", "created": "1970-01-01T00:00:00Z",
		"config": map[string]any{
			"User": "65532", "Entrypoint": i.entrypoint, "WorkingDir": "/",
			"Env": append([]string{"PATH=/usr/local/bin:/usr/bin:/bin"}, i.environment...),
		},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest}},
	})
	if err != nil {
		return err
	}
	sum := sha256.Sum256(config)
	configName := hex.EncodeToString(sum[:]) + ".json"
	manifest, err := json.Marshal([]any{map[string]any{
		"Config": configName, "RepoTags": []string{i.name}, "Layers": []string{digest + "/layer.tar"},
	}})
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	for _, part := range []struct {
		name    string
		content []byte
	}{{configName, config}, {digest + "/layer.tar", layer}, {"manifest.json", manifest}} {
		if err := addFile(writer, part.name, 0o644, part.content); err != nil {
			return err
		}
	}
	if err := writer.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, archive.Bytes(), 0o644)
}

func (i image) layer() (content []byte, digest string, err error) {
	var layer bytes.Buffer
	hash := sha256.New()
	writer := tar.NewWriter(io.MultiWriter(&layer, hash))
	made := map[string]bool{}
	if err := addFolders(writer, made, "tmp", 0o1777); err != nil {
		return nil, "", err
	}
	for _, name := range slices.Sorted(maps.Keys(i.files)) {
		source := i.files[name]
		content, err := os.ReadFile(source)
		if err != nil {
			return nil, "", err
		}
		name = strings.TrimPrefix(name, "/")
		if err := addFolders(writer, made, path.Dir(name), 0o755); err != nil {
			return nil, "", err
		}
		if err := addFile(writer, name, 0o755, content); err != nil {
			return nil, "", err
		}
	}
	passwd := []byte("nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")
	if err := addFolders(writer, made, "etc", 0o755); err != nil {
		return nil, "", err
	}
	if err := addFile(writer, "etc/passwd", 0o644, passwd); err != nil {
		return nil, "", err
	}
	if err := writer.Close(); err != nil {
		return nil, "", err
	}
	return layer.Bytes(), hex.EncodeToString(hash.Sum(nil)), nil
}

func addFolders(writer *tar.Writer, made map[string]bool, folder string, mode int64) error {
	if folder == "." || folder == "/" || made[folder] {
		return nil
	}
	if err := addFolders(writer, made, path.Dir(folder), 0o755); err != nil {
		return err
	}
	made[folder] = true
	return writer.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder + "/", Mode: mode, ModTime: time.Unix(0, 0)})
}

func addFile(writer *tar.Writer, name string, mode int64, content []byte) error {
	header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, Size: int64(len(content)), ModTime: time.Unix(0, 0)}
	if err := writer.WriteHeader(header); err != nil {
		return err
	}
	_, err := writer.Write(content)
	return err
}

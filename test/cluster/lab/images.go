package lab

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// images are those of the cluster itself; the product's come with `make deploy`.
func (l *Lab) images(ctx context.Context) ([]image, error) {
	one := func(name, binary string, arguments ...string) image {
		return image{
			name: "dev.local/" + name + ":1", files: map[string]string{"/ko-app/" + filepath.Base(binary): binary},
			entrypoint:  append([]string{"/ko-app/" + filepath.Base(binary)}, arguments...),
			environment: []string{"KO_DATA_PATH=/var/run/ko"},
		}
	}
	root, err := run(ctx, "go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	zones := filepath.Join(strings.TrimSpace(root), "lib", "time", "zoneinfo.zip")
	all := []image{
		one("pause", l.bin("pause")),
		one("coredns", l.bin("coredns"), "-conf", "/etc/coredns/Corefile"),
		one("traefik", l.bin("traefik")),
	}
	for _, group := range []string{"serving", "eventing"} {
		entries, err := os.ReadDir(l.bin(group))
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			i := one(knativeImage(group, entry.Name()), l.bin(group+"/"+entry.Name()))
			// PingSources have time zones, and these images no zone database: Go's own takes its place.
			i.files["/zoneinfo.zip"] = zones
			i.environment = append(i.environment, "ZONEINFO=/zoneinfo.zip")
			all = append(all, i)
		}
	}
	redis, err := redisImage(ctx)
	return append(all, redis), err
}

// knativeImage is the name of the image of one of Knative's programs.
func knativeImage(group, name string) string {
	return "knative-" + group + "-" + strings.ReplaceAll(name, "_", "-")
}

// redisImage is the machine's own redis-server with the libraries that it names, called as the public image is that
// knative/components/redis names: an overlay is the same with and without a registry.
func redisImage(ctx context.Context) (image, error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return image{}, err
	}
	linked, err := run(ctx, "ldd", program)
	if err != nil {
		return image{}, err
	}
	files := map[string]string{"/usr/bin/redis-server": program}
	for line := range strings.Lines(linked) {
		for field := range strings.FieldsSeq(line) {
			if strings.HasPrefix(field, "/") {
				files[field] = field
			}
		}
	}
	return image{name: "docker.io/library/redis:7", files: files, entrypoint: []string{"/usr/bin/redis-server"}}, nil
}

// writeImages makes the tar files of the images.
func (l *Lab) writeImages(ctx context.Context) error {
	all, err := l.images(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.path("images"), 0o755); err != nil {
		return err
	}
	for _, i := range all {
		if err := i.write(l.path("images", fileOf(i.name))); err != nil {
			return fmt.Errorf("image %s: %w", i.name, err)
		}
	}
	return nil
}

// fileOf is the tar file of dev.local/pause:1: pause.tar.
func fileOf(name string) string {
	name, _, _ = strings.Cut(filepath.Base(name), ":")
	return name + ".tar"
}

// Import gives an image archive to the node, unless it has the same one already.
func (l *Lab) Import(ctx context.Context, archive string) error {
	content, err := os.ReadFile(archive)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(content)
	// Within containerd's own folder: it goes when the images go.
	marker := l.path("containerd", "imported-"+hex.EncodeToString(sum[:16]))
	if _, err := os.Stat(marker); err == nil {
		return nil
	}
	if _, err := run(ctx, "ctr", "--address", l.containerdSocket(), "-n", "k8s.io", "images", "import", archive); err != nil {
		return err
	}
	return os.WriteFile(marker, []byte(archive), 0o644)
}

func (l *Lab) importImages(ctx context.Context) error {
	archives, err := filepath.Glob(l.path("images", "*.tar"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		if err := l.Import(ctx, archive); err != nil {
			return err
		}
	}
	return nil
}

// Tag gives an image of the node a second name.
func (l *Lab) Tag(ctx context.Context, from, to string) error {
	_, err := run(ctx, "ctr", "--address", l.containerdSocket(), "-n", "k8s.io", "images", "tag", "--force", from, to)
	return err
}

// ImportProgram makes an image of one static program, gives it to the node and returns its name.
func (l *Lab) ImportProgram(ctx context.Context, name, binary string) (string, error) {
	i := image{
		name: "dev.local/" + name + ":1", files: map[string]string{"/ko-app/" + name: binary}, entrypoint: []string{"/ko-app/" + name},
	}
	archive := l.path("images", fileOf(i.name))
	if err := i.write(archive); err != nil {
		return "", err
	}
	return i.name, l.Import(ctx, archive)
}

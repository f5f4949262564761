package lab

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// legoVersion is what Traefik's go.mod asks for.
const legoVersion = "github.com/go-acme/lego/v5@v5.4.1"

// trimLego copies lego, Traefik's ACME client, without its 180 DNS providers: some of their modules can't be had, and
// the cluster asks for no certificate. Its go.mod and the stub of the providers come from build/traefik/lego.
func (l *Lab) trimLego(ctx context.Context) error {
	target := l.path("source", "traefik", "lego")
	complete := filepath.Join(target, ".complete")
	if _, err := os.Stat(complete); err == nil {
		return nil
	}
	source, err := l.downloadTool(ctx, legoVersion)
	if err != nil {
		return err
	}
	kept := []string{"acme", "certcrypto", "certificate", "challenge", "internal", "log", "platform", "registration", "lego"}
	dropped := []string{"internal/generators", "internal/tester", "internal/dotenv"}
	err = filepath.WalkDir(source, func(name string, entry os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		below, err := filepath.Rel(source, name)
		if err != nil {
			return err
		}
		top, _, _ := strings.Cut(below, "/")
		switch {
		case entry.IsDir() && (slices.Contains(dropped, below) || (below != "." && !slices.Contains(kept, top))):
			return filepath.SkipDir
		case entry.IsDir(), !slices.Contains(kept, top), strings.HasSuffix(name, "_test.go"):
			return nil
		}
		content, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(target, below)), 0o755); err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(target, below), content, 0o644)
	})
	if err != nil {
		return err
	}
	return os.WriteFile(complete, nil, 0o644)
}

// downloadTool fetches a module that no go.mod of ours names, and returns its folder.
func (l *Lab) downloadTool(ctx context.Context, module string) (string, error) {
	return l.moduleFolder(ctx, "pause", module)
}

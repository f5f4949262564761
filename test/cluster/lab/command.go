package lab

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// run runs a program and returns its output; the error holds what it said.
func run(ctx context.Context, name string, arguments ...string) (string, error) {
	return runWith(ctx, command{name: name, arguments: arguments})
}

// command is one program to run to its end.
type command struct {
	name      string
	arguments []string
	folder    string
	// environment is added to the process's own.
	environment []string
	input       []byte
}

func runWith(ctx context.Context, c command) (string, error) {
	cmd := exec.CommandContext(ctx, c.name, c.arguments...)
	cmd.Dir = c.folder
	cmd.Env = append(os.Environ(), c.environment...)
	cmd.Stdin = bytes.NewReader(c.input)
	var out, failed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &failed
	if err := cmd.Run(); err != nil {
		said := strings.TrimSpace(failed.String())
		if said == "" {
			said = strings.TrimSpace(out.String())
		}
		if len(said) > maxSaid {
			said = "... " + said[len(said)-maxSaid:]
		}
		return out.String(), fmt.Errorf("%s %s: %w: %s", c.name, strings.Join(c.arguments, " "), err, said)
	}
	return out.String(), nil
}

// maxSaid is how much of a failed program's words an error repeats.
const maxSaid = 4000

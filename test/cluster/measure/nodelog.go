package measure

import (
	"bufio"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"
)

// nodeLog is containerd's log from a moment on.
type nodeLog struct {
	path string
	from int64
}

// openLog remembers where the log ends now.
func openLog(path string) (nodeLog, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nodeLog{}, fmt.Errorf("containerd's log: %w", err)
	}
	return nodeLog{path: path, from: info.Size()}, nil
}

var (
	logTime     = regexp.MustCompile(`^time="([^"]+)"`)
	logSandbox  = regexp.MustCompile(`RunPodSandbox for &PodSandboxMetadata\{Name:([^,]+),.*returns sandbox id \\"(\w+)`)
	logBegun    = regexp.MustCompile(`RunPodSandbox for &PodSandboxMetadata\{Name:([^,]+),[^}]*\}"`)
	logCreated  = regexp.MustCompile(`CreateContainer within sandbox \\"(\w+)\\" for &ContainerMetadata.*returns container id \\"(\w+)`)
	logStarting = regexp.MustCompile(`StartContainer for \\"(\w+)\\" returns successfully`)
)

// stages adds to seen what the log says of a pod: its sandbox begun and up, and the last of its containers running.
func (l nodeLog) stages(pod string, seen map[string]time.Time) error {
	file, err := os.Open(l.path)
	if err != nil {
		return fmt.Errorf("containerd's log: %w", err)
	}
	defer func() { _ = file.Close() }() // read only
	if _, err := file.Seek(l.from, 0); err != nil {
		return fmt.Errorf("containerd's log: %w", err)
	}
	sandbox, containers := "", map[string]bool{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		found := logTime.FindStringSubmatch(line)
		if found == nil || !strings.Contains(line, "Sandbox") && !strings.Contains(line, "Container") {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, found[1])
		if err != nil {
			return fmt.Errorf("containerd's log: %w", err)
		}
		if m := logSandbox.FindStringSubmatch(line); m != nil && m[1] == pod {
			sandbox, seen["sandbox"] = m[2], at
		} else if m := logBegun.FindStringSubmatch(line); m != nil && m[1] == pod {
			seen["begun"] = at
		} else if m := logCreated.FindStringSubmatch(line); m != nil && m[1] == sandbox {
			containers[m[2]] = true
		} else if m := logStarting.FindStringSubmatch(line); m != nil && containers[m[1]] {
			seen["running"] = at
		}
	}
	return lines.Err()
}

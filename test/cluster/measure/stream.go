package measure

import (
	"context"
	"os/exec"
	"time"
)

// stream runs kubectl until ctx ends and hands over every object that it prints; ready is closed when it runs.
func (b *Bench) stream(ctx context.Context, ready chan<- struct{}, each func(string), arguments ...string) {
	all := append(append([]string{}, b.Kubectl[1:]...), "-n", Namespace)
	cmd := exec.CommandContext(ctx, b.Kubectl[0], append(all, arguments...)...)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		close(ready)
		return
	}
	time.AfterFunc(1500*time.Millisecond, func() { close(ready) }) // kubectl says nothing when its watch begins
	rest, buffer := "", make([]byte, 64<<10)
	for {
		n, err := out.Read(buffer)
		rest = documents(rest+string(buffer[:n]), each)
		if err != nil {
			break
		}
	}
	_ = cmd.Wait() // it was killed
}

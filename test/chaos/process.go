package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// process is one program that can be killed, paused and started again at its address.
type process struct {
	name      string
	program   string
	arguments []string
	env       map[string]string
	port      int
	folder    string

	starting sync.Mutex // one start at a time: two attacks may end together

	mu      sync.Mutex
	command *exec.Cmd
	log     *os.File
	done    chan struct{}
}

func (p *process) url() string { return "http://127.0.0.1:" + strconv.Itoa(p.port) }

// start runs the program; it does not wait until it answers.
func (p *process) start() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.log == nil {
		log, err := os.Create(filepath.Join(p.folder, p.name+".log"))
		if err != nil {
			return err
		}
		p.log = log
	}
	command := exec.Command(p.program, p.arguments...)
	command.Env = []string{"PATH=" + os.Getenv("PATH"), "PORT=" + strconv.Itoa(p.port)}
	for name, value := range p.env {
		command.Env = append(command.Env, name+"="+value)
	}
	command.Stdout, command.Stderr = p.log, p.log
	command.SysProcAttr = withParent()
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	done := make(chan struct{})
	go func() {
		_ = command.Wait() // most of them are killed
		close(done)
	}()
	p.command, p.done = command, done
	return nil
}

// signal sends a signal and reports whether the program was running.
func (p *process) signal(signal syscall.Signal) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.command != nil && p.command.Process.Signal(signal) == nil
}

// kill is a crash; it returns when the process is gone.
func (p *process) kill() {
	p.signal(syscall.SIGKILL)
	<-p.ended()
}

// stop is a rollout: SIGTERM, and SIGKILL for what does not end in time.
func (p *process) stop() error {
	p.signal(syscall.SIGCONT)
	if !p.signal(syscall.SIGTERM) {
		return nil
	}
	select {
	case <-p.ended():
		return nil
	case <-time.After(15 * time.Second):
		p.kill()
		return fmt.Errorf("%s did not end within 15 s", p.name)
	}
}

func (p *process) ended() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done
}

// restart starts the program when it is not running.
func (p *process) restart() error {
	p.starting.Lock()
	defer p.starting.Unlock()
	select {
	case <-p.ended():
		return p.start()
	default:
		return nil
	}
}

// await returns when the path answers 200.
func await(ctx context.Context, what, url string) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err == nil {
			_ = answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return nil
			}
		}
		if err := pause(ctx, 20*time.Millisecond); err != nil {
			return fmt.Errorf("%s does not answer: %w", what, err)
		}
	}
}

// pause waits, and returns why it was cut short.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// freePort is one that nobody has now. The programs need theirs before they run, to come back at the same address.
func freePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer listener.Close()
	address, ok := listener.Addr().(*net.TCPAddr)
	if !ok {
		return 0, errors.New("no TCP address")
	}
	return address.Port, nil
}

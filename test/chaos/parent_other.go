//go:build !linux

package main

import "syscall"

// withParent has no equivalent here: a run that is killed leaves its programs.
func withParent() *syscall.SysProcAttr { return nil }

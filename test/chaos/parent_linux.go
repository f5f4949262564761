package main

import "syscall"

// withParent ends a program with the one that started it, also when that is killed.
func withParent() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

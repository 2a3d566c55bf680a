//go:build !linux

package kernel

import "os/exec"

func runMortal(cmd *exec.Cmd) error { return cmd.Run() }

func lock(string) (func(), error) { return func() {}, nil }

//go:build !linux

package cost

import "os/exec"

func mortal(*exec.Cmd) {}

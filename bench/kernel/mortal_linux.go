package kernel

import (
	"os/exec"
	"runtime"
	"syscall"
)

// runMortal runs a command that dies with this process: more precisely, with the thread
// that starts it. Ctrl-C does not reach the command; this process decides what ends then.
func runMortal(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

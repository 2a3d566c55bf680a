package kernel

import (
	"os/exec"
	"runtime"
	"syscall"
)

// mortal makes a process die with the thread that starts it. Ctrl-C does not reach the
// process: this one decides what ends then.
func mortal(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// runMortal runs a command that dies with this process.
func runMortal(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	mortal(cmd)
	return cmd.Run()
}

package cost

import (
	"os/exec"
	"syscall"
)

// mortal makes cmd die with the thread that starts it.
func mortal(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

//go:build amd64 || arm64

package guard

import (
	"debug/elf"
	"encoding/binary"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// restoreSignals makes this thread ignore and block the signals that were ignored and
// blocked when the program started. The Go runtime handles all signals, and execve
// resets handled signals to their default, though systemd, for instance, had ignored
// SIGPIPE. The runtime keeps the former state in two unexported variables, which
// restoreSignals finds by the symbol table; without a symbol table it restores nothing.
func restoreSignals() {
	program, err := elf.Open("/proc/self/exe")
	if err != nil {
		return
	}
	defer program.Close()
	memory, err := os.Open("/proc/self/mem")
	if err != nil || program.Type != elf.ET_EXEC {
		return
	}
	defer memory.Close()
	symbols, _ := program.Symbols()
	var handlers [65]uint64 // by signal
	var blocked unix.Sigset_t
	known := false
	for _, s := range symbols {
		value := io.NewSectionReader(memory, int64(s.Value), int64(s.Size))
		switch {
		case s.Name == "runtime.fwdSig" && int(s.Size) == binary.Size(handlers):
			binary.Read(value, binary.NativeEndian, &handlers)
		case s.Name == "runtime.initSigmask" && s.Size == 8:
			known = binary.Read(value, binary.NativeEndian, &blocked.Val[0]) == nil
		}
	}
	const ignored = 1 // SIG_IGN
	for sig, handler := range handlers {
		if handler == ignored {
			signal.Ignore(syscall.Signal(sig))
		}
	}
	if known {
		unix.PthreadSigmask(unix.SIG_SETMASK, &blocked, nil)
	}
}

//go:build amd64 || arm64

package guard

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// restoreSignals has this thread ignore and block the signals that it was
// started with ignored or blocked. The Go runtime handles all signals from the
// start on, and execve makes those default, where systemd for instance had
// SIGPIPE ignored. What they were the runtime keeps in two variables without
// names outside of it: they are found by this program's symbol table. Without
// one nothing is restored.
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
	var before [65]uint64 // handlers, by signal
	var blocked *unix.Sigset_t
	for _, s := range symbols {
		b := make([]byte, s.Size)
		switch {
		case s.Name == "runtime.fwdSig" && int(s.Size) == binary.Size(before):
			if _, err := memory.ReadAt(b, int64(s.Value)); err == nil {
				binary.Decode(b, binary.NativeEndian, &before)
			}
		case s.Name == "runtime.initSigmask" && s.Size == 8:
			if _, err := memory.ReadAt(b, int64(s.Value)); err == nil {
				blocked = new(unix.Sigset_t)
				blocked.Val[0] = binary.NativeEndian.Uint64(b)
			}
		}
	}
	const ignored = 1 // SIG_IGN
	for sig, handler := range before {
		if handler == ignored {
			signal.Ignore(syscall.Signal(sig))
		}
	}
	if blocked != nil {
		unix.PthreadSigmask(unix.SIG_SETMASK, blocked, nil)
	}
}

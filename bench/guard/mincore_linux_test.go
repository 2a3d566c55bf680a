package guard

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mincore tells of each page of memory whether it is resident.
func mincore(t *testing.T, memory []byte) []byte {
	t.Helper()
	pages := make([]byte, (len(memory)+4095)/4096)
	if _, _, errno := unix.Syscall(unix.SYS_MINCORE, uintptr(unsafe.Pointer(&memory[0])), uintptr(len(memory)), uintptr(unsafe.Pointer(&pages[0]))); errno != 0 {
		t.Fatal(errno)
	}
	return pages
}

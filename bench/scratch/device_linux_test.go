package scratch

import (
	"os"
	"strings"
	"testing"

	"stablepages/bench/testenv"
)

// A block device that takes no write is refused, and the error says why.
func TestDevicesThatTakeNoWriteAreRefused(t *testing.T) {
	readOnly := testenv.LoopDevice(t, 1<<20, "--read-only")
	if _, err := Open(readOnly, true, false); err == nil || !strings.Contains(err.Error(), "is read-only: nothing was written") {
		t.Errorf("read-only: %v", err)
	}
	// A detached loop device has no bytes. This one is a file that stands for it.
	empty, err := os.Create(t.TempDir() + "/empty")
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if err := HasMedia(empty); err == nil || !strings.Contains(err.Error(), "no disk or file is attached") {
		t.Errorf("no bytes: %v", err)
	}
	if f, err := Open(testenv.LoopDevice(t, 1<<20), true, false); err != nil {
		t.Error(err)
	} else {
		f.Close()
	}
}

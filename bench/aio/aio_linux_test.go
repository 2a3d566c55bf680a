package aio

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
	"stablepages/stablewrite"
)

func TestAWriteLandsAndAFailedOneSaysWhy(t *testing.T) {
	f, err := os.OpenFile(filepath.Join(testenv.DirectDir(t), "f"), os.O_RDWR|os.O_CREATE|unix.O_DIRECT, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p := stablewrite.AlignedBuffer(8192)
	for i := range 3 { // a Context serves one write after the other
		p[5000] = byte(i + 1)
		if err := c.Submit(f, p, 4096); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Reap(); n != len(p) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
		got := stablewrite.AlignedBuffer(8192)
		if _, err := f.ReadAt(got, 4096); err != nil || !bytes.Equal(got, p) {
			t.Errorf("the file does not hold what was written: %v", err)
		}
	}
	fails := func(p []byte, off int64, want error) {
		t.Helper()
		err := c.Submit(f, p, off)
		if err == nil {
			_, err = c.Reap()
		}
		if err != want {
			t.Errorf("%v, want %v", err, want)
		}
	}
	fails(p[:4096], 1, unix.EINVAL) // not aligned
	fails(p[:4096], 0, nil)         // nothing of that is left
}

// A descriptor of any process shows whether it has O_DIRECT.
func TestDirectnessOfAnyDescriptorIsKnown(t *testing.T) {
	name := filepath.Join(testenv.DirectDir(t), "f")
	for _, flag := range []int{0, unix.O_DIRECT} {
		f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|flag, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if got, want := DirectIn(fmt.Sprintf("/proc/self/fdinfo/%d", f.Fd())), flag != 0; got != want || Direct(f) != want {
			t.Errorf("flags %#o: by fdinfo %v, by the descriptor %v", flag, got, Direct(f))
		}
	}
	if DirectIn("/proc/self/fdinfo/none") {
		t.Error("no descriptor has O_DIRECT")
	}
}

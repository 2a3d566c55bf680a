package stablewrite

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
)

// Close gives back the lock of Options.Lock, though another File on the same file
// stays open.
func TestCloseGivesTheLockBack(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	name := filepath.Join(testenv.DirectDir(t), "f")
	if err := os.WriteFile(name, make([]byte, kib4), 0o600); err != nil {
		t.Fatal(err)
	}
	a, err := Open(name, Options{Lock: true})
	if err != nil {
		t.Fatal(err)
	}
	b, err := Open(name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	opened := make(chan *File, 1)
	go func() {
		c, err := Open(name, Options{Lock: true})
		if err != nil {
			t.Error(err)
		}
		opened <- c
	}()
	select {
	case c := <-opened:
		c.Close()
	case <-time.After(time.Second):
		t.Error("the lock is held by a File that was closed")
		b.Close()
		(<-opened).Close()
		return
	}
	b.Close()
}

// A File that was dropped gives the lock back, too.
func TestADroppedFileGivesTheLockBack(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	name := filepath.Join(testenv.DirectDir(t), "f")
	if err := os.WriteFile(name, make([]byte, kib4), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(name, Options{Lock: true}); err != nil {
		t.Fatal(err)
	}
	b, err := Open(name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	other, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	for range 50 {
		runtime.GC()
		if err = unix.Flock(int(other.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("the lock of a dropped File: %v", err)
}

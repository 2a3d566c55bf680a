package stablewrite

import (
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// flushing is a disk whose Sync a test replaces.
type flushing struct {
	*disk
	calls atomic.Int32
	flush func(call int32) error
}

func (d *flushing) Sync() error { return d.flush(d.calls.Add(1)) }

// The kernel reports a failed flush once. The next Sync, however soon after it, returns
// the error, too, though its own flush succeeded.
func TestASyncRightAfterOneThatFailedFails(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	d := &flushing{disk: newDisk(kib4)}
	failing, over := make(chan struct{}), make(chan struct{})
	d.flush = func(call int32) error {
		if call == 1 {
			close(failing)
			<-over
			return syscall.EIO
		}
		return nil
	}
	a, err := NewDevice(d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewDevice(d, Options{})
	if err != nil {
		t.Fatal(err)
	}
	first := make(chan error, 1)
	go func() {
		first <- a.target.sync(func(err error) error {
			time.Sleep(20 * time.Millisecond) // as if the scheduler took the goroutine away here
			return err
		})
	}()
	<-failing
	second := make(chan error, 1)
	go func() { second <- b.Sync() }()
	for waits := false; !waits; time.Sleep(time.Millisecond) { // until the second Sync has begun
		waits = b.target.syncs.Load() == 1
	}
	time.Sleep(time.Millisecond)
	close(over)
	for name, c := range map[string]chan error{"the first": first, "the second": second} {
		if err := <-c; !errors.Is(err, syscall.EIO) {
			t.Errorf("%s Sync: %v", name, err)
		}
	}
	for _, f := range []*File{a, b} {
		if err := f.Close(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Close: %v", err)
		}
	}
}

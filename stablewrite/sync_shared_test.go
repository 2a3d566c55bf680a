package stablewrite

import (
	"bytes"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// 32 Syncs at once, of two Files of one Device, need few calls of its Sync.
func TestConcurrentSyncsShareACall(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	d := &flushing{disk: newDisk(kib4)}
	over := make(chan struct{})
	d.flush = func(call int32) error {
		if call == 1 {
			<-over
		}
		return nil
	}
	a, b := fileOn(t, d, Options{}), fileOn(t, d, Options{})
	var all sync.WaitGroup
	for k := range 32 {
		all.Go(func() {
			f := a
			if k%2 == 1 {
				f = b
			}
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
		})
	}
	time.Sleep(50 * time.Millisecond) // for all Syncs to begin
	close(over)
	all.Wait()
	if n := d.calls.Load(); n > 3 {
		t.Errorf("%d calls for 32 Syncs", n)
	}
}

// volatile is a Device whose Sync makes durable what had landed when it began.
type volatile struct {
	*disk
	durable []byte
	began   chan struct{} // receives when the first Sync has begun
	end     chan struct{} // closed to let the first Sync end
	calls   atomic.Int32
}

func (d *volatile) Sync() error {
	d.mu.Lock()
	had := bytes.Clone(d.media)
	d.mu.Unlock()
	if d.calls.Add(1) == 1 {
		d.began <- struct{}{}
		<-d.end
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable = had
	return nil
}

// A Sync that comes while another runs covers a write that returned in between, so it
// does not share the call that runs.
func TestASyncIsNotAnsweredByOneThatBeganBefore(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	d := &volatile{disk: newDisk(kib4), began: make(chan struct{}), end: make(chan struct{})}
	f := fileOn(t, d, Options{})
	first := make(chan error, 1)
	go func() { first <- f.Sync() }()
	<-d.began
	p := filled(kib4, 7)
	if _, err := f.WriteAt(p, 0); err != nil {
		t.Fatal(err)
	}
	const late = 8
	second := make(chan error, late)
	for range late {
		go func() {
			err := f.Sync()
			d.mu.Lock()
			defer d.mu.Unlock()
			if !bytes.Equal(d.durable, p) {
				t.Error("Sync returned, and a write that returned before it began is not durable")
			}
			second <- err
		}()
	}
	time.Sleep(20 * time.Millisecond)
	close(d.end)
	for range late {
		if err := <-second; err != nil {
			t.Error(err)
		}
	}
	if err := <-first; err != nil {
		t.Error(err)
	}
	if n := d.calls.Load(); n > 3 {
		t.Errorf("%d calls", n)
	}
}

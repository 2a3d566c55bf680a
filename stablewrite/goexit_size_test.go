package stablewrite

import (
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// dyingSize is a disk whose Size ends the goroutine, as t.Fatal does.
type dyingSize struct {
	*disk
	die atomic.Bool
}

func (d *dyingSize) Size() (int64, error) {
	if d.die.Load() {
		runtime.Goexit()
	}
	return d.disk.Size()
}

// If Size ends the goroutine, no memory and no range stays held.
func TestASizeThatEndsTheGoroutine(t *testing.T) {
	for name, call := range map[string]func(*File){
		"Do":       func(f *File) { f.Do(&Write{Buf: AlignedBuffer(4 * kib4)}) },
		"Queue":    func(f *File) { q := f.Queue(1); q.Start(&Write{Buf: AlignedBuffer(4 * kib4)}) },
		"Stream":   func(f *File) { s := f.StreamAt(0); s.Write(make([]byte, 8*kib4)) },
		"Truncate": func(f *File) { f.Truncate(0) },
	} {
		d := &dyingSize{disk: newDisk(8 * kib4)}
		f, err := NewDevice(d, Options{Strategy: Bounce, SegmentBytes: kib4, Pool: NewPool(64 << 10)})
		if err != nil {
			t.Fatal(err)
		}
		d.die.Store(true)
		done := make(chan struct{})
		go func() {
			defer close(done)
			call(f)
		}()
		select {
		case <-done:
		case <-time.After(time.Second):
			t.Errorf("%s hangs", name)
			continue
		}
		d.die.Store(false)
		for range 100 { // submissions that were started may still run
			if busyFile(f) {
				time.Sleep(5 * time.Millisecond)
			}
		}
		if busyFile(f) {
			t.Errorf("%s: memory or range leaked", name)
			continue
		}
		closed := make(chan error, 1)
		go func() { closed <- f.Close() }()
		select {
		case <-closed:
		case <-time.After(time.Second):
			t.Errorf("%s: Close hangs", name)
		}
	}
}

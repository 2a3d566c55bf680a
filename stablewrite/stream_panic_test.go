package stablewrite

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// A Device that panics, or ends the goroutine, while a Stream writes a part of a
// unit, or the whole units beside it, leaves a Stream that can be closed, a File that can be
// used, and nothing held.
func TestAStreamCanBeClosedAfterAPanic(t *testing.T) {
	cause := errors.New("device bug")
	for name, die := range map[string]func(){
		"panic":  func() { panic(cause) },
		"Goexit": runtime.Goexit,
	} {
		for _, skip := range []int{0, 100, 512} { // offset of the Stream
			for _, size := range []int{20*kib4 + 7, 3 * kib4, 1000, 100} {
				for _, bad := range []int32{21, 3, 2, 1} {
					defer watch(t.Name(), time.Minute)()
					d := newDisk(64 * kib4)
					var calls atomic.Int32
					d.during = func(p []byte, _ int64) (int, error) {
						if calls.Add(1) == bad {
							die()
						}
						return len(p), nil
					}
					f := d.file(t, Options{SegmentBytes: kib4})
					s := f.StreamAt(int64(skip))
					done := make(chan struct{})
					go func() {
						defer close(done)
						defer func() { recover() }()
						s.Write(make([]byte, size))
						s.Flush()
					}()
					<-done
					done = make(chan struct{})
					go func() {
						defer close(done)
						defer func() {
							if p := recover(); p != nil {
								t.Errorf("%s in call %d of a Stream of %d bytes at %d: Close panics: %v", name, bad, size, skip, p)
							}
						}()
						if err := s.Close(); err == nil && calls.Load() >= bad {
							t.Errorf("%s in call %d of a Stream of %d bytes at %d: Close returned no error", name, bad, size, skip)
						}
					}()
					select {
					case <-done:
					case <-time.After(2 * time.Second):
						t.Fatalf("%s in call %d of a Stream of %d bytes at %d: Close hangs", name, bad, size, skip)
					}
					if busyFile(f) {
						t.Errorf("%s in call %d of a Stream of %d bytes at %d: memory or range leaked", name, bad, size, skip)
					}
					d.during = nil
					if _, err := f.WriteAt(AlignedBuffer(2*kib4), 0); err != nil {
						t.Error(err)
					}
				}
			}
		}
	}
}

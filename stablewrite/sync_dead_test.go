package stablewrite

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// If Sync of the Device panics, or ends the goroutine, all calls that wait for it or come
// after it fail, and none of them hangs.
func TestASyncThatDiesIsOneThatFailed(t *testing.T) {
	for how, die := range map[string]func(){"panic": func() { panic("device bug") }, "Goexit": runtime.Goexit} {
		defer watch(t.Name(), time.Minute)()
		d := &flushing{disk: newDisk(kib4)}
		var in sync.WaitGroup
		in.Add(1)
		d.flush = func(call int32) error {
			if call == 1 {
				in.Wait()
				die()
			}
			return nil
		}
		a, err := NewDevice(d, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		var failed atomic.Int32
		for range 8 {
			all.Go(func() {
				returned := false
				defer func() {
					if recover() != nil || !returned {
						failed.Add(1) // the call that ran Sync of the Device
					}
				}()
				if err := a.Sync(); err != nil {
					failed.Add(1)
				}
				returned = true
			})
		}
		time.Sleep(5 * time.Millisecond)
		in.Done()
		all.Wait()
		if failed.Load() != 8 {
			t.Errorf("%s: %d of 8 Syncs failed", how, failed.Load())
		}
		if a.Sync() == nil || a.Close() == nil {
			t.Errorf("%s: a later Sync or Close returned no error", how)
		}
	}
}

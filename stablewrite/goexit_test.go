package stablewrite

import (
	"errors"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

// A Device panics, or ends the goroutine it is called on, in any submission. Write.Err
// and Stats report it, and Do or Wait panics unless the caller's goroutine was ended.
// The rest of the write has ended, nothing is held, and File, Queue and Write can be
// used.
func TestADeviceThatEndsTheGoroutine(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const blocks = 8
	cause := errors.New("device bug")
	for how, die := range map[string]func(){"panic": func() { panic(cause) }, "Goexit": runtime.Goexit} {
		for _, s := range []Strategy{Verify, Bounce, Raw} {
			for _, segment := range []int{kib4, 0} {
				for bad := int32(1); bad <= 10; bad++ {
					for _, sized := range []bool{true, false} {
						for what, write := range map[string]func(*File, *Queue, *Write){
							"Do":    func(f *File, _ *Queue, w *Write) { f.Do(w) },
							"Queue": func(_ *File, q *Queue, w *Write) { starts(t, q, w); q.Wait() },
						} {
							d, buf := newDisk(blocks*kib4), random(uint64(bad), blocks*kib4)
							var calls, flying atomic.Int32
							d.during = func(p []byte, _ int64) (int, error) {
								flying.Add(1)
								defer flying.Add(-1)
								if calls.Add(1) == bad {
									die()
								}
								if s == Verify && within(p, buf) {
									time.Sleep(50 * time.Microsecond)
									p[0]++
								}
								return len(p), nil
							}
							dev := Device(d)
							if !sized {
								dev = struct{ Device }{d}
							}
							f := fileOn(t, dev, Options{Strategy: s, SegmentBytes: segment, Pool: NewPool(32 << 10)})
							q, w := f.Queue(2), &Write{Buf: buf}
							done := make(chan any)
							go func() {
								defer func() { done <- recover() }()
								write(f, q, w)
							}()
							var got any
							select {
							case got = <-done:
							case <-time.After(10 * time.Second):
								t.Fatalf("%s in call %d, %v, %s, segments of %d, sized %v: hangs", how, bad, s, what, segment, sized)
							}
							ended := calls.Load() >= bad
							e := (*PanicError)(nil)
							if errors.As(w.Err, &e) != ended {
								t.Errorf("%s in call %d of %d, %v, %s: w.Err = %v", how, bad, calls.Load(), s, what, w.Err)
							}
							if ended && e != nil && (how == "Goexit") != (e.Value == nil) {
								t.Errorf("%s: %v", how, e.Value)
							}
							if own := how == "Goexit" && what == "Do"; ended && !own && got != e {
								t.Errorf("%s in call %d, %v, %s: recovered %v", how, bad, s, what, got)
							}
							if st := f.Stats(); st.Failed != int64(b2i(ended)) || st.Writes != int64(b2i(!ended)) {
								t.Errorf("%s in call %d, %v, %s: %+v", how, bad, s, what, st)
							}
							if n := flying.Load(); n > 0 {
								t.Errorf("%s in call %d, %v, %s: %d submissions are in flight still", how, bad, s, what, n)
							}
							if busyFile(f) {
								t.Errorf("%s in call %d, %v, %s: memory or range leaked", how, bad, s, what)
							}
							d.during = nil
							w.Buf = w.Buf[:2*kib4]
							if err := f.Do(w); err != nil {
								t.Error(err)
							}
							starts(t, q, w)
							if q.Wait() != w || w.Err != nil {
								t.Error(w.Err)
							}
							if err := errors.Join(q.Close(), f.Sync(), f.Close()); err != nil {
								t.Error(err)
							}
						}
					}
				}
			}
		}
	}
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Writes that wait for a range go on if the Device ended the goroutine that held it.
func TestWhoWaitsForADeadWriteGoesOn(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	for how, die := range map[string]func(){"panic": func() { panic("device bug") }, "Goexit": runtime.Goexit} {
		d := newDisk(4 * kib4)
		var calls atomic.Int32
		in, out := make(chan struct{}), make(chan struct{})
		d.during = func(p []byte, _ int64) (int, error) {
			if calls.Add(1) == 1 {
				close(in)
				<-out
				die()
			}
			return len(p), nil
		}
		f := d.file(t, Options{Strategy: Bounce, SegmentBytes: kib4})
		go func() {
			defer func() { recover() }()
			f.Do(&Write{Buf: random(1, 4*kib4)})
		}()
		<-in
		q := f.Queue(4)
		for k := range 4 {
			starts(t, q, &Write{Buf: random(1, 2*kib4), Off: int64(k%3) * kib4})
		}
		do := make(chan error, 1)
		go func() { _, err := f.WriteAt(random(2, 4*kib4), 0); do <- err }()
		time.Sleep(time.Millisecond)
		close(out)
		if n := drained(t, q); n != 4 {
			t.Errorf("%s: %d came back", how, n)
		}
		if err := <-do; err != nil {
			t.Errorf("%s: %v", how, err)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: %v", how, err)
		}
	}
}

package stablewrite

import (
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// vanishing is memory of a memfd that vanish takes away: reading it faults then.
type vanishing struct {
	p  []byte
	fd int
}

func newVanishing(t *testing.T, n int) *vanishing {
	t.Helper()
	fd, err := newMemfd(n)
	if err != nil {
		t.Fatal(err)
	}
	p, err := unix.Mmap(fd, 0, n, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(p); unix.Close(fd) })
	return &vanishing{p, fd}
}

// vanish takes away all but the first n bytes.
func (v *vanishing) vanish(n int) { unix.Ftruncate(v.fd, int64(n)) }

// afterwards is a disk that calls then when a submission has landed.
type afterwards struct {
	*disk
	then  func(call int)
	calls int
}

func (d *afterwards) WriteAt(p []byte, off int64) (int, error) {
	n, err := d.disk.WriteAt(p, off)
	d.calls++
	d.then(d.calls)
	return n, err
}

// If memory goes away in flight, the second look or the copy for a resubmission detects
// it: the write fails with EFAULT, all of the segment is spoiled, and nothing is held.
func TestMemoryThatGoesAwayInFlightIsEFAULT(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const blocks, old = 8, 0xabad1dea
	for name, tc := range map[string]struct {
		call    int // submission after which the memory goes away
		change  bool
		left    int // blocks that stay
		segment int
		good    int // bytes, at most
	}{
		"all of it":                    {1, false, 0, 0, 0},
		"its end":                      {1, false, 7, 0, 0},
		"the second segment":           {2, false, 4, 4 * kib4, 4 * kib4},
		"while a piece is resubmitted": {2, true, 0, 0, 0},
		"while the second piece is":    {3, true, 0, 0, 0},
	} {
		for _, s := range []Strategy{Verify, Detect} {
			if tc.change && s == Detect {
				continue
			}
			for how, write := range map[string]func(*File, *Write) error{
				"Do": func(f *File, w *Write) error { return f.Do(w) },
				"Queue": func(f *File, w *Write) error {
					q := f.Queue(1)
					defer q.Close()
					return errors.Join(q.Start(w), q.Wait().Err)
				},
			} {
				v := newVanishing(t, blocks*kib4)
				for i := range v.p {
					v.p[i] = byte(i / kib4)
				}
				d := &afterwards{disk: newDisk(blocks * kib4)}
				d.then = func(call int) {
					for b := range blocks {
						if call == 1 && tc.change {
							v.p[b*kib4]++
						}
					}
					if call == tc.call {
						v.vanish(tc.left * kib4)
					}
				}
				ordered := struct{ Device }{d} // without Size: one segment at a time
				f := fileOn(t, ordered, Options{Strategy: s, SegmentBytes: tc.segment, Pool: NewPool(8192)})
				w := &Write{Buf: v.p, Sums: slices.Repeat([]uint32{old}, blocks)}
				err, e := write(f, w), (*WriteError)(nil)
				if !errors.Is(err, syscall.EFAULT) || !errors.As(err, &e) {
					t.Errorf("%s, %v, %s: %v", name, s, how, err)
					continue
				}
				if e.Good > tc.good || e.Good+e.Spoiled < len(v.p) || w.Receipt.N != e.Good {
					t.Errorf("%s, %v, %s: %+v", name, s, how, e)
				}
				for i, sum := range w.Sums[e.Good/kib4:] {
					if sum != old {
						t.Errorf("%s, %v, %s: the sum of block %d, which is not good, was set", name, s, how, i)
					}
				}
				if busyFile(f) {
					t.Errorf("%s, %v, %s: memory or range leaked", name, s, how)
				}
				d.then = func(int) {}
				if err := f.Do(&Write{Buf: AlignedBuffer(kib4)}); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// The same on a file, where the kernel may fault first. The File can be used afterwards.
func TestMemoryOfAFileThatGoesAwayInFlight(t *testing.T) {
	const size = 1 << 20
	onBothEngines(t, size, func(t *testing.T, name string, o Options) {
		f := opened(t, name, o)
		faults := 0
		for round := range 40 {
			v := newVanishing(t, size)
			q := f.Queue(4)
			w := &Write{Buf: v.p}
			starts(t, q, w)
			time.Sleep(time.Duration(round%8) * 20 * time.Microsecond)
			v.vanish(size / 2)
			q.Wait()
			e := (*WriteError)(nil)
			switch {
			case w.Err == nil:
			case !errors.Is(w.Err, syscall.EFAULT) || !errors.As(w.Err, &e) || e.Good > size/2 || e.Spoiled == 0:
				t.Errorf("round %d: %v", round, w.Err)
			default:
				faults++
			}
			if err := q.Close(); err != nil {
				t.Error(err)
			}
			if busyFile(f) {
				t.Fatalf("round %d: memory or range leaked", round)
			}
		}
		if faults == 0 {
			t.Error("no memory went away in time: the test showed nothing")
		}
		if _, err := f.WriteAt(AlignedBuffer(size), 0); err != nil {
			t.Error(err)
		}
	})
}

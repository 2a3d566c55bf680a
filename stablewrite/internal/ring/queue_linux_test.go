package ring

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

func TestEntriesAreRoundedUp(t *testing.T) {
	for _, tt := range []struct{ asked, want int }{{1, 1}, {2, 2}, {3, 4}, {32, 32}, {100, 128}, {32768, 32768}} {
		t.Run(fmt.Sprint(tt.asked), func(t *testing.T) {
			if got := len(open(t, tt.asked).submissions); got != tt.want {
				t.Errorf("%d entries, want %d", got, tt.want)
			}
		})
	}
}

// submitAndReap submits n operations, at most depth in flight, and requires each
// tag back once.
func submitAndReap(t *testing.T, r *Ring, n, depth int) {
	t.Helper()
	out := map[uint64]bool{}
	for tag := uint64(1); tag <= uint64(n) || len(out) > 0; {
		for ; tag <= uint64(n) && len(out) < depth; tag++ {
			must(t, r.Nop(tag))
			out[tag] = true
		}
		if r.inFlight != len(out) {
			t.Fatalf("%d submissions are in flight, want %d", r.inFlight, len(out))
		}
		if got := next(t, r); !out[got.tag] || got.res != 0 {
			t.Fatalf("completion %+v, in flight are %v", got, out)
		} else {
			delete(out, got.tag)
		}
	}
	none(t, r)
}

func TestEachTagComesBackOnceAroundTheQueues(t *testing.T) {
	for _, entries := range []int{1, 2, 3, 8, 64} {
		for _, depth := range []int{1, entries, 2 * entries} {
			t.Run(fmt.Sprintf("entries %d depth %d", entries, depth), func(t *testing.T) {
				submitAndReap(t, open(t, entries), 50*2*entries+1, depth)
			})
		}
	}
}

func TestCountersMayPassZero(t *testing.T) {
	for _, before := range []uint32{1, 2, 7, 8} {
		t.Run(fmt.Sprint(before), func(t *testing.T) {
			f := newFake(t, 4, &fake{first: math.MaxUint32 - before + 1, enter: complete(0)})
			submitAndReap(t, f.Ring, 40, 8)
			if got := atomic.LoadUint32(f.cqHead); got != 40-before {
				t.Errorf("the completion queue's head is %d, want %d", got, 40-before)
			}
		})
	}
}

func TestFullQueueRefusesUntilReaped(t *testing.T) {
	for _, entries := range []int{1, 4, 16} {
		t.Run(fmt.Sprint(entries), func(t *testing.T) {
			r, room := open(t, entries), 0
			for ; room < 1000 && r.Nop(0) == nil; room++ {
			}
			if room < entries {
				t.Fatalf("full with %d in flight, of %d entries", room, entries)
			}
			for tag := range uint64(3 * room) {
				if err := r.Nop(tag); err != ErrFull || r.inFlight != room {
					t.Fatalf("with all in flight: %v, %d in flight; want ErrFull, %d", err, r.inFlight, room)
				}
				next(t, r)
				must(t, r.Nop(tag))
			}
			for range room {
				next(t, r)
			}
			none(t, r)
		})
	}
}

func TestCompletionsThatDidNotFitAreFetched(t *testing.T) {
	for _, tt := range []struct {
		name string
		kept int // completions that the kernel kept elsewhere
	}{{"some", 3}, {"none after all", 0}} {
		t.Run(tt.name, func(t *testing.T) {
			flushed := 0
			f := newFake(t, 4, &fake{enter: func(f *fake, submit, complete, flags uint32) (int, unix.Errno) {
				if submit == 1 {
					f.take()
					return 1, 0
				}
				if complete != 0 || flags != enterGetEvents {
					t.Errorf("entered for %d completions with flags %d", complete, flags)
				}
				flushed++
				atomic.StoreUint32(f.sqFlags, 0)
				for tag := range tt.kept {
					f.post(uint64(tag), 0)
				}
				return 0, 0
			}})
			for tag := range tt.kept {
				must(t, f.Nop(uint64(tag)))
			}
			none := func() {
				t.Helper()
				if tag, _, ok := f.Reap(); ok {
					t.Errorf("there is a completion of tag %d", tag)
				}
			}
			none()
			atomic.StoreUint32(f.sqFlags, sqOverflow)
			for want := range uint64(tt.kept) {
				if tag, _, ok := f.Reap(); !ok || tag != want {
					t.Errorf("reaped tag %d, %v, want %d", tag, ok, want)
				}
			}
			none()
			if flushed != 1 {
				t.Errorf("entered %d times to fetch them, want once", flushed)
			}
		})
	}
}

func TestCloseWaitsForNothing(t *testing.T) {
	r := open(t, 2)
	must(t, r.Nop(7))
	if err := r.Close(); err == nil || !strings.Contains(err.Error(), "1 submissions in flight") {
		t.Fatalf("with a submission in flight: %v", err)
	}
	if got := next(t, r); got != (result{7, 0}) {
		t.Errorf("after a Close that failed: %+v", got)
	}
	fd := r.fd
	must(t, r.Close())
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
		t.Errorf("the descriptor of a closed ring: %v, want EBADF", err)
	}
	maps, err := os.ReadFile("/proc/self/maps")
	must(t, err)
	if strings.Contains(string(maps), "io_uring") {
		t.Errorf("a closed ring is still mapped:\n%s", maps)
	}
	if err := r.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
}

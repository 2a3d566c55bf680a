package stablewrite

import (
	"bytes"
	"testing"
	"time"

	"stablepages/crcguard"
)

// gated is a disk on which the test decides which blocks change and which submissions
// wait.
type gated struct {
	*disk
	gate func(p []byte, off int64)
}

func (d *gated) WriteAt(p []byte, off int64) (int, error) {
	n, err := d.disk.WriteAt(p, off)
	d.gate(p, off)
	return n, err
}

// Resubmissions that wait for private memory go out when another write returns some, in
// the order in which they asked, though no goroutine calls Wait.
func TestResubmissionsWaitForTheShare(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const writers = 6
	pool := NewPool(8192)
	buf := AlignedBuffer(writers * kib4)
	release := make(chan struct{})
	again := make(chan int64, writers)
	d := &gated{disk: newDisk(writers * kib4)}
	d.gate = func(p []byte, off int64) {
		if within(p, buf) {
			p[0]++
			return
		}
		again <- off
		<-release
	}
	f := fileOn(t, d, Options{Pool: pool})
	var all loan
	pool.reserve(&all, kib4, 1, kib4) // all memory for copies
	q := f.Queue(writers)
	for k := range writers {
		starts(t, q, &Write{Buf: block(buf, k), Off: int64(k) * kib4, Sums: make([]uint32, 1)})
		if k == 0 {
			<-again // the first resubmission has all of the share
		}
		for waiting := 0; waiting < k; time.Sleep(100 * time.Microsecond) {
			pool.mu.Lock()
			waiting = pool.again
			pool.mu.Unlock()
		}
	}
	if peak, _, _ := pool.use(); peak != 8192 {
		t.Errorf("peak %d", peak)
	}
	go func() {
		for range writers {
			release <- struct{}{}
		}
	}()
	for k := 1; k < writers; k++ {
		if off := <-again; off != int64(k)*kib4 {
			t.Errorf("resubmission %d is that of the write at %d", k, off)
		}
	}
	if n := drained(t, q); n != writers {
		t.Errorf("%d Writes came back", n)
	}
	if !bytes.Equal(d.media, buf) {
		t.Error("the media are not what was resubmitted")
	}
	pool.release(&all)
	if busyFile(f) {
		t.Error("memory or range leaked")
	}
}

// A resubmission larger than the private memory for it goes out in pieces of whole
// blocks, whatever the offset.
func TestResubmissionsGoOutInPieces(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	const blocks = 16
	for _, off := range []int64{0, 512, 3584} {
		for _, bytes := range []int{8192, 64 << 10, 96 << 10, 1 << 20} {
			for _, resubmit := range []Resubmit{ChangedBlocks, Whole} {
				pool := NewPool(bytes)
				buf := AlignedBuffer(blocks * kib4)
				d := &gated{disk: newDisk(2 * blocks * kib4)}
				var pieces []int
				at := off
				d.gate = func(p []byte, o int64) {
					if within(p, buf) {
						for k := range blocks {
							p[k*kib4]++
						}
						p[len(p)-1]++ // in the last block, whatever the offset
						return
					}
					if pieces = append(pieces, len(p)); o != at || o != off && o%kib4 != 0 {
						t.Errorf("a piece at %d, the one before ended at %d", o, at)
					}
					at = o + int64(len(p))
					buf[int(o-off)+len(p)-1]++ // after the copy, which was summed and sent
				}
				f := fileOn(t, d, Options{Pool: pool, Resubmit: resubmit})
				f.gap = 0
				var all loan
				copies, share := pool.largest()
				if bytes < 1<<20 {
					pool.reserve(&all, copies, 1, copies)
				}
				w := &Write{Buf: buf, Off: off, Sums: make([]uint32, blocks+1)}
				if err := f.Do(w); err != nil {
					t.Fatal(err)
				}
				d.trueOf(t, w)
				if all.chunks != nil {
					pool.release(&all)
					for _, n := range pieces {
						if n > share && n > bytes {
							t.Errorf("a piece of %d bytes", n)
						}
					}
				}
				if w.Receipt.Resubmitted != blocks*kib4 || w.Receipt.Submissions != 1+len(pieces) || w.Receipt.ChangedBlocks != crcguard.BlocksAt(off, blocks*kib4) {
					t.Errorf("a Pool of %d, at %d: %+v, %d pieces", bytes, off, w.Receipt, len(pieces))
				}
				if busyFile(f) {
					t.Error("memory or range leaked")
				}
			}
		}
	}
}

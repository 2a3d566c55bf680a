package stablewrite

import (
	"fmt"
	"io/fs"
	"math"
	"sync/atomic"

	"stablepages/crcguard"
)

// Extent is a run of bytes of a buffer.
type Extent = crcguard.Extent

// Write is one request to [File.Do] or [Queue.Start]. A Write is used for one
// request at a time; a loop that reuses one does not allocate. A copy of one that
// is not under way is a Write of its own.
type Write struct {
	Buf []byte // what to write; its length a multiple of Geometry.OffsetAlign
	// Bufs, if Buf is empty, is what to write in parts, as a page cache holds them:
	// one after the other they belong at Off. Where one ends and another begins is a
	// multiple of 4096 in the file. What the device does not take in one submission
	// is copied first, and Stats.Unaligned counts it; under Raw it is refused.
	Bufs [][]byte
	Off  int64 // where, a multiple of Geometry.OffsetAlign
	// Sums is nil, or room for crcguard.BlocksAt(Off, length) sums: the CRC-32C of
	// what is on the media in each 4 KiB block of the file, shorter where the Write
	// begins or ends in one. Those of the first Receipt.N bytes are set; others stay
	// as they are. Raw does not look at it.
	Sums []uint32
	Tag  any // the caller's

	// Set by Do, and before Queue.Wait returns the Write. The storage of Changed
	// is used again for the next request.
	Receipt Receipt
	Changed []Extent // where in Buf, or in all of Bufs, changes were seen, in order
	Err     error

	state    *progress
	underWay uint32 // 1: claimed. No atomic.Uint32: a Write may be copied
}

// claim makes w ready for a request, if it is not under way. Whoever claimed it
// releases it.
func (w *Write) claim() error {
	if !atomic.CompareAndSwapUint32(&w.underWay, 0, 1) {
		return ErrUnderWay
	}
	if w.state == nil || w.state.w != w {
		w.state, w.Changed = newProgress(w), nil
	}
	w.Receipt, w.Changed, w.Err = Receipt{}, w.Changed[:0], nil
	return nil
}

func (w *Write) release() { atomic.StoreUint32(&w.underWay, 0) }

// Receipt says what is on the media, as far as [Strategy.Promise] goes and
// unless another write overlapped. After an error it speaks of the first N
// bytes.
type Receipt struct {
	N             int    // bytes written
	Sum           uint32 // CRC-32C of these bytes on the media
	Summed        bool   // Sum and Write.Sums are set; false under Raw
	Tracked       bool   // changes of all of the buffer were noticed by tracking, restored ones, too
	ChangedBlocks int    // blocks of the file that were seen to change
	Submissions   int    // to the device
	Resubmitted   int64  // bytes submitted once more
	Refused       int    // submissions that the device refused with EILSEQ: each proves a change, be it seen or restored
}

// WriteAt writes p at off; it is io.WriterAt. p may change meanwhile. The error of a
// write that was begun is a *WriteError. Before anything is written it refuses an
// unaligned off or length (the error wraps ErrUnaligned), a File opened for reading
// (fs.ErrPermission) and a closed File (os.ErrClosed).
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	w, _ := f.writes.Get().(*Write)
	if w == nil {
		w = new(Write)
	}
	w.Buf, w.Off, w.Sums = p, off, nil
	err := f.Do(w)
	n := w.Receipt.N
	w.Buf, w.Err = nil, nil
	f.writes.Put(w)
	return n, err
}

// Do performs w and returns when its last submission landed. Its errors are those of
// WriteAt; w.Receipt, w.Changed and w.Err are set in either case. If w is under way
// already, Do returns ErrUnderWay and leaves w alone. If the Device panics, Do panics
// with a *PanicError, and sets w.Err to it.
func (f *File) Do(w *Write) error {
	if err := w.claim(); err != nil {
		return err
	}
	defer w.release()
	if w.Err = f.enter(); w.Err != nil {
		return w.Err
	}
	st := w.state
	if st.admit(f, nil, true); w.Err == nil && st.n > 0 {
		st.perform()
		if st.panic != nil {
			panic(st.panic)
		}
		f.watch(w)
		return w.Err
	}
	f.leave()
	return w.Err
}

// refuse says why a request cannot be written at all.
func (st *progress) refuse() error {
	f, w, n, stream := st.f, st.w, st.n, st.pending != nil
	var err error
	switch {
	case f.readOnly:
		err = fmt.Errorf("%w: opened for reading only", fs.ErrPermission)
	case w.Off < 0 || w.Off > math.MaxInt64-int64(n):
		err = fmt.Errorf("%w: no such range", fs.ErrInvalid)
	case st.parted() && !stream:
		err = fmt.Errorf("%w: offset and length must be multiples of %d", ErrUnaligned, f.geo.OffsetAlign)
	case len(w.Buf) > 0 && len(w.Bufs) > 0:
		err = fmt.Errorf("%w: both Buf and Bufs are set", fs.ErrInvalid)
	case !w.inner():
		err = fmt.Errorf("%w: parts of Bufs must meet at multiples of %d in the file", ErrUnaligned, crcguard.BlockSize)
	case f.opts.Strategy == Raw && !st.memAligned && n > 0 && !stream:
		err = fmt.Errorf("%w: memory must be aligned to %d, in at most %d parts", ErrUnaligned, f.geo.MemAlign, f.maxParts)
	case f.opts.RequireTracking && !stream && !w.tracked():
		err = ErrNotTracked
	case w.Sums != nil && f.row.sums && len(w.Sums) < crcguard.BlocksAt(w.Off, n):
		err = fmt.Errorf("%w: Sums has room for %d blocks of %d", fs.ErrInvalid, len(w.Sums), crcguard.BlocksAt(w.Off, n))
	default:
		return nil
	}
	return fmt.Errorf("stablewrite: %s: %w", transfer("write", f.name, n, w.Off), err)
}

// tracked reports whether the kernel tracks all that is to be written.
func (w *Write) tracked() bool {
	off := w.Off
	for _, p := range w.state.parts {
		if trackedAt(p, off) == nil {
			return false
		}
		off += int64(len(p))
	}
	return true
}

// inner reports whether the inner boundaries of Bufs lie where blocks meet.
func (w *Write) inner() bool {
	at := w.Off
	for _, p := range w.Bufs {
		if len(p) > 0 && at > w.Off && at%crcguard.BlockSize != 0 {
			return false
		}
		at += int64(len(p))
	}
	return true
}

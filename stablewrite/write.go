package stablewrite

import (
	"fmt"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"

	"stablepages/crcguard"
)

// Extent is a run of bytes of a buffer.
type Extent = crcguard.Extent

// Write is one request to [File.Do] or [Queue.Start]. A Write is used for one
// request at a time; a loop that reuses a Write does not allocate. A copy of a Write
// that is not under way is another request.
type Write struct {
	Buf []byte // the bytes to write; the length is a multiple of Geometry.OffsetAlign
	// Bufs, if Buf is empty, has the bytes to write in parts, as a page cache holds
	// them, in the order of the file. Parts meet at multiples of 4096 in the file. If
	// the device does not take all parts in one submission, they are copied first, and
	// Stats.Unaligned counts the Write; under Raw the Write is refused.
	Bufs [][]byte
	Off  int64 // in the file, a multiple of Geometry.OffsetAlign
	// Sums is nil, or has room for crcguard.BlocksAt(Off, length) sums: the CRC-32C of
	// the bytes of the Write in each 4 KiB block of the file, as they are on the media.
	// Those of the first Receipt.N bytes are set, others are not changed. Raw ignores
	// Sums.
	Sums []uint32
	Tag  any // for the caller

	// Set by Do, and before Queue.Wait returns the Write. The next request reuses the
	// storage of Changed.
	Receipt Receipt
	Changed []Extent // where in Buf, or in all of Bufs, changes were seen, in order
	Err     error

	state    *progress
	underWay uint32 // 1: claimed. No atomic.Uint32: a Write may be copied
}

// claim makes w ready for a request, unless it is under way. The caller releases it.
func (w *Write) claim() error {
	if !atomic.CompareAndSwapUint32(&w.underWay, 0, 1) {
		return ErrUnderWay
	}
	if w.state == nil || w.state.w != w {
		w.state, w.Changed = &progress{w: w}, nil
		w.state.wake.L = &w.state.mu
	}
	w.Receipt, w.Changed, w.Err = Receipt{}, w.Changed[:0], nil
	return nil
}

func (w *Write) release() { atomic.StoreUint32(&w.underWay, 0) }

// Receipt describes the bytes on the media, as far as [Strategy.Promise] goes and
// unless another write overlapped. After an error it describes the first N bytes.
type Receipt struct {
	N             int    // bytes written
	Sum           uint32 // CRC-32C of these bytes on the media
	Summed        bool   // Sum and Write.Sums are set; false under Raw
	Tracked       bool   // all of the buffer was tracked: restored changes were noticed, too
	ChangedBlocks int    // blocks of the file that were seen to change
	Submissions   int    // to the device
	Resubmitted   int64  // bytes submitted once more
	Refused       int    // submissions that the device refused with EILSEQ: each proves a change, seen or not
}

// WriteAt writes p at off; it implements io.WriterAt. p may change meanwhile. The
// error of a write that began is a *WriteError. Before it writes anything, WriteAt
// refuses a range that no file can have (the error wraps fs.ErrInvalid), an unaligned off
// or length (ErrUnaligned), a File opened for reading (fs.ErrPermission) and a closed File
// (os.ErrClosed).
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	w := writes.Get().(*Write)
	w.Buf, w.Off = p, off
	err := f.Do(w)
	n := w.Receipt.N
	w.Buf, w.Err = nil, nil
	writes.Put(w)
	return n, err
}

// writes are for WriteAt.
var writes = sync.Pool{New: func() any { return new(Write) }}

// Do performs w and returns when its last submission landed. It returns the errors of
// WriteAt, and sets w.Receipt, w.Changed and w.Err with or without an error. If w is
// under way already, Do returns ErrUnderWay and does not touch w. If the Device panics,
// Do panics with a *PanicError, and sets w.Err to it.
func (f *File) Do(w *Write) error {
	if err := w.claim(); err != nil {
		return err
	}
	defer w.release()
	st := w.state
	if st.admit(f, nil, true) {
		st.perform()
		if st.panic != nil {
			panic(st.panic)
		}
		f.watch(w)
	}
	return w.Err
}

// refuse returns an error for a request that cannot be written at all.
func (st *progress) refuse() error {
	f, w, n, stream := st.f, st.w, st.n, st.pending != nil
	var err error
	switch {
	case f.readOnly:
		err = fmt.Errorf("%w: opened for reading only", fs.ErrPermission)
	case w.Off < 0 || w.Off > math.MaxInt64-int64(n):
		err = fmt.Errorf("%w: the offset is negative, or the end is too large", fs.ErrInvalid)
	case st.parted() && !stream:
		err = fmt.Errorf("%w: offset and length must be multiples of %d", ErrUnaligned, f.geo.OffsetAlign)
	case len(w.Buf) > 0 && len(w.Bufs) > 0:
		err = fmt.Errorf("%w: both Buf and Bufs are set", fs.ErrInvalid)
	case !w.inner():
		err = fmt.Errorf("%w: parts of Bufs must meet at multiples of %d in the file", ErrUnaligned, crcguard.BlockSize)
	case f.opts.Strategy == Raw && !st.memAligned && n > 0 && !stream:
		err = fmt.Errorf("%w: memory must be aligned to %d, in at most %d parts", ErrUnaligned, f.geo.MemAlign, f.maxParts)
	case f.opts.RequireTracking && !stream && !st.tracked():
		err = ErrNotTracked
	case w.Sums != nil && f.row.sums && len(w.Sums) < crcguard.BlocksAt(w.Off, n):
		err = fmt.Errorf("%w: Sums has room for %d of %d blocks", fs.ErrInvalid, len(w.Sums), crcguard.BlocksAt(w.Off, n))
	default:
		return nil
	}
	return f.wrap("write", fmt.Errorf("%d bytes at %d: %w", n, w.Off, err))
}

// tracked reports whether the kernel tracks all of the Write.
func (st *progress) tracked() bool {
	off := st.w.Off
	for _, p := range st.parts {
		if trackedAt(p, off) == nil {
			return false
		}
		off += int64(len(p))
	}
	return true
}

// inner reports whether all parts of Bufs meet at the ends of blocks.
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

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

// Write is one request to [File.Do]. A Write is used for one request at a time;
// a loop that reuses one does not allocate. A copy of one that is not under way
// is a Write of its own.
type Write struct {
	Buf []byte // what to write; its length a multiple of Geometry.OffsetAlign
	Off int64  // where, likewise
	// Sums is nil, or room for crcguard.BlocksAt(Off, len(Buf)) sums: Do stores
	// the CRC-32C of what is on the media in each 4 KiB block of the file,
	// shorter where the Write begins or ends in one. Raw does not look at it.
	Sums []uint32

	// Set by Do, and before Queue.Wait returns the Write. The storage of Changed
	// is used again for the next request.
	Receipt Receipt
	Changed []Extent // where in Buf changes were seen, in order
	Err     error

	state    *writeState
	underWay uint32 // 1: claimed. No atomic.Uint32: a Write may be copied
}

// writeState is what a Write keeps from request to request. It knows whose it
// is, so that a copied Write does not share it.
type writeState struct {
	of       *Write
	segments overlap
	sums     []uint32 // storage if Write.Sums is nil
	locked   span
	queued   queued
}

// claim makes w ready for a request, if it is not under way. Whoever claimed it
// releases it.
func (w *Write) claim() error {
	if !atomic.CompareAndSwapUint32(&w.underWay, 0, 1) {
		return ErrUnderWay
	}
	if w.state == nil || w.state.of != w {
		w.state, w.Changed = &writeState{of: w}, nil
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
	ChangedBlocks int    // blocks of the file that were seen to change
	Submissions   int    // calls of Device.WriteAt
	Resubmitted   int64  // bytes submitted once more
	Refused       int    // submissions that the device refused with EILSEQ: each proves a change, be it seen or restored
}

// WriteAt writes p at off; it is io.WriterAt. p may change meanwhile. The error
// of a write that was begun is a *WriteError. What can be refused is refused
// before anything is written: an unaligned off or length with an error that
// wraps ErrUnaligned, a File opened for reading with fs.ErrPermission, a closed
// one with os.ErrClosed.
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

// Do performs w and returns when its last submission landed. Its errors are
// those of WriteAt; w.Receipt, w.Changed and w.Err are set in either case. If w
// is under way already, that is ErrUnderWay, and w is left alone.
func (f *File) Do(w *Write) error {
	if err := w.claim(); err != nil {
		return err
	}
	defer w.release()
	if w.Err = f.enter(); w.Err == nil {
		f.finish(w)
	}
	return w.Err
}

// finish performs w on a File that was entered, and leaves it. Whoever watches
// is told afterwards, when w holds nothing any more.
func (f *File) finish(w *Write) {
	func() {
		defer f.leave()
		f.do(w)
	}()
	f.watch(w)
}

func (f *File) do(w *Write) {
	w.Receipt.Summed = f.row.sums
	memAligned := aligned(w.Buf, f.geo.MemAlign)
	if w.Err = f.refuse(w, memAligned); w.Err != nil || len(w.Buf) == 0 {
		return
	}
	w.Err = f.perform(w, memAligned)
	f.stats.count(w, !memAligned && !f.row.copies)
}

// perform reserves what w may need, holds its range and drives its segments.
func (f *File) perform(w *Write, memAligned bool) error {
	st := w.state
	segment, lanes := len(w.Buf), 1
	if f.row.sums {
		segment, lanes = f.segment, f.lanes
	}
	lanes = st.segments.plan(f, w, segment, lanes)
	var private []byte
	if f.row.sums && (f.row.private || !memAligned) {
		private = f.opts.Pool.get(lanes * st.segments.length)
		defer f.opts.Pool.put(private)
	}
	var sums []uint32
	if f.row.sums {
		sums = w.blockSums(crcguard.BlocksAt(w.Off, len(w.Buf)))
	}
	f.hold(&st.locked, w.Off, w.Off+int64(len(w.Buf)))
	defer f.lock.unlock(&st.locked)
	// From here on nothing waits but for the device: a crash window or a range
	// that is held stays so no longer than the media take.
	st.segments.ordered = lanes > 1 && f.extends(w.Off+int64(len(w.Buf)))
	st.segments.run(lanes, private, sums, memAligned)
	return st.segments.settle(lanes)
}

// extends reports whether a write that ends at end may make the file longer.
func (f *File) extends(end int64) bool {
	d, ok := f.dev.(Sized)
	if !ok {
		return true
	}
	size, err := d.Size()
	return err != nil || end > size
}

// refuse says why w cannot be written at all.
func (f *File) refuse(w *Write, memAligned bool) error {
	align, n := f.geo.OffsetAlign, len(w.Buf)
	var err error
	switch {
	case f.readOnly:
		err = fmt.Errorf("%w: opened for reading only", fs.ErrPermission)
	case w.Off < 0 || w.Off > math.MaxInt64-int64(n):
		err = fmt.Errorf("%w: no such range", fs.ErrInvalid)
	case w.Off%int64(align) != 0 || n%align != 0:
		err = fmt.Errorf("%w: offset and length must be multiples of %d", ErrUnaligned, align)
	case f.opts.Strategy == Raw && !memAligned && n > 0:
		err = fmt.Errorf("%w: memory must be aligned to %d", ErrUnaligned, f.geo.MemAlign)
	case w.Sums != nil && w.Receipt.Summed && len(w.Sums) < crcguard.BlocksAt(w.Off, n):
		err = fmt.Errorf("%w: Sums has room for %d blocks of %d", fs.ErrInvalid, len(w.Sums), crcguard.BlocksAt(w.Off, n))
	default:
		return nil
	}
	return fmt.Errorf("stablewrite: %s: %w", transfer("write", f.name, n, w.Off), err)
}

// blockSums is where the block sums of w go: to the caller, or to storage of w.
func (w *Write) blockSums(blocks int) []uint32 {
	if w.Sums != nil {
		return w.Sums[:blocks]
	}
	if cap(w.state.sums) < blocks {
		w.state.sums = make([]uint32, blocks)
	}
	return w.state.sums[:blocks]
}

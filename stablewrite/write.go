package stablewrite

import (
	"fmt"
	"io/fs"
	"math"

	"stablepages/crcguard"
)

// Extent is a run of bytes of a buffer.
type Extent = crcguard.Extent

// Write is one request to [File.Do]. A Write is used for one request at a time;
// a loop that reuses one does not allocate. A copy of one is a Write of its own.
type Write struct {
	Buf []byte // what to write; its length a multiple of Geometry.OffsetAlign
	Off int64  // where, likewise
	// Sums is nil, or room for crcguard.BlocksAt(Off, len(Buf)) sums: Do stores
	// the CRC-32C of what is on the media in each 4 KiB block of the file,
	// shorter where the Write begins or ends in one. Raw does not look at it.
	Sums []uint32

	Receipt Receipt  // set by Do
	Changed []Extent // set by Do: where in Buf changes were seen, in order

	state *writeState
}

// writeState is what a Write keeps from request to request. It knows whose it
// is, so that a copied Write does not share it.
type writeState struct {
	of     *Write
	fl     flight
	guard  crcguard.Guard
	sums   []uint32 // storage if Write.Sums is nil
	locked span
}

// begin makes w ready for a request.
func (w *Write) begin() *writeState {
	if w.state == nil || w.state.of != w {
		w.state, w.Changed = &writeState{of: w}, nil
	}
	w.Receipt, w.Changed = Receipt{}, w.Changed[:0]
	return w.state
}

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
	w.Buf = nil
	f.writes.Put(w)
	return n, err
}

// Do performs w and returns when its last submission landed. Its errors are
// those of WriteAt; w.Receipt and w.Changed are set in either case.
func (f *File) Do(w *Write) error {
	row := &strategies[f.opts.Strategy]
	st := w.begin()
	w.Receipt.Summed = row.sums
	if err := f.enter(); err != nil {
		return err
	}
	defer f.leave()
	memAligned := aligned(w.Buf, f.geo.MemAlign)
	if err := f.refuse(w, memAligned); err != nil {
		return err
	}
	if len(w.Buf) == 0 {
		return nil
	}
	segment := len(w.Buf)
	var private []byte
	if row.sums {
		segment = min(segment, f.segment)
		if row.private || !memAligned {
			private = f.opts.Pool.get(segment)
			defer f.opts.Pool.put(private)
		}
	}
	f.lock.lock(&st.locked, w.Off, len(w.Buf))
	defer f.lock.unlock(&st.locked)
	// From here on nothing waits but for the device: a crash window or a range
	// that is held stays so no longer than the media take.
	defer st.fl.forget()
	err := f.segments(w, segment, private, memAligned)
	f.stats.count(w, !memAligned && !row.copies, err)
	return err
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

// segments writes w piece by piece, each but the last ending where a block of
// the file does.
func (f *File) segments(w *Write, segment int, private []byte, memAligned bool) error {
	st, fl := w.state, &w.state.fl
	st.guard.SumOnly = f.opts.DetectBy == BySum
	var sums []uint32
	if w.Receipt.Summed {
		sums = w.blockSums(crcguard.BlocksAt(w.Off, len(w.Buf)))
	}
	fl.guard, fl.mem, fl.private = &st.guard, plainMemory{}, private
	fl.aligned, fl.whole, fl.unit = memAligned, f.opts.Resubmit == Whole, f.geo.OffsetAlign
	for at := 0; at < len(w.Buf); {
		n := len(w.Buf) - at
		if n > segment {
			n = segment - int((w.Off+int64(at))%crcguard.BlockSize)
		}
		fl.p, fl.off = w.Buf[at:at+n], w.Off+int64(at)
		if w.Receipt.Summed {
			fl.sums = sums[crcguard.BlocksAt(w.Off, at):]
		}
		f.drive(fl, &w.Receipt)
		w.land(at)
		if fl.err != nil {
			return &WriteError{
				Name: f.name, Off: w.Off, Len: len(w.Buf), Good: w.Receipt.N, Spoiled: n - fl.good,
				Attempt: fl.attempt, Err: fl.err,
			}
		}
		at += n
	}
	return nil
}

// land adds the segment at at of w.Buf, which its flight has done with, to the
// receipt.
func (w *Write) land(at int) {
	fl, r := &w.state.fl, &w.Receipt
	for _, e := range fl.changed {
		w.Changed = append(w.Changed, Extent{Off: at + e.Off, Len: e.Len})
		r.ChangedBlocks += crcguard.BlocksAt(fl.off+int64(e.Off), e.Len)
	}
	r.Sum = crcguard.Combine(r.Sum, fl.sum, int64(fl.good))
	r.N += fl.good
}

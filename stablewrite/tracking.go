package stablewrite

import (
	"slices"
	"sync"
	"weak"

	"stablepages/crcguard"
)

// tracking is the detector of ByTracking: it has the kernel note which pages are
// written to, and so sees a change that was restored, too, without reading anything
// again.
//
//	protect -> sums, submission ... completion -> unchanged -> release
//
// A page counts as changed unless it is positively unchanged. If a part of the buffer is
// not tracked memory, the Guard compares digests.
type tracking struct {
	crcguard.Guard
	wanted bool
	armed  []*armed // parts of the segment; none: the Guard compares. The capacity has more, for reuse
}

// use makes t ready for a File with these Options.
func (t *tracking) use(by Detection) { t.SumOnly, t.wanted = by == BySum, by == ByTracking }

// ArmPartsAt arms the pages, if it can, and then takes sums.
func (t *tracking) ArmPartsAt(parts [][]byte, off int64) uint32 {
	if t.wanted {
		t.SumOnly = t.arm(parts, off)
	}
	return t.Guard.ArmPartsAt(parts, off)
}

// AppendChangedParts is that of Guard, but uses the armed pages, if any.
func (t *tracking) AppendChangedParts(dst []Extent, parts [][]byte) []Extent {
	if !t.tracks() {
		return t.Guard.AppendChangedParts(dst, parts)
	}
	at, fresh := 0, len(dst)
	for i, p := range parts {
		t.armed[i].look()
		for k, written := range t.armed[i].written {
			if lo := k * trackedPage; written {
				dst = appendExtent(dst, fresh, Extent{Off: at + lo, Len: min(trackedPage, len(p)-lo)})
			}
		}
		at += len(p)
	}
	return dst
}

// tracks reports whether the pages are armed.
func (t *tracking) tracks() bool { return len(t.armed) > 0 }

// appendExtent appends e, or lets the last Extent from fresh on grow by it.
func appendExtent(dst []Extent, fresh int, e Extent) []Extent {
	if k := len(dst) - 1; k >= fresh && dst[k].Off+dst[k].Len == e.Off {
		dst[k].Len += e.Len
		return dst
	}
	return append(dst, e)
}

// arm arms all parts, or none and reports false.
func (t *tracking) arm(parts [][]byte, off int64) bool {
	for _, p := range parts {
		if !t.armPart(trackedAt(p, off), p) {
			t.release()
			return false
		}
		off += int64(len(p))
	}
	if pins.under(parts) { // checked last: a page that is pinned later counts as written to
		t.release()
		return false
	}
	return true
}

// armPart arms p, memory of m.
func (t *tracking) armPart(m *tracked, p []byte) bool {
	if m == nil {
		return false
	}
	n := len(t.armed)
	t.armed = slices.Grow(t.armed, 1)[:n+1]
	if t.armed[n] == nil {
		t.armed[n] = new(armed)
	}
	a := t.armed[n]
	a.of, a.pageRun = m, runOf(p)
	if a.arm() != nil {
		t.armed = t.armed[:n]
		return false
	}
	return true
}

// release undoes ArmPartsAt, if it was called. It may be called again.
func (t *tracking) release() {
	for _, a := range t.armed {
		a.release()
		a.of = nil
	}
	t.armed = t.armed[:0]
}

// tracked is memory that the kernel tracks. It keeps no reference to the memory; Writes
// do.
type tracked struct {
	pageRun
	table  pageTable
	buffer weak.Pointer[byte] // a TrackedBuffer: nil once it was collected
	mu     sync.Mutex
	gone   bool     // another tracked may have the memory
	armed  []*armed // under way
}

// isBuffer reports whether t was made by TrackedBuffer.
func (t *tracked) isBuffer() bool { return t.buffer != weak.Pointer[byte]{} }

// armed is the pages of one part of a segment, from arming to release.
type armed struct {
	pageRun
	of      *tracked
	written []bool // by page
	scan    pageScan
}

// arm protects the pages of a. Pages that were written to lose that mark, so arm notes it
// for others that have armed them.
func (a *armed) arm() error {
	t, n := a.of, int(a.hi-a.lo)/trackedPage
	a.written = slices.Grow(a.written[:0], n)[:n]
	clear(a.written)
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return ErrNotTracked
	}
	err := t.table.protect(&a.scan, a.pageRun)
	if err != nil { // some may have been protected
		a.scan.found = append(a.scan.found[:0], pageRegion{start: uint64(a.lo), end: uint64(a.hi)})
	}
	for _, o := range t.armed {
		for _, g := range a.scan.found {
			o.wrote(g.run())
		}
	}
	if err == nil {
		t.armed = append(t.armed, a)
	}
	return err
}

// wrote notes that the pages of r were written to.
func (a *armed) wrote(r pageRun) {
	for at := max(r.lo, a.lo); at < min(r.hi, a.hi); at += trackedPage {
		a.written[(at-a.lo)/trackedPage] = true
	}
}

// look notes all pages that are not known to be unchanged. Later writes are not noted.
func (a *armed) look() {
	t := a.of
	err := t.table.unchanged(&a.scan, a.pageRun)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(a)
	at := a.lo
	if err == nil && !t.gone {
		for _, g := range a.scan.found {
			a.wrote(pageRun{at, uintptr(g.start)})
			at = uintptr(g.end)
		}
	}
	a.wrote(pageRun{at, a.hi})
}

// release lifts the protection of the pages, unless others have armed them.
func (a *armed) release() {
	t := a.of
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forget(a)
	if !t.shares(a) && !t.gone {
		t.table.release(&a.scan, a.pageRun)
	}
}

func (t *tracked) forget(a *armed) {
	t.armed = slices.DeleteFunc(t.armed, func(o *armed) bool { return o == a })
}

// shares reports whether others have armed pages of a.
func (t *tracked) shares(a *armed) bool {
	return slices.ContainsFunc(t.armed, func(o *armed) bool { return o != a && o.overlaps(a.pageRun) })
}

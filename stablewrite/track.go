package stablewrite

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
	"weak"
)

// TrackedBuffer returns n zeroed bytes as AlignedBuffer does, which the kernel tracks
// for Files with DetectBy ByTracking, in one Write or in many. Their pages are populated
// when it returns, and the garbage collector frees them. A buffer costs the process two
// mappings (vm.max_map_count), so make few large ones. The error wraps
// errors.ErrUnsupported if the kernel does not track.
func TrackedBuffer(n int) ([]byte, error) {
	b := AlignedBuffer(roundUp(max(n, 1), trackedPage))
	t, err := track(b, weak.Make(&b[0]))
	if err != nil {
		return nil, fmt.Errorf("stablewrite: a tracked buffer of %d bytes: %w", n, err)
	}
	runtime.AddCleanup(&b[0], func(t *tracked) { t.untrack() }, t)
	return b[:n:n], nil
}

// Track is TrackedBuffer for memory of the caller: private and anonymous, not of
// hugetlbfs, in whole pages. No other code may use userfaultfd on it, nor hold a pin of
// it, as io_uring does for registered buffers: writes of a device through a pin are not
// seen. Track refuses memory with a part that is tracked already. Call untrack before the
// memory is unmapped, moved or garbage collected; for a write under way all of it then
// counts as changed.
func Track(p []byte) (untrack func(), err error) {
	if len(p) == 0 || len(p)%trackedPage != 0 || !aligned(p, trackedPage) {
		return nil, fmt.Errorf("stablewrite: track %d bytes: %w: memory is tracked in whole pages of %d", len(p), ErrUnaligned, trackedPage)
	}
	t, err := track(p, weak.Pointer[byte]{})
	if err != nil {
		return nil, fmt.Errorf("stablewrite: track %d bytes: %w", len(p), err)
	}
	return t.untrack, nil
}

// registry is all tracked memory of the process, in order of address.
var registry struct {
	mu  sync.Mutex // over changes
	all atomic.Pointer[[]*tracked]
}

func allTracked() []*tracked {
	if all := registry.all.Load(); all != nil {
		return *all
	}
	return nil
}

// after is the index of the first of all that ends after address lo.
func after(all []*tracked, lo uintptr) int {
	return sort.Search(len(all), func(i int) bool { return all[i].hi > lo })
}

// trackedAt returns the tracked memory that has all of p, which belongs at off of a file,
// or nil. It requires both to be aligned, so that pages are blocks.
func trackedAt(p []byte, off int64) *tracked {
	all := allTracked()
	if len(all) == 0 || off%trackedPage != 0 || !aligned(p, trackedPage) {
		return nil
	}
	r := runOf(p)
	if i := after(all, r.lo); i < len(all) && all[i].has(r) {
		return all[i]
	}
	return nil
}

// track has the kernel track p, whole pages of a TrackedBuffer or of a caller.
func track(p []byte, buffer weak.Pointer[byte]) (*tracked, error) {
	table, err := openPageTable()
	if err != nil {
		return nil, err
	}
	registry.mu.Lock()
	defer registry.mu.Unlock()
	t := &tracked{pageRun: runOf(p), table: table, buffer: buffer}
	for _, o := range allTracked() {
		switch {
		case !o.overlaps(t.pageRun):
		case t.isBuffer() || o.isBuffer() && o.buffer.Value() == nil: // o was collected, and p has its memory
			o.remove(table)
		default:
			return nil, errors.New("a part of it is tracked already: untrack that first")
		}
	}
	if err := table.register(p); err != nil {
		return nil, err
	}
	all := slices.Clone(allTracked())
	all = slices.Insert(all, after(all, t.lo), t)
	registry.all.Store(&all)
	return t, nil
}

// untrack may be called again.
func (t *tracked) untrack() {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	if !t.gone {
		t.remove(t.table.(*userfault))
	}
}

// remove is untrack, with the registry locked. Before the kernel forgets the pages, t
// stops arming them and counts all as changed: another tracked may get them.
func (t *tracked) remove(table *userfault) {
	all := slices.DeleteFunc(slices.Clone(allTracked()), func(o *tracked) bool { return o == t })
	registry.all.Store(&all)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
	table.unregister(t.pageRun)
}

// pins are the buffers that ReadAt fills, tracked or not: one may be tracked before it is
// full. A device that was given pages before they were armed writes to them without a
// fault. If it is given them later, that is a fault.
var pins pinned

type pinned struct {
	mu   sync.Mutex
	runs []pageRun
}

// pin is called before a device is given p, unpin after it has filled p.
func (s *pinned) pin(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.runs = append(s.runs, runOf(p))
}

func (s *pinned) unpin(p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.runs, runOf(p))
	s.runs = slices.Delete(s.runs, i, i+1)
}

// under reports whether any part is being filled.
func (s *pinned) under(parts [][]byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(s.runs, func(r pageRun) bool {
		return slices.ContainsFunc(parts, func(p []byte) bool { return r.overlaps(runOf(p)) })
	})
}

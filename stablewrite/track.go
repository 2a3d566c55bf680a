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
// for Files with DetectBy ByTracking: as one Write, or cut into many. Their pages are
// there when it returns, and belong to the garbage collector as any. It costs two
// mappings of the process (vm.max_map_count), so make few large ones. The error wraps
// errors.ErrUnsupported where the kernel does not track.
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
// hugetlbfs, whole pages. Nobody else may use userfaultfd on it, and no pin may be held
// of it, as of buffers registered with io_uring: a device that writes through a pin is
// not seen. Memory of which a part is tracked already is refused. Call untrack before the
// memory is unmapped, moved or collected; a write under way then takes all of it for
// changed.
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

// trackedAt returns the memory that p, which belongs at off of a file, is all of or part
// of, or nil. Both are aligned, so that pages are blocks.
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

// track makes p, whole pages, tracked: of a TrackedBuffer, or of a caller.
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
		case t.isBuffer() || o.isBuffer() && o.buffer.Value() == nil: // that was collected: its memory is here
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

// remove is untrack, with the registry locked. From before the kernel forgets the
// pages on t arms none, and takes all for changed: they may be another's.
func (t *tracked) remove(table *userfault) {
	all := slices.DeleteFunc(slices.Clone(allTracked()), func(o *tracked) bool { return o == t })
	registry.all.Store(&all)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.gone = true
	table.unregister(t.pageRun)
}

// pins are the buffers that ReadAt fills, tracked or not: they may be tracked before
// they are full. A device writes without a fault to pages that it was given before they
// were armed; later ones fault when it is given them.
var pins pinned

type pinned struct {
	mu   sync.Mutex
	runs []pageRun
}

// pin is before a device is given p, unpin after it has filled it.
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

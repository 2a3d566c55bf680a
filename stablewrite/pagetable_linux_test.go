package stablewrite

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"stablepages/bench/testenv"
)

// needTracking ends a test on a kernel that does not track.
func needTracking(tb testing.TB) {
	tb.Helper()
	if _, err := openPageTable(); err != nil {
		testenv.Missing(tb, "%v", err)
	}
}

// anonymous returns private memory of n bytes that the kernel tracks and the race
// detector does not know. Advice says in which pages.
func anonymous(tb testing.TB, n, advice int) []byte {
	tb.Helper()
	needTracking(tb)
	p := mapped(tb, n, advice)
	untrack, err := Track(p)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(untrack)
	return p
}

// mapped returns memory as anonymous does, but not tracked.
func mapped(tb testing.TB, n, advice int) []byte {
	tb.Helper()
	all, err := unix.Mmap(-1, 0, n+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { unix.Munmap(all) })
	if err := unix.Madvise(all, advice); err != nil {
		testenv.Missing(tb, "a kernel with huge pages: %v", err)
	}
	return all[-runOf(all).lo&(hugePage-1):][:n:n]
}

// scanPrograms returns the number of random programs to run.
func scanPrograms() int {
	if testenv.Full() {
		return 100_000
	}
	return 2_000
}

// pageProgram is a random program of stores, loads and drops, and of several armed ranges
// that share pages and are looked at and released. It runs on the kernel and on the model.
type pageProgram struct {
	rng   *rand.Rand
	p     []byte
	model *modelPages
	sides [2]*tracked // the kernel's, the model's
	armed [programArms]struct {
		parts   [2]*armed // nil: not armed
		touched []bool    // by page: stored to or dropped since it was armed
		absent  []bool    // not mapped when it was armed: may count as changed
	}
	text strings.Builder
}

const (
	programPages = 8
	programArms  = 3
	programSteps = 16
)

func (g *pageProgram) note(format string, args ...any) { fmt.Fprintf(&g.text, format+"; ", args...) }

// step takes one step and returns a fault, or "".
func (g *pageProgram) step() string {
	page, k := g.rng.IntN(programPages), g.rng.IntN(programArms)
	a := &g.armed[k]
	switch what := g.rng.IntN(10); {
	case what < 3:
		g.note("store %d", page)
		g.p[page*trackedPage+g.rng.IntN(trackedPage)]++
		g.model.store(page)
		g.touch(page)
	case what == 3:
		g.note("load %d", page)
		sink += g.p[page*trackedPage]
		g.model.load(page)
	case what == 4 && g.rng.IntN(3) == 0:
		g.note("drop %d", page)
		if err := unix.Madvise(g.p[page*trackedPage:][:trackedPage], unix.MADV_DONTNEED); err != nil {
			return err.Error()
		}
		g.model.drop(page)
		g.touch(page)
	case a.parts[0] == nil:
		return g.arm(k, page, 1+g.rng.IntN(programPages-page))
	case what < 8:
		return g.look(k)
	default:
		g.note("release %d", k)
		g.release(k)
	}
	return ""
}

var sink byte

// touch notes that a page was stored to or dropped.
func (g *pageProgram) touch(page int) {
	for k := range g.armed {
		a := &g.armed[k]
		if a.parts[0] == nil {
			continue
		}
		if at := page - int(a.parts[0].lo-g.model.base)/trackedPage; at >= 0 && at < len(a.touched) {
			a.touched[at] = true
		}
	}
}

func (g *pageProgram) arm(k, page, pages int) string {
	g.note("arm %d: %d to %d", k, page, page+pages)
	a := &g.armed[k]
	a.touched, a.absent = make([]bool, pages), make([]bool, pages)
	for i := range pages {
		a.absent[i] = !g.model.pages[page+i].present
	}
	for i, side := range g.sides {
		x := &armed{of: side, pageRun: runOf(g.p[page*trackedPage:][:pages*trackedPage])}
		if err := x.arm(); err != nil {
			return err.Error()
		}
		a.parts[i] = x
	}
	return g.compare(k)
}

func (g *pageProgram) look(k int) string {
	g.note("look %d", k)
	for _, side := range g.armed[k].parts {
		side.look()
	}
	if text := g.compare(k); text != "" {
		return text
	}
	a := &g.armed[k]
	for i, written := range a.parts[0].written {
		if a.touched[i] && !written {
			return fmt.Sprintf("page %d of armed range %d was written to, but counts as unchanged", i, k)
		}
		if !a.touched[i] && !a.absent[i] && written {
			return fmt.Sprintf("page %d of armed range %d was not written to, but counts as changed", i, k)
		}
	}
	g.release(k)
	return ""
}

func (g *pageProgram) release(k int) {
	for _, side := range g.armed[k].parts {
		side.release()
	}
	g.armed[k].parts = [2]*armed{}
}

// compare compares the kernel with the model.
func (g *pageProgram) compare(k int) string {
	for j := range g.armed {
		kernel, model := g.armed[j].parts[0], g.armed[j].parts[1]
		if kernel != nil && !slices.Equal(kernel.written, model.written) {
			return fmt.Sprintf("written of %d: kernel %v, model %v", j, kernel.written, model.written)
		}
	}
	if kernel, model := g.armed[k].parts[0], g.armed[k].parts[1]; !slices.EqualFunc(kernel.scan.found, model.scan.found,
		func(a, b pageRegion) bool { return a.run() == b.run() }) {
		return fmt.Sprintf("%d found: kernel %v, model %v", k, kernel.scan.found, model.scan.found)
	}
	return ""
}

// The exploration tracks by a model of the kernel's page table. Here the same random
// programs run on the model and on the kernel: stores, loads, MADV_DONTNEED, and several
// armed ranges that share pages.
func TestTheModelOfThePageTableIsTheKernels(t *testing.T) {
	p := anonymous(t, programPages*trackedPage, unix.MADV_NOHUGEPAGE)
	table, _ := openPageTable()
	for n := range scanPrograms() {
		g := &pageProgram{rng: rand.New(rand.NewPCG(uint64(n), 6)), p: p, model: newModelPages(runOf(p).lo, programPages)}
		g.sides = [2]*tracked{{pageRun: runOf(p), table: table}, {pageRun: runOf(p), table: g.model}}
		for page := range programPages {
			p[page*trackedPage]++
			g.model.store(page)
		}
		for range programSteps {
			if text := g.step(); text != "" {
				t.Fatalf("program %d: %s: %s", n, text, g.text.String())
			}
		}
		for k := range g.armed {
			for _, side := range g.armed[k].parts {
				if side != nil {
					side.release()
				}
			}
		}
		table.release(new(pageScan), runOf(p))
	}
}

// All changed pages are found, even if they are more runs than one system call finds.
func TestManyRunsOfPages(t *testing.T) {
	const pages = 8 * scanRegions
	p := anonymous(t, pages*trackedPage, unix.MADV_NOHUGEPAGE)
	one, other := tracking{wanted: true}, tracking{wanted: true}
	defer one.release()
	defer other.release()
	one.ArmPartsAt([][]byte{p}, 0)
	var want, more []Extent
	for page := 0; page < pages; page += 3 {
		p[page*trackedPage]++
		want = append(want, Extent{Off: page * trackedPage, Len: trackedPage})
	}
	other.ArmPartsAt([][]byte{p}, 0) // after which the kernel no longer shows these stores
	for page := 1; page < pages; page += 3 {
		p[page*trackedPage]++
		want[page/3].Len += trackedPage
		more = append(more, Extent{Off: page * trackedPage, Len: trackedPage})
	}
	if got := one.AppendChangedParts(nil, [][]byte{p}); !one.tracks() || !slices.Equal(got, want) {
		t.Errorf("tracked %v, changed %v, want %v", one.tracks(), got, want)
	}
	if got := other.AppendChangedParts(nil, [][]byte{p}); !slices.Equal(got, more) {
		t.Errorf("changed under the second %v, want %v", got, more)
	}
}

// If pages that mremap moved are tracked again, stores to them are seen.
func TestMovedPagesAreTrackedAnew(t *testing.T) {
	p := anonymous(t, 4*trackedPage, unix.MADV_NOHUGEPAGE)
	all, err := openPageTable()
	if err != nil {
		t.Fatal(err)
	}
	s := new(pageScan)
	if err := all.protect(s, runOf(p)); err != nil {
		t.Fatal(err)
	}
	to := mapped(t, 4*trackedPage, unix.MADV_NOHUGEPAGE)
	moved, err := unix.MremapPtr(unsafe.Pointer(&p[0]), uintptr(len(p)), unsafe.Pointer(&to[0]), uintptr(len(p)), unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED)
	if err != nil {
		t.Fatal(err)
	}
	p = unsafe.Slice((*byte)(moved), len(p))
	for at := 0; at < len(p); at += trackedPage {
		p[at]++
	}
	untrack, err := Track(p)
	if err != nil {
		t.Fatal(err)
	}
	defer untrack()
	if err := all.protect(s, runOf(p)); err != nil {
		t.Fatal(err)
	}
	p[trackedPage]++
	if err := all.unchanged(s, runOf(p)); err != nil {
		t.Fatal(err)
	}
	var unchanged int
	for _, g := range s.found {
		unchanged += int(g.end-g.start) / trackedPage
	}
	if unchanged != 3 {
		t.Errorf("%d of 4 pages are unchanged, want 3, as one was written to: %+v", unchanged, s.found)
	}
}

package stablewrite

// modelPages is a model of the kernel's tracking, by page. The exploration tracks by it;
// TestTheModelOfThePageTableIsTheKernels compares it with the kernel.
type modelPages struct {
	base   uintptr
	pages  []modelPage
	before func(page int) // if not nil, called before each page is protected or asked about
}

type modelPage struct{ present, protected bool }

func newModelPages(base uintptr, n int) *modelPages {
	return &modelPages{base: base, pages: make([]modelPage, n)}
}

func (m *modelPages) store(page int) { m.pages[page] = modelPage{present: true} }

// load maps a page of zeros if none is mapped; it is protected if its place was.
func (m *modelPages) load(page int) { m.pages[page].present = true }

// drop models madvise(MADV_DONTNEED).
func (m *modelPages) drop(page int) { m.pages[page] = modelPage{} }

func (m *modelPages) protect(s *pageScan, r pageRun) error {
	m.each(s, r, func(p *modelPage) bool {
		was := p.protected
		p.protected = true
		return !was
	})
	return nil
}

func (m *modelPages) unchanged(s *pageScan, r pageRun) error {
	m.each(s, r, func(p *modelPage) bool { return p.present && p.protected })
	return nil
}

func (m *modelPages) release(_ *pageScan, r pageRun) {
	for at := r.lo; at < r.hi; at += trackedPage {
		m.pages[int(at-m.base)/trackedPage].protected = false
	}
}

// each returns the pages of r for which f is true, adjacent ones as one run.
func (m *modelPages) each(s *pageScan, r pageRun, f func(*modelPage) bool) {
	s.found = s.found[:0]
	for at := r.lo; at < r.hi; at += trackedPage {
		page := int(at-m.base) / trackedPage
		if m.before != nil {
			m.before(page)
		}
		if !f(&m.pages[page]) {
			continue
		}
		if k := len(s.found) - 1; k >= 0 && s.found[k].end == uint64(at) {
			s.found[k].end += trackedPage
		} else {
			s.found = append(s.found, pageRegion{start: uint64(at), end: uint64(at) + trackedPage})
		}
	}
}

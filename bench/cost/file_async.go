package cost

import (
	"os"
	"sync"

	"stablepages/bench/aio"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// asyncFile is a file that is submitted to by io_submit and reaped by
// io_getevents, so that something can be done in between. Its requests are those
// of pwrite in all else.
type asyncFile struct {
	*os.File
	geo      stablewrite.Geometry
	inFlight func(off int64, n int)
	contexts *contexts
}

// newAsync opens target once more, directly if direct, as geo was learned.
func newAsync(target *os.File, direct bool, geo stablewrite.Geometry, inFlight func(int64, int), idle *contexts) (*asyncFile, error) {
	f, err := scratch.Reopen(target, os.O_RDWR, direct)
	if err != nil {
		return nil, err
	}
	d := &asyncFile{File: f, geo: geo, inFlight: inFlight, contexts: idle}
	c, err := idle.get() // where there is none, say so before anything is timed
	if err != nil {
		f.Close()
		return nil, err
	}
	idle.put(c)
	return d, nil
}

func (d *asyncFile) WriteAt(p []byte, off int64) (int, error) {
	c, err := d.contexts.get()
	if err != nil {
		return 0, err
	}
	defer d.contexts.put(c)
	if err := c.Submit(d.File, p, off); err != nil {
		return 0, err
	}
	d.inFlight(off, len(p))
	return c.Reap()
}

// Size lets segments of a large write overlap, as those of a File on a path do.
func (d *asyncFile) Size() (int64, error) { return sizeOf(d.File) }

func (d *asyncFile) Geometry() stablewrite.Geometry { return d.geo }

func (d *asyncFile) Sync() error { return scratch.DataSync(d.File) }

// contexts are those that are idle, as many as there were writes in flight. The
// kernel takes tens of milliseconds to take one down: they are of all files of a run.
type contexts struct {
	mu   sync.Mutex
	free []*aio.Context
}

func (x *contexts) get() (*aio.Context, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if k := len(x.free) - 1; k >= 0 {
		c := x.free[k]
		x.free = x.free[:k]
		return c, nil
	}
	return aio.New()
}

func (x *contexts) put(c *aio.Context) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.free = append(x.free, c)
}

func (x *contexts) close() {
	for _, c := range x.free {
		c.Close()
	}
}

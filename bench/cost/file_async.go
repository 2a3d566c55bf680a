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

	mu   sync.Mutex
	free []*aio.Context // as many as there were writes in flight
}

// newAsync opens target once more, directly if direct, as geo was learned.
func newAsync(target *os.File, direct bool, geo stablewrite.Geometry, inFlight func(int64, int)) (*asyncFile, error) {
	f, err := scratch.Reopen(target, os.O_RDWR, direct)
	if err != nil {
		return nil, err
	}
	d := &asyncFile{File: f, geo: geo, inFlight: inFlight}
	c, err := aio.New() // where there is none, say so before anything is timed
	if err != nil {
		f.Close()
		return nil, err
	}
	d.put(c)
	return d, nil
}

func (d *asyncFile) get() (*aio.Context, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if k := len(d.free) - 1; k >= 0 {
		c := d.free[k]
		d.free = d.free[:k]
		return c, nil
	}
	return aio.New()
}

func (d *asyncFile) put(c *aio.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.free = append(d.free, c)
}

func (d *asyncFile) WriteAt(p []byte, off int64) (int, error) {
	c, err := d.get()
	if err != nil {
		return 0, err
	}
	defer d.put(c)
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

func (d *asyncFile) Close() error {
	for _, c := range d.free {
		c.Close()
	}
	return d.File.Close()
}

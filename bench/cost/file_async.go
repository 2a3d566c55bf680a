package cost

import (
	"io"
	"os"

	"stablepages/bench/aio"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

// asyncFile is a Device that submits by io_submit and reaps by io_getevents, so that a
// buffer can change in between. Otherwise its requests are those of pwrite.
type asyncFile struct {
	scratch.Cached
	geo      stablewrite.Geometry
	changes  *changes
	contexts contexts
}

// newAsync opens the target again, with O_DIRECT if direct.
func (r *run) newAsync(direct bool, ch *changes) (*asyncFile, error) {
	geo := r.geometry
	if !direct {
		geo = scratch.Cached{}.Geometry()
	}
	f, err := scratch.Reopen(r.Target, os.O_RDWR, direct)
	return &asyncFile{scratch.Cached{File: f}, geo, ch, r.contexts}, err
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
	d.changes.inFlight(off, len(p))
	return c.Reap()
}

// Size makes the File overlap the segments of a large write, as a File on a path does.
func (d *asyncFile) Size() (int64, error) { return d.Seek(0, io.SeekEnd) }

func (d *asyncFile) Geometry() stablewrite.Geometry { return d.geo }

// contexts keeps idle contexts for all files of a run: the kernel takes tens of
// milliseconds to close one.
type contexts chan *aio.Context

func (x contexts) get() (*aio.Context, error) {
	select {
	case c := <-x:
		return c, nil
	default:
		return aio.New()
	}
}

func (x contexts) put(c *aio.Context) {
	select {
	case x <- c:
	default:
		c.Close()
	}
}

func (x contexts) close() {
	for len(x) > 0 {
		(<-x).Close()
	}
}

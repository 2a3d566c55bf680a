package stablewrite

import (
	"errors"
	"io"
	"syscall"
)

// drive runs the steps of one segment with blocking calls of the Device. It
// ends: a strategy submits caller memory once and private memory once.
func (f *File) drive(fl *flight, r *Receipt) {
	fl.attempt, fl.stable, fl.changed, fl.again = 0, false, fl.changed[:0], fl.again[:0]
	fl.sum, fl.good, fl.err = 0, 0, nil
	steps := strategies[f.opts.Strategy].steps
	for steps.begin(fl); len(fl.ops) > 0; steps.landed(fl) {
		fl.attempt++
		for i := range fl.ops {
			o := &fl.ops[i]
			r.Submissions += f.submit(o)
			if fl.attempt > 1 {
				r.Resubmitted += int64(len(o.buf))
			}
			if o.err != nil { // do not go on writing to a device that fails
				break
			}
		}
	}
}

var errCount = errors.New("the device returned an impossible count")

// maxIdle bounds how often in a row a call may be interrupted with nothing landed.
const maxIdle = 100

// submit makes o land whole, or fail. A short write goes on from the last whole
// unit of the device that landed. It returns the number of calls.
func (f *File) submit(o *op) (calls int) {
	idle := 0
	for {
		n, err := f.dev.WriteAt(o.buf[o.n:], o.off+int64(o.n))
		calls++
		if n < 0 || n > len(o.buf)-o.n {
			n, err = 0, errCount
		}
		landed := o.n + n
		if landed < len(o.buf) {
			landed -= landed % f.geo.OffsetAlign
		}
		if idle++; landed > o.n {
			idle = 0
		}
		o.n = landed
		interrupted := errors.Is(err, syscall.EINTR) && idle < maxIdle
		switch {
		case o.n == len(o.buf) && (err == nil || interrupted):
			return calls
		case interrupted, err == nil && idle == 0:
			continue
		case err == nil:
			err = io.ErrShortWrite
		}
		o.err = err
		if isMedia(err) { // nothing of a submission that failed is known to have landed
			o.n = 0
		}
		return calls
	}
}

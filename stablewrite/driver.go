package stablewrite

import (
	"errors"
	"io"
	"syscall"
)

// drive runs the steps of one segment with blocking calls of the Device. It
// ends: a strategy submits caller memory once and private memory once. If the
// write is to stop it submits nothing, and fl.attempt stays 0.
func (f *File) drive(fl *flight, r *Receipt) {
	fl.attempt, fl.stable, fl.changed, fl.again = 0, false, fl.changed[:0], fl.again[:0]
	fl.sum, fl.good, fl.err = 0, 0, nil
	f.row.steps.begin(fl)
	if fl.of != nil && !fl.of.wait(fl) {
		return
	}
	for f.round(fl, r); len(fl.ops) > 0; f.round(fl, r) {
	}
}

// round submits what a step asked for and takes the next step.
func (f *File) round(fl *flight, r *Receipt) {
	fl.attempt++
	whole := true
	for i := range fl.ops {
		o := &fl.ops[i]
		r.Submissions += f.submit(o)
		if fl.attempt > 1 {
			r.Resubmitted += int64(len(o.buf))
		}
		if isIntegrity(o.err) {
			r.Refused++
		}
		if o.err != nil { // do not go on writing to a device that fails
			whole = false
			break
		}
	}
	if whole && fl.of != nil {
		fl.of.pass(fl.index)
	}
	f.row.steps.landed(fl)
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

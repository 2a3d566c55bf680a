package stablewrite

import (
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
)

// Blocking calls serve every Device, and submissions to a file for which a ring is
// slow. The current goroutine makes a call if it has nothing else to do; otherwise a
// new goroutine does.

// elsewhere submits o, if any, on a new goroutine.
func (o *op) elsewhere() {
	if o != nil {
		go o.goes()
	}
}

// run submits o, and the submissions of the steps that follow.
func (o *op) run() {
	for o != nil {
		o = o.carry()
	}
}

// carry submits o, takes the next step, and returns the next submission. If the Device
// ends the goroutine, carry takes the step and submits on another one.
func (o *op) carry() (next *op) {
	st, returned := o.seg.of, false
	defer func() {
		if !returned {
			o.panic = &PanicError{}
		}
		st.mu.Lock()
		st.ended(o)
		if next = st.leave(); !returned {
			next.elsewhere()
		}
	}()
	o.call(st.f)
	returned = true
	return nil
}

// maxIdle bounds how often in a row a call may achieve nothing without an error.
const maxIdle = 100

// call makes o land whole, or fail. It keeps a panic of the Device in o, for the
// caller of the write, who may recover.
func (o *op) call(f *File) {
	defer o.died(debug.SetPanicOnFault(true))
	for idle, more := 0, true; more; {
		before := o.n
		n, err := f.writeDevice(o)
		o.seg.counts.Submissions++
		if idle++; errors.Is(err, syscall.EINTR) && idle < maxIdle {
			err = nil
			if n == 0 {
				continue
			}
		}
		if more = o.landed(n, err); o.n > before {
			idle = 0
		}
	}
}

// writeDevice calls the Device once.
func (f *File) writeDevice(o *op) (int, error) {
	bufs, off := o.left(), o.off+int64(o.n)
	if f.isPart(o.off, o.len) {
		d, ok := f.dev.(PartWriter)
		if !ok {
			return 0, fmt.Errorf("%w: this Device takes whole units of %d", ErrUnaligned, f.geo.OffsetAlign)
		}
		return d.WritePart(bufs[0], off)
	}
	if len(bufs) > 1 {
		return f.dev.(GatherWriter).WriteGatherAt(bufs, off)
	}
	return f.dev.WriteAt(bufs[0], off)
}

// died, deferred, keeps a panic in o.
func (o *op) died(was bool) {
	debug.SetPanicOnFault(was)
	if v := recover(); v != nil {
		o.panic = panicOf(v)
	}
}

// PanicError carries the panic of a Device to the goroutine that called the write,
// which panics with it once nothing of the write is in flight.
type PanicError struct {
	Value any // of the panic; nil if runtime.Goexit ended the goroutine
	Stack []byte
}

// panicOf returns the PanicError of a panic. A Device that writes to another File may
// panic with one.
func panicOf(v any) *PanicError {
	if p, ok := v.(*PanicError); ok {
		return p
	}
	return &PanicError{v, debug.Stack()}
}

func (p *PanicError) Error() string {
	return fmt.Sprintf("stablewrite: panic: %v\n\n%s", p.Value, p.Stack)
}

// Unwrap returns the value of the panic, if that is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

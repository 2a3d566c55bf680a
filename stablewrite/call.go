package stablewrite

import (
	"errors"
	"fmt"
	"runtime/debug"
	"syscall"
)

// Blocking calls are the engine of a Device, and on a file of what a ring does
// badly. A call is made by whoever is here, if they have nothing better to do, and
// by a goroutine of its own if they have.

// elsewhere submits o, if any, on a goroutine of its own.
func (o *op) elsewhere() {
	if o != nil {
		go o.goes()
	}
}

// run submits o, and what the steps that follow ask for.
func (o *op) run() {
	for o != nil {
		o = o.carry()
	}
}

// carry submits o, takes the step that follows, and returns what is to be submitted
// next. If the Device ended the goroutine, the step is taken as it ends.
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

// maxIdle bounds how often in a row a call may be interrupted with nothing landed.
const maxIdle = 100

// call makes o land whole, or fail. A panic of the Device is kept: it must not
// end the program where the caller of the write would recover.
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

// writeDevice is one call of the Device.
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
	switch v := recover().(type) {
	case nil:
	case *PanicError: // brought here already
		o.panic = v
	default:
		o.panic = &PanicError{v, debug.Stack()}
	}
}

// PanicError carries the panic of a Device to the goroutine that called the write,
// which panics with it once nothing of the write is in flight.
type PanicError struct {
	Value any // of the panic; nil if the goroutine was ended by runtime.Goexit
	Stack []byte
}

func (p *PanicError) Error() string {
	return fmt.Sprintf("stablewrite: panic: %v\n\n%s", p.Value, p.Stack)
}

// Unwrap returns the value of the panic, if that is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

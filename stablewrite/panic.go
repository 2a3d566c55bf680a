package stablewrite

import (
	"fmt"
	"runtime/debug"
)

// PanicError is a panic of a Device or of OnChanged on a goroutine of this
// package, brought to the caller's goroutine as another panic, with this value. A
// panic on the caller's own goroutine has the value that it had.
type PanicError struct {
	Value any // of the panic; nil if the goroutine was ended by runtime.Goexit
	Stack []byte
}

func (p *PanicError) Error() string {
	return fmt.Sprintf("stablewrite: panic on another goroutine: %v\n\n%s", p.Value, p.Stack)
}

// Unwrap returns the value of the panic, if that is an error.
func (p *PanicError) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// catch runs f on a goroutine of this package and stores what it panicked with in
// p. That its buffer was unmapped, or the file of it shrunk, is such a panic too:
// it must not end the program where the caller would recover. If f ends the
// goroutine, catch does not return, and p is set all the same.
func catch(p **PanicError, f func()) {
	debug.SetPanicOnFault(true)
	whole := false
	defer func() {
		if whole {
			return
		}
		v := recover()
		if q, ok := v.(*PanicError); ok { // brought here already
			*p = q
			return
		}
		*p = &PanicError{v, debug.Stack()}
	}()
	f()
	whole = true
}

package stablewrite

import "fmt"

// otherPanic is a panic of a Device or of OnChanged on a goroutine of this
// package, brought to the caller, who alone can recover from it.
type otherPanic struct {
	value any // nil: runtime.Goexit
	stack []byte
}

func (p *otherPanic) Error() string {
	return fmt.Sprintf("stablewrite: %v\n\n%s", p.value, p.stack)
}

// Unwrap returns the value, if it is an error.
func (p *otherPanic) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

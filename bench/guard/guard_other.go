//go:build !linux || !(amd64 || arm64)

package guard

import (
	"errors"
	"fmt"
)

// Main is the guard's main. In any other process it returns at once.
func Main() {}

// Exec becomes COMMAND, guarded. It returns only if it cannot.
func Exec(Options, []string) error {
	return &Error{CodeCannotGuard, fmt.Errorf("guarding needs Linux on amd64 or arm64: %w", errors.ErrUnsupported)}
}

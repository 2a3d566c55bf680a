//go:build !linux || !(amd64 || arm64)

package guard

import (
	"errors"
	"fmt"
)

// Main returns at once.
func Main() {}

// Exec needs Linux.
func Exec(Options, []string) error {
	return &Error{CodeCannotGuard, fmt.Errorf("guarding needs Linux on amd64 or arm64: %w", errors.ErrUnsupported)}
}

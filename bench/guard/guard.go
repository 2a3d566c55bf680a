package guard

import "os"

// Options say what becomes of what was counted. The zero value prints a text to
// standard error when COMMAND has ended, if O_DIRECT was taken from anything.
type Options struct {
	// Report has Records added to it, one a line: when COMMAND has ended, and once
	// more when the last process ended that it left behind, if that made a
	// difference. It must be open for appending.
	Report *os.File
	// JSON prints Records to standard error in place of the text.
	JSON bool
}

// Codes of errors, after the custom of programs that start others.
const (
	CodeCannotGuard = 125 // nothing was started: the guard cannot work here
	CodeCannotRun   = 126 // COMMAND was found but cannot be run, or not under a guard
	CodeNotFound    = 127 // COMMAND was not found
)

// Error is why nothing was started.
type Error struct {
	Code int // one of the above
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

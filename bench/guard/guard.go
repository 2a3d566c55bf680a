package guard

import "os"

// Options say how the guard reports. With the zero value it prints a text to standard
// error when COMMAND has ended, if anything lost O_DIRECT.
type Options struct {
	// Report must be open for appending. The guard appends Records, one a line, when
	// COMMAND has ended, and more when the last process that COMMAND left behind has
	// ended, if there are any.
	Report *os.File
	// JSON prints Records to standard error instead of the text.
	JSON bool
}

// Codes of errors, as other programs that start programs use them (env, nohup).
const (
	CodeCannotGuard = 125 // nothing was started: the guard cannot work here
	CodeCannotRun   = 126 // COMMAND was found but cannot be run, or not under a guard
	CodeNotFound    = 127 // COMMAND was not found
)

// Error says why nothing was started.
type Error struct {
	Code int // one of the above
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

package main

import (
	"io"
	"os"

	"golang.org/x/term"
)

// terminal is w if it is a terminal on which lines can be replaced, or nil.
func terminal(w io.Writer) *os.File {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	return f
}

// colored reports whether w shows colours, and its user has not asked for none
// (no-color.org).
func colored(w io.Writer) bool { return terminal(w) != nil && os.Getenv("NO_COLOR") == "" }

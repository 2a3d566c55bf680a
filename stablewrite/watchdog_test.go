package stablewrite

import (
	"runtime/debug"
	"time"
)

// watch ends the program with the stacks of all goroutines if what follows hangs.
func watch(name string, patience time.Duration) (done func()) {
	timer := time.AfterFunc(patience, func() {
		debug.SetTraceback("all")
		panic(name + " hangs")
	})
	return func() { timer.Stop() }
}

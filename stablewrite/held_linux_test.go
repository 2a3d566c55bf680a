package stablewrite

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// held counts the resources of the process that a test must give back.
type held struct {
	goroutines  int
	descriptors []string // the file of each
	mapped      []string // files, memfds, rings
	mappings    int      // of all kinds
	locks       int      // files whose ranges are locked
}

func nowHeld() (h held) {
	h.goroutines = runtime.NumGoroutine()
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		// The runtime opens these when it first needs them, and keeps them.
		if to, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && to != "anon_inode:[eventpoll]" && to != "anon_inode:[eventfd]" {
			h.descriptors = append(h.descriptors, to)
		}
	}
	h.descriptors = lessBorrowed(h.descriptors, 1)
	table, _ := os.ReadFile("/proc/self/maps")
	for line := range strings.Lines(string(table)) {
		h.mappings++
		if fields := strings.Fields(line); len(fields) > 5 && fields[5][0] != '[' {
			h.mapped = append(h.mapped, strings.Join(fields[5:], " "))
		}
	}
	h.mapped = lessBorrowed(h.mapped, 2)
	allTargets.mu.Lock()
	h.locks = len(allTargets.files)
	allTargets.mu.Unlock()
	return h
}

// moreMappings is how many mappings the Go heap and new threads may add. A mapping for
// every write would add more; mappings with a name are found by the name.
const moreMappings = 256

// leftBehind returns an error that names resources that were not held before. It waits
// for goroutines that are about to end, and for files that the runtime opens to count
// CPUs.
func (before held) leftBehind() (err error) {
	for range 1000 {
		if err = nowHeld().more(before); err == nil {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return err
}

// more returns an error that names a resource that now has and before does not.
func (now held) more(before held) error {
	for _, kept := range []struct{ was, is []string }{{before.descriptors, now.descriptors}, {before.mapped, now.mapped}} {
		was := slices.Clone(kept.was)
		for _, name := range kept.is {
			i := slices.Index(was, name)
			if i < 0 {
				return fmt.Errorf("left open or mapped: %s", name)
			}
			was = slices.Delete(was, i, i+1)
		}
	}
	switch {
	case now.goroutines > before.goroutines:
		stacks := make([]byte, 1<<20)
		return fmt.Errorf("%d goroutines, before %d:\n%s", now.goroutines, before.goroutines, stacks[:runtime.Stack(stacks, true)])
	case now.locks != before.locks:
		return fmt.Errorf("ranges of %d files locked, before %d", now.locks, before.locks)
	case now.mappings > before.mappings+moreMappings:
		return fmt.Errorf("%d mappings, before %d", now.mappings, before.mappings)
	}
	return nil
}

// dup duplicates fd for a child.
func dup(fd int) (*os.File, error) {
	again, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(again), "memfd"), nil
}

// lessBorrowed returns names without the rings that the process keeps for blocking
// writes; each has so many names.
func lessBorrowed(names []string, each int) []string {
	borrowed.mu.Lock()
	kept := borrowed.made * each
	borrowed.mu.Unlock()
	return slices.DeleteFunc(names, func(name string) bool {
		if !strings.Contains(name, "io_uring") || kept == 0 {
			return false
		}
		kept--
		return true
	})
}

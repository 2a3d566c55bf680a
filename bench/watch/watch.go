package watch

import (
	"fmt"

	"stablepages/bench/record"
)

// MostBlocks is the most that Options.MaxBlocks can be: a completion, often in an
// interrupt, looks at no more.
const MostBlocks = 256

// Options say what is watched. The zero value is every direct write of every
// program.
type Options struct {
	PID       int      // a process, with what it starts from now on; 0: all
	Children  bool     // what this process starts from now on, instead
	Comm      string   // programs of this name only, as ps(1) shows it, at most 15 bytes
	Devices   []string // writes to these only, and to what is made of them; names as in /dev
	All       bool     // look at writes that are not direct, too
	Sample    int      // look at one write of so many, by chance; 0: at each
	MaxBlocks int      // look at so many blocks of a write, from a random one on; 0: MostBlocks
	Stacks    bool     // keep where a program submitted a write that changed

	// OnChanged is called for each program, when it is first seen to change a
	// direct write, from a goroutine of the Watcher. It may be nil.
	OnChanged func(record.Watch)

	rows, inFlight uint32 // that there is room for; 0: 4096 programs, 8192 writes
}

// Validate refuses what cannot be watched, and sets defaults.
func (o *Options) Validate() error {
	if o.Sample == 0 {
		o.Sample = 1
	}
	if o.MaxBlocks == 0 {
		o.MaxBlocks = MostBlocks
	}
	switch {
	case o.PID < 0:
		return fmt.Errorf("PID %d is no process", o.PID)
	case o.Sample < 0:
		return fmt.Errorf("one write of %d cannot be looked at: the number must be 1 or more", o.Sample)
	case o.MaxBlocks < 0 || o.MaxBlocks > MostBlocks:
		return fmt.Errorf("%d blocks cannot be looked at: the number must be from 1 to %d", o.MaxBlocks, MostBlocks)
	case len(o.Comm) > 15:
		return fmt.Errorf("%q is longer than the 15 bytes that the kernel keeps of a name", o.Comm)
	}
	return nil
}

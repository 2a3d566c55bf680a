package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

type reproFlags struct {
	cfg         repro.Config
	size        size
	keep, force bool
	json        bool
}

func newRepro() *cobra.Command {
	f := reproFlags{size: 1 << 20, cfg: repro.Config{Strategy: stablewrite.Raw, Mutator: mutator.Stock}}
	cmd := &cobra.Command{
		Use:   "repro [FILE]",
		Short: "Race a mutator against writes and judge the media",
		Long: `repro writes a buffer to the start of FILE with O_DIRECT, over and over, while a
mutator changes the buffer. After every write it reads the media back. Without flags
it is the program of 2011: raw writes of 1 MiB to a file named testfile, while a
second process fills the buffer with another letter each second, until SIGINT or
until a read fails.

A write is torn if the media differ from its receipt. With --gate every change is made
in flight: after the submission was accepted, before its completion is reaped. Without
--gate the mutator runs free, as in 2011.

FILE must not exist, and is removed at the end. With --force it may exist or be
a block device; its first bytes are then overwritten, and it stays.

Strategies:
` + choices(stablewrite.Strategies()) + `

Mutators:
` + choices(mutator.Kinds()),
		Example: `  stablewrite repro                                          # the program of 2011
  stablewrite repro --strategy raw --mutator storm --writes 1000
  stablewrite repro --strategy verify --mutator aba --gate --duration 10s /mnt/scratch/f`,
		Args: positional(cobra.MaximumNArgs(1), ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.cfg.Gate && !cmd.Flags().Changed("hold") {
				f.cfg.Hold = repro.DefaultGatedHold
			}
			if err := f.check(); err != nil {
				return err
			}
			return f.run(cmd, append(args, "testfile")[0])
		},
	}
	fl := cmd.Flags()
	fl.TextVar(&f.cfg.Strategy, "strategy", f.cfg.Strategy, "the writer's `strategy`")
	fl.TextVar(&f.cfg.Mutator, "mutator", f.cfg.Mutator, "the `mutator` that changes the buffer")
	fl.BoolVar(&f.cfg.Gate, "gate", false, "make every change in flight")
	fl.TextVar(&f.cfg.Detect, "detect", f.cfg.Detect, "how verify and detect notice changes: `digest`, crc32c or tracking (by the kernel, with --in thread)")
	fl.BoolVar(&f.cfg.Buffered, "buffered", false, "write through the page cache: with raw and --gate the negative control")
	fl.TextVar(&f.size, "size", f.size, "bytes of each write: a `size` that is a multiple of 4096")
	fl.DurationVar(&f.cfg.Duration, "duration", 0, "end after this time (0: no end)")
	fl.IntVar(&f.cfg.Writes, "writes", 0, "end after `N` writes (0: no end)")
	fl.DurationVar(&f.cfg.Hold, "hold", repro.DefaultHold, fmt.Sprintf("how long aba leaves a block changed; with --gate by default %v", repro.DefaultGatedHold))
	fl.TextVar(&f.cfg.In, "in", f.cfg.In, "where the mutator runs: in another `process`, or in a thread of this one")
	fl.Uint64Var(&f.cfg.Seed, "seed", 0, "seed of the mutator's random choices (0: any)")
	fl.BoolVar(&f.keep, "keep", false, "leave the file that was created")
	fl.BoolVar(&f.force, "force", false, "overwrite FILE if it exists or is a block device")
	fl.BoolVar(&f.json, "json", false, "print a Record instead of a verdict")
	return cmd
}

// choices lists values of a flag, and describes each.
func choices[T interface {
	String() string
	About() string
}](all []T) string {
	return strings.Join(each(all, func(v T) string { return fmt.Sprintf("  %-9s %s", v, v.About()) }), "\n")
}

// check refuses arguments that make no sense.
func (f *reproFlags) check() error {
	switch {
	case f.size <= 0 || f.size%4096 != 0:
		return usagef("--size is %d: it must be a multiple of 4096 and not 0", int(f.size))
	case f.cfg.Buffered && f.cfg.Strategy == stablewrite.Raw && !f.cfg.Gate:
		return usagef("--buffered with raw needs --gate: a mutator that runs free also changes the buffer before the kernel copies it, and that would be counted as torn")
	case f.cfg.Detect != stablewrite.ByDigest && !f.cfg.Strategy.Detects():
		return usagef("--detect is for the strategies verify and detect, not for %v", f.cfg.Strategy)
	case f.cfg.Writes < 0 || f.cfg.Duration < 0 || f.cfg.Hold < 0:
		return usagef("--writes, --duration and --hold must not be negative")
	}
	f.cfg.Size = int(f.size)
	if f.cfg.Seed == 0 {
		f.cfg.Seed = rand.Uint64() >> 11 // JSON numbers are exact up to 53 bits
	}
	f.cfg.StopAtReadError = f.cfg.Writes == 0 && f.cfg.Duration == 0
	return nil
}

func (f *reproFlags) run(cmd *cobra.Command, name string) error {
	rec, err := f.race(cmd, name)
	if err = advised(err); err != nil {
		return err
	}
	v := repro.Judge(rec)
	if f.json {
		err = record.Write(cmd.OutOrStdout(), rec)
	} else {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), v.Text)
	}
	switch {
	case err != nil:
		return err
	case rec.Interrupted:
		return &exit{code: exitInterrupted}
	case v.Outcome == repro.Torn:
		return &exit{code: exitTorn}
	case v.Outcome != repro.Clean:
		return &exit{code: exitFailed}
	}
	return nil
}

// race runs the race. The file is removed before anything is printed: printing to a
// broken pipe ends the program.
func (f *reproFlags) race(cmd *cobra.Command, name string) (record.Repro, error) {
	target, err := scratch.Open(name, f.force, f.keep)
	if err != nil {
		return record.Repro{}, err
	}
	defer target.Close()
	ctx, stop := interruptible(cmd)
	defer stop()
	f.cfg.Target = target.File
	line := newStatus(cmd.ErrOrStderr())
	defer line.clear()
	var shown float64 // seconds
	return repro.Run(ctx, f.cfg, func(r record.Repro) {
		if r.Seconds < shown+0.1 {
			return
		}
		shown = r.Seconds
		line.show("%v against %v: %s, %d writes, %d overlapped, %d resubmitted, %d torn",
			r.Strategy, r.Mutator, time.Duration(r.Seconds*1e9).Round(100*time.Millisecond), r.Writes, r.Overlapped, r.Resubmitted, r.Torn)
	})
}

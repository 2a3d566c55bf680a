package main

import (
	"errors"
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
mutator changes the buffer, and reads back after every write what is on the
media. Without flags it is the program of 2011: raw writes of 1 MiB to a file
named testfile while a second process fills the buffer with another letter each
second, until SIGINT or until a read fails.

A write is torn if the media differ from the receipt that the write returned. With --gate
every change is made in flight: after the submission was accepted, before its
completion is reaped. Without --gate the mutator runs free, as in 2011.

FILE must not exist, and is removed at the end. With --force it may exist or be
a block device; its first bytes are then overwritten, and it stays.

` + choices(),
		Example: `  stablewrite repro                                          # the program of 2011
  stablewrite repro --strategy raw --mutator storm --writes 1000
  stablewrite repro --strategy verify --mutator aba --gate --duration 10s /mnt/scratch/f`,
		Args: positional(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			if !cmd.Flags().Changed("hold") {
				f.cfg.Hold = repro.DefaultHold
				if f.cfg.Gate {
					f.cfg.Hold = repro.DefaultGatedHold
				}
			}
			name := "testfile"
			if len(args) == 1 {
				name = args[0]
			}
			return f.run(cmd, name)
		},
	}
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.TextVar(&f.cfg.Strategy, "strategy", f.cfg.Strategy, "the writer's `strategy`")
	fl.TextVar(&f.cfg.Mutator, "mutator", f.cfg.Mutator, "who changes the buffer: a `mutator`")
	fl.BoolVar(&f.cfg.Gate, "gate", false, "make every change in flight")
	fl.TextVar(&f.cfg.Detect, "detect", f.cfg.Detect, "how verify and detect notice changes: by `digest`, crc32c or tracking (the kernel's, with --in thread)")
	fl.BoolVar(&f.cfg.Buffered, "buffered", false, "write through the page cache: with raw and --gate the negative control")
	fl.Var(&f.size, "size", "bytes of each write, a multiple of 4096")
	fl.DurationVar(&f.cfg.Duration, "duration", 0, "end after this time (0: no end)")
	fl.IntVar(&f.cfg.Writes, "writes", 0, "end after `N` writes (0: no end)")
	fl.DurationVar(&f.cfg.Hold, "hold", 0, fmt.Sprintf("how long aba leaves a block changed (default %v, with --gate %v)", repro.DefaultHold, repro.DefaultGatedHold))
	fl.TextVar(&f.cfg.In, "in", f.cfg.In, "where the mutator runs: in another `process`, or in a thread of this one")
	fl.Uint64Var(&f.cfg.Seed, "seed", 0, "seed of the mutator's choices (0: random)")
	fl.BoolVar(&f.keep, "keep", false, "leave the file that was created")
	fl.BoolVar(&f.force, "force", false, "overwrite FILE if it exists or is a block device")
	fl.BoolVar(&f.json, "json", false, "print a Record instead of a verdict")
	return cmd
}

// choices lists the values of --strategy and --mutator.
func choices() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Strategies:\n%s\n\nMutators:\n", strategyChoices())
	for _, k := range mutator.Kinds() {
		fmt.Fprintf(&b, "  %-9s %s\n", k, k.About())
	}
	return strings.TrimRight(b.String(), "\n")
}

// strategyChoices lists the strategies.
func strategyChoices() string {
	var b strings.Builder
	for _, s := range stablewrite.Strategies() {
		fmt.Fprintf(&b, "  %-9s %s\n", s, s.About())
	}
	return strings.TrimRight(b.String(), "\n")
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
	if errors.Is(err, stablewrite.ErrNotDirect) {
		return fmt.Errorf("%w; name a file on ext4 or xfs, or a block device", err)
	}
	if err != nil {
		return err
	}
	v := repro.Judge(rec)
	if f.json {
		err = record.Write(cmd.OutOrStdout(), rec)
	} else {
		_, err = fmt.Fprintln(cmd.OutOrStdout(), v.Text)
	}
	if err != nil {
		return err
	}
	return verdictExit(rec, v)
}

// race is over, and its file gone, before anything is printed: printing into a
// pipe that nobody reads ends the program.
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
	return repro.Run(ctx, f.cfg, func(r record.Repro) {
		line.show("%v against %v: %s, %d writes, %d overlapped, %d resubmitted, %d torn",
			r.Strategy, r.Mutator, time.Duration(r.Seconds*1e9).Round(100*time.Millisecond), r.Writes, r.Overlapped, r.Resubmitted, r.Torn)
	})
}

func verdictExit(rec record.Repro, v repro.Verdict) error {
	switch {
	case rec.Interrupted:
		return &exit{code: exitInterrupted}
	case v.Outcome == repro.Torn:
		return &exit{code: exitTorn}
	case v.Outcome != repro.Clean:
		return &exit{code: exitFailed}
	}
	return nil
}

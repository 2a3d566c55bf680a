package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stablepages/bench/cost"
	"stablepages/bench/record"
	"stablepages/bench/report"
	"stablepages/bench/scratch"
	"stablepages/stablewrite"
)

type benchFlags struct {
	plan              cost.Plan
	sizes             []size
	mutated           []float64 // in percent
	out               string
	bandwidth         float64 // MB/s
	peers, calls      bool
	keep, force, json bool
}

func newBench() *cobra.Command {
	f := benchFlags{
		plan: cost.Plan{
			Strategies: []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce, stablewrite.Buffered},
			Depths:     []int{1, 16}, Rounds: 9, Time: 100 * time.Millisecond,
			Latency: cost.DefaultLatency,
		},
		sizes: []size{4 << 10, 64 << 10, 1 << 20}, mutated: []float64{0, 100},
		bandwidth: cost.DefaultBandwidth / 1e6, peers: true,
	}
	cmd := &cobra.Command{
		Use:   "bench [FILE]",
		Short: "What each strategy costs, by plain direct writes in the same rounds",
		Long: `bench writes with every strategy in turn, round after round, and compares each
with raw, a plain direct write, in the same round. The default run takes about five
minutes, three without --peers: each cell takes --time in each of --rounds rounds,
after a round to warm up.

Without FILE it writes to an unnamed file in the current directory: 64 MiB, or more
if more than that is in flight. FILE must not exist, and is removed at the end; with
--force it may exist or be a block device, and stays. --target null completes every
write at once, so only the software costs anything; --target delay simulates a device
with a fixed latency and bandwidth. Neither takes a FILE.

With --mutated, that share of all writes changes in flight: after the kernel
accepted the submission, before its completion is reaped. Every writer, also raw,
then submits by io_submit, makes the change and reaps, and is compared with raw
with the same share of changes. The last writes are read back and compared with
their receipts.

At depth 1 the writer waits for each write. At larger depths one goroutine keeps
that many writes in flight with a Queue, which uses io_uring where it can; --calls
adds rows that use blocking calls instead.

The buffers are 4 KiB pages. Further rows: raw again, whose ratio to raw shows the
noise; raw from huge pages; raw with a CRC-32C before each write; raw from a buffer
that the data is copied to before each write, as in a program that produces its data;
the page cache with RWF_DONTCACHE; the page cache without a private copy and its sum;
verify by tracking, where the kernel supports it. With nothing changing, fio and dd
(depth 1) run, too, if they are installed. fio runs psync, psync with its crc32c, and
io_uring with registered buffers; its buffers are not scrambled.

Results go to results.jsonl in a new directory, one JSON object (a Record) a line.

Strategies:
` + choices(stablewrite.Strategies()),
		Example: `  stablewrite bench
  stablewrite bench --sizes 4k,64k,1M,16M --depths 1,4,16,64 --mutated 0,1,10,50,100 /mnt/scratch/f
  stablewrite bench --strategies verify,bounce --target null --depths 1
  stablewrite bench --strategies verify,bounce --sizes 4k,64k,1M,4M --depths 1,4,16,32 --mutated 0 --calls
  stablewrite bench --force --cold /dev/nvme1n1`,
		Args: positional(cobra.MaximumNArgs(1), ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.complete(args); err != nil {
				return usage(err)
			}
			return f.run(cmd, args)
		},
	}
	fl := cmd.Flags()
	fl.Var(newValues(&f.plan.Strategies, parseText[stablewrite.Strategy], "names"), "strategies", "strategies to time; raw is always timed")
	fl.Var(newValues(&f.sizes, parseText[size], "sizes"), "sizes", "bytes of each write, multiples of 4096")
	fl.Var(newValues(&f.plan.Depths, strconv.Atoi, "numbers"), "depths", "writes in flight at a time")
	fl.Var(newValues(&f.mutated, parsePercent, "percentages"), "mutated", "share of the writes that change in flight")
	fl.IntVar(&f.plan.ChangedBlocks, "changed-blocks", 0, "how many 4 KiB blocks of such a write change (0: all)")
	fl.IntVar(&f.plan.Rounds, "rounds", f.plan.Rounds, "rounds; with fewer than 6 there are no intervals")
	fl.DurationVar(&f.plan.Time, "time", f.plan.Time, "time of each cell in each round")
	fl.StringVar((*string)(&f.plan.On), "target", string(record.OnFile), "what to write to: a `file` (or block device), null or delay")
	fl.DurationVar(&f.plan.Latency, "delay-latency", f.plan.Latency, "latency of --target delay")
	fl.Float64Var(&f.bandwidth, "delay-bandwidth", f.bandwidth, "bandwidth of --target delay, in `MB/s`")
	fl.BoolVar(&f.plan.Cold, "cold", false, "write from memory twice as large as the last-level cache (without peers)")
	fl.BoolVar(&f.calls, "calls", false, "also time the strategies with blocking calls where they use io_uring")
	fl.BoolVar(&f.peers, "peers", f.peers, "also time fio and dd, if they are installed")
	fl.StringVar(&f.out, "out", "", "`directory` for results.jsonl (default stablewrite-DATE, new)")
	fl.BoolVar(&f.keep, "keep", false, "leave the file that was created")
	fl.BoolVar(&f.force, "force", false, "overwrite FILE if it exists or is a block device, and an existing results.jsonl")
	fl.BoolVar(&f.json, "json", false, "print the Records instead of tables")
	return cmd
}

// parsePercent parses a share as a flag.
func parsePercent(text string) (float64, error) {
	v, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || !(v >= 0 && v <= 100) {
		return 0, fmt.Errorf("%q is not a percentage from 0 to 100", text)
	}
	return v, nil
}

// ascending returns all in order, each once: "4k,4096" is one size.
func ascending[T cmp.Ordered](all []T) []T { return slices.Compact(slices.Sorted(slices.Values(all))) }

// complete completes the plan from the flags, and checks it.
func (f *benchFlags) complete(args []string) error {
	p := &f.plan
	p.Sizes = ascending(each(f.sizes, func(s size) int { return int(s) }))
	p.Mutated = ascending(each(f.mutated, func(share float64) float64 { return share / 100 }))
	p.Depths = ascending(p.Depths)
	if !slices.Contains(p.Strategies, stablewrite.Raw) {
		p.Strategies = slices.Insert(p.Strategies, 0, stablewrite.Raw)
	}
	p.Variants = cost.Variants()
	if !slices.Contains(p.Strategies, stablewrite.Buffered) {
		p.Variants = slices.DeleteFunc(p.Variants, func(v record.Variant) bool { return v == record.Unsummed })
	}
	if slices.Contains(p.Strategies, stablewrite.Verify) {
		p.Variants = append(p.Variants, record.Tracked)
	}
	if f.calls {
		p.Variants = append(p.Variants, record.Calls)
	}
	p.Bandwidth = f.bandwidth * 1e6
	switch {
	case p.On != record.OnFile && !p.On.Simulated():
		return fmt.Errorf("--target is %q: it must be file, null or delay; a block device is given as FILE", p.On)
	case p.On.Simulated() && len(args) > 0:
		return fmt.Errorf("--target %s has no FILE: leave FILE out", p.On)
	}
	return p.Validate()
}

func (f *benchFlags) run(cmd *cobra.Command, args []string) error {
	res, err := newResults(cmd, f.out, f.force, f.json)
	if err != nil {
		return err
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	return res.end(cmd, report.Text, nil, advised(f.time(ctx, cmd, args, res)))
}

// time times the plan. It removes the file before anything but Records is printed: a
// broken pipe ends the program.
func (f *benchFlags) time(ctx context.Context, cmd *cobra.Command, args []string, res *results) error {
	p := f.plan
	p.Note = res.note
	if p.On == record.OnFile {
		target, err := f.open(args)
		if err != nil {
			return err
		}
		defer target.Close()
		if err := res.apart(target.File); err != nil {
			return err
		}
		p.Target, p.On = target.File, "" // cost.Run sets On to file or device
		if f.peers && !p.Cold {
			installed, missing := cost.Peers()
			p.Variants = append(p.Variants, installed...)
			for _, name := range missing {
				p.Note(name + " is not installed: its row is left out")
			}
		}
	}
	line, done, cells := newBar(cmd.ErrOrStderr()), 0, p.Cells()
	defer line.clear()
	return cost.Run(ctx, p, func() {
		line.show(done, cells, "timing the strategies")
		done++
	}, func(rec record.Cost) error { return res.write(rec) })
}

// open opens the file or device to write to.
func (f *benchFlags) open(args []string) (*scratch.File, error) {
	if len(args) > 0 {
		return scratch.Open(args[0], f.force, f.keep)
	}
	target, err := scratch.Temporary(".")
	return &scratch.File{File: target}, err
}

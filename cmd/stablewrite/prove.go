package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/bench/report"
	"stablepages/bench/victim"
	"stablepages/stablewrite"
)

type proveFlags struct {
	plan              prove.Plan
	series            []kernel.Series
	dirs              []string // of further kernels
	cache, out        string
	list, force, json bool
}

func newProve() *cobra.Command {
	f := proveFlags{plan: prove.Plan{
		Strategies: []stablewrite.Strategy{stablewrite.Raw, stablewrite.Verify, stablewrite.Bounce},
		Scenarios:  prove.Scenarios(),
	}}
	cmd := &cobra.Command{
		Use:   "prove",
		Short: "Run the race inside stock kernels, on layers that need stable pages",
		Long: `prove boots stock Debian kernels in QEMU and runs the race inside, on layers that
need stable pages (btrfs, md raid1, T10 PI, dm-integrity, DRBD), on xfs, ext4 and
btrfs stacked on them, and on controls that need none: mutators against strategies,
running free and gated; the read with two equal iovec bases of the mail of 2011;
unmodified programs (the one of the mail, fio, QEMU), plain and under the command run;
writers that end, and a power cut, in the middle of a write; and writes that fail
below. It prints for each kernel which stacks are open, and the answer of probe.
Two machines run at a time. The whole takes about an hour on two processors.

It downloads each kernel once (about 40 MB) to a cache, with apt-get, which
checks that Debian signed it: 6.1 from bookworm-security, 6.12 from
trixie-security, and the newest one of trixie-backports. Sources and settings of
apt on this machine are not changed, and only its proxies are used. It needs no
privileges. The processor is emulated unless KVM is asked for: a fault that is seen
exists; its rate elsewhere is not known. Disks of the machines have no names and are
gone when the program ends, however it ends.
Results go to results.jsonl in a new directory, one JSON object (a Record) a
line.`,
		Example: `  stablewrite prove --list
  stablewrite prove
  stablewrite prove --kernels 6.1 --victims btrfs --strategies raw,verify --mutators storm,aba
  stablewrite prove --kernels 6.1 --victims btrfs --scenarios program --programs qemu
  stablewrite prove --kernels newest --quick
  stablewrite prove --kernel /tmp/unpacked --victims md-raid1`,
		Args: noArguments("--victims, --kernels and others choose"),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	mutators := func(needsStablePages bool) string {
		return strings.Join(each(prove.Mutators(needsStablePages), mutator.Kind.String), ",")
	}
	programs := each(prove.Programs(), func(p prove.Program) string { return p.Name })
	fl := cmd.Flags()
	fl.Var(newValues(&f.series, kernel.SeriesNamed, "series"), "kernels", `Debian's newest kernels of these series (default 6.1,6.12,newest); "7.3": the newest of all, while it has that version`)
	fl.StringArrayVar(&f.dirs, "kernel", nil, "the kernel unpacked in `DIR` (boot/vmlinuz-*, lib/modules); without --kernels only it")
	fl.Var(newValues(&f.plan.Victims, victim.Named, "layers"), "victims", "layers to race on (default all)")
	fl.Var(newValues(&f.plan.Strategies, parseText[stablewrite.Strategy], "writers"), "strategies", "who writes")
	fl.Var(newValues(&f.plan.Mutators, parseText[mutator.Kind], "who"), "mutators", fmt.Sprintf("who changes the buffer (default %s; on controls %s)", mutators(true), mutators(false)))
	fl.Var(newValues(&f.plan.Scenarios, parseScenario, "what"), "scenarios", "what is tried")
	fl.Var(newValues(&f.plan.Programs, prove.ProgramNamed, "programs"), "programs", fmt.Sprintf("unmodified programs: %s (default all on btrfs, dio-race elsewhere)", strings.Join(programs, ",")))
	fl.BoolVar(&f.plan.Quick, "quick", false, "make a third of the writes")
	fl.DurationVar(&f.plan.Until, "until", time.Minute, "longest `time` of a race that is to show a failure and has shown none")
	fl.StringVar((*string)(&f.plan.Accel), "accel", string(kernel.Emulated), "the processor: tcg (emulated) or kvm")
	fl.StringVar(&f.cache, "cache", "", "`directory` of downloaded kernels (default stablewrite/kernels in the user's cache)")
	fl.StringVar(&f.plan.Dir, "dir", ".", "`directory` of the machines' disks, 3 GiB at a time, on a file system that takes O_DIRECT")
	fl.StringVar(&f.out, "out", "", "`directory` for results.jsonl (default stablewrite-DATE, new)")
	fl.BoolVar(&f.list, "list", false, "list the prerequisites that are here, and how to get the rest")
	fl.BoolVar(&f.force, "force", false, "overwrite an existing results.jsonl")
	fl.BoolVar(&f.json, "json", false, "print the Records instead of tables")
	return cmd
}

func scenarioNames() []string {
	return each(prove.Scenarios(), func(s record.Scenario) string { return string(s) })
}

func parseScenario(name string) (record.Scenario, error) {
	if !slices.Contains(scenarioNames(), name) {
		return "", fmt.Errorf("there is no %q: there are %s", name, strings.Join(scenarioNames(), ", "))
	}
	return record.Scenario(name), nil
}

// complete completes the plan from the flags, and checks it.
func (f *proveFlags) complete() error {
	p := &f.plan
	switch {
	case p.Accel != kernel.Emulated && p.Accel != kernel.KVM:
		return usagef("--accel is %q: it is tcg or kvm", p.Accel)
	case p.Until < 0:
		return usagef("--until must not be negative")
	}
	if f.series == nil && f.dirs == nil {
		f.series = kernel.AllSeries()
	}
	if p.Victims == nil {
		p.Victims = victim.All()
	}
	return nil
}

func (f *proveFlags) run(cmd *cobra.Command) error {
	if err := f.complete(); err != nil {
		return err
	}
	// These directories have the tools that make file systems, and are not in the PATH of
	// users.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	if f.cache == "" {
		var err error
		if f.cache, err = kernel.CacheDir(); err != nil {
			return fmt.Errorf("%w with --cache", err)
		}
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	if f.list {
		return f.writeList(ctx, cmd.OutOrStdout())
	}
	res, err := newResults(cmd, f.out, f.force, f.json)
	if err != nil {
		return err
	}
	if err := f.plan.Check(); err != nil {
		return err
	}
	// Another program may have the name of this one before the last machine boots.
	f.plan.Program = fmt.Sprintf("/proc/%d/exe", os.Getpid())
	line := newStatus(cmd.ErrOrStderr())
	err = f.find(ctx, line)
	line.clear()
	var failures []error
	if err == nil {
		progress := newBar(cmd.ErrOrStderr())
		failures, err = prove.Run(ctx, f.plan, func(rec record.Prove) error { return res.write(rec) }, progress.show)
		progress.clear()
	}
	return res.end(cmd, report.Text, each(failures, error.Error), err)
}

// find finds the kernels of the plan.
func (f *proveFlags) find(ctx context.Context, line *status) error {
	for _, dir := range f.dirs {
		k, err := kernel.Open(dir)
		if err != nil {
			return err
		}
		f.plan.Kernels = append(f.plan.Kernels, k)
	}
	for _, s := range f.series {
		line.show("fetching %v from %s", s, s.Suite)
		k, err := s.Fetch(ctx, f.cache)
		if err != nil {
			return err
		}
		f.plan.Kernels = append(f.plan.Kernels, k)
	}
	return nil
}

func (f *proveFlags) writeList(ctx context.Context, out io.Writer) error {
	items := f.plan.Items()
	for _, dir := range f.dirs {
		k, err := kernel.Open(dir)
		items = append(items, prove.NewItem(strings.TrimSpace("Linux "+k.Version), dir, err))
	}
	for _, s := range f.series {
		items = append(items, prove.KernelOf(ctx, f.cache, s))
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, i := range items {
		fmt.Fprintf(t, "%s\t%s\t%s\n", i.What, map[bool]string{true: "yes", false: "no"}[i.Have], i.How)
	}
	return t.Flush()
}

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"stablepages/bench/findings"
	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/record"
	"stablepages/bench/report"
	"stablepages/bench/victim"
	"stablepages/stablewrite"
)

type proveFlags struct {
	kernels, dirs                            []string
	series                                   []kernel.Series // of kernels
	victims, strategies, mutators, scenarios []string
	programs                                 []string
	accel, cache, dir, out                   string
	until                                    time.Duration
	quick, list, force, json                 bool
}

func newProve() *cobra.Command {
	var f proveFlags
	cmd := &cobra.Command{
		Use:   "prove",
		Short: "Run the race inside stock kernels, on layers that need stable pages",
		Long: `prove boots stock Debian kernels in QEMU and runs the race inside, on layers that
need stable pages (btrfs, md raid1, T10 PI, dm-integrity, DRBD), on xfs, ext4 and
btrfs stacked on them, and on controls that need none: mutators against strategies,
running free and gated; the read with two equal iovec bases of the mail of 2011;
unmodified programs (that of the mail, fio, QEMU), plain and under the command run;
writers that end, and a power cut, in the middle of a write; and writes that fail
below. It says for each kernel which stacks are open, and what probe says of them.
Two machines run at a time. Whole, it takes about an hour and a half.

It downloads each kernel once (about 40 MB) to a cache, with apt-get, which
checks that Debian signed it: 6.1 from bookworm-security, 6.12 from
trixie-security, and the newest one of trixie-backports. Sources and settings of
apt on this machine are neither used, but for proxies, nor changed. It needs no
privileges. The processor is emulated unless KVM is asked for: what is seen to
happen happens, how often it does elsewhere is not shown. Disks of the machines
have no names and are gone when the program ends, however that comes about.
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
	fl := cmd.Flags()
	fl.SortFlags = false
	fl.StringSliceVar(&f.kernels, "kernels", seriesNames(), "Debian's newest kernels of these `series`; \"7.3\": the newest of all, if it is that")
	fl.StringArrayVar(&f.dirs, "kernel", nil, "the kernel unpacked in `DIR` (boot/vmlinuz-*, lib/modules); without --kernels only it")
	fl.StringSliceVar(&f.victims, "victims", nil, "`layers` to race on (default all)")
	fl.StringSliceVar(&f.strategies, "strategies", []string{"raw", "verify", "bounce"}, "`writers`")
	fl.StringSliceVar(&f.mutators, "mutators", nil, fmt.Sprintf("`who` changes the buffer (default %s; on controls %s)", joined(prove.Mutators(true)), joined(prove.Mutators(false))))
	fl.StringSliceVar(&f.scenarios, "scenarios", names(prove.Scenarios()), "`what` is tried")
	fl.StringSliceVar(&f.programs, "programs", nil, fmt.Sprintf("unmodified `programs`: %s (default all on btrfs, dio-race elsewhere)", strings.Join(programNames(), ",")))
	fl.BoolVar(&f.quick, "quick", false, "make a third of the writes, and know less")
	fl.DurationVar(&f.until, "until", time.Minute, "go on as long with a race that is to show a failure and has shown none")
	fl.StringVar(&f.accel, "accel", string(kernel.Emulated), "the processor: tcg (emulated) or kvm")
	fl.StringVar(&f.cache, "cache", "", "`directory` of downloaded kernels (default stablewrite/kernels in the user's cache)")
	fl.StringVar(&f.dir, "dir", ".", "`directory` of the machines' disks, 3 GiB at a time, on a file system that takes O_DIRECT")
	fl.StringVar(&f.out, "out", "", "`directory` for results.jsonl (default stablewrite-DATE, new)")
	fl.BoolVar(&f.list, "list", false, "say what is available here, and how to get the rest")
	fl.BoolVar(&f.force, "force", false, "overwrite an existing results.jsonl")
	fl.BoolVar(&f.json, "json", false, "print the Records instead of tables")
	return cmd
}

func seriesNames() (names []string) {
	for _, s := range kernel.AllSeries() {
		names = append(names, s.Name)
	}
	return names
}

func programNames() (names []string) {
	for _, p := range prove.Programs() {
		names = append(names, p.Name)
	}
	return names
}

func names[T ~string](all []T) (text []string) {
	for _, x := range all {
		text = append(text, string(x))
	}
	return text
}

func joined[T fmt.Stringer](all []T) string {
	var text []string
	for _, x := range all {
		text = append(text, x.String())
	}
	return strings.Join(text, ",")
}

// plan is what the flags ask for, but for the kernels.
func (f *proveFlags) plan(cmd *cobra.Command) (p prove.Plan, err error) {
	p.Quick, p.Until, p.Dir, p.Accel = f.quick, f.until, f.dir, kernel.Accel(f.accel)
	switch {
	case p.Accel != kernel.Emulated && p.Accel != kernel.KVM:
		return p, usagef("--accel is %q: it is tcg or kvm", f.accel)
	case f.until < 0:
		return p, usagef("--until must not be negative")
	case len(f.dirs) > 0 && !cmd.Flags().Changed("kernels"):
		f.kernels = nil
	}
	for flag, values := range map[string][]string{"victims": f.victims, "strategies": f.strategies, "mutators": f.mutators, "scenarios": f.scenarios, "programs": f.programs} {
		if len(values) == 0 && cmd.Flags().Changed(flag) {
			return p, usagef("--%s names none", flag)
		}
	}
	for _, name := range f.kernels {
		s, err := kernel.SeriesNamed(name)
		if err != nil {
			return p, usage(err)
		}
		f.series = append(f.series, s)
	}
	if p.Victims = victim.All(); cmd.Flags().Changed("victims") {
		p.Victims = nil
		for _, name := range f.victims {
			v, err := victim.Named(name)
			if err != nil {
				return p, usage(err)
			}
			p.Victims = append(p.Victims, v)
		}
	}
	for _, name := range f.strategies {
		var s stablewrite.Strategy
		if err := s.UnmarshalText([]byte(name)); err != nil {
			return p, usage(err)
		}
		p.Strategies = append(p.Strategies, s)
	}
	for _, name := range f.mutators {
		var k mutator.Kind
		if err := k.UnmarshalText([]byte(name)); err != nil {
			return p, usage(err)
		}
		p.Mutators = append(p.Mutators, k)
	}
	for _, name := range f.programs {
		prog, err := prove.ProgramNamed(name)
		if err != nil {
			return p, usage(err)
		}
		p.Programs = append(p.Programs, prog)
	}
	for _, name := range f.scenarios {
		if err := known("scenarios", name, names(prove.Scenarios())); err != nil {
			return p, err
		}
		p.Scenarios = append(p.Scenarios, record.Scenario(name))
	}
	return p, nil
}

// known refuses a value of a flag that is none of those there are.
func known(flag, value string, there []string) error {
	if slices.Contains(there, value) {
		return nil
	}
	return usagef("--%s: there is no %q: there are %s", flag, value, strings.Join(there, ", "))
}

func (f *proveFlags) run(cmd *cobra.Command) error {
	plan, err := f.plan(cmd)
	if err != nil {
		return err
	}
	// The tools that make file systems are there, where the PATH of users does not
	// look.
	if err := os.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin"); err != nil {
		return err
	}
	if f.cache == "" {
		if f.cache, err = kernel.CacheDir(); err != nil {
			return fmt.Errorf("%w with --cache", err)
		}
	}
	ctx, stop := interruptible(cmd)
	defer stop()
	if f.list {
		return f.writeList(ctx, cmd.OutOrStdout(), plan)
	}
	res := newResults(f.out, f.force, echo(cmd, f.json))
	if err := res.check(); err != nil {
		return err
	}
	if err := plan.Check(); err != nil {
		return err
	}
	// Not by its name, which another program may have before the last machine boots.
	plan.Program = fmt.Sprintf("/proc/%d/exe", os.Getpid())
	line := newStatus(cmd.ErrOrStderr())
	defer line.clear()
	if plan.Kernels, err = f.find(ctx, line); err != nil {
		return interrupted(ctx, err, res)
	}
	line.clear()
	progress := newBar(cmd.ErrOrStderr())
	var recs record.Results
	failures, err := prove.Run(ctx, plan, func(rec record.Prove) error {
		recs.Add(rec)
		return res.write(rec)
	}, progress.show)
	progress.clear()
	if err = errors.Join(err, res.close()); err != nil {
		return interrupted(ctx, err, res)
	}
	found := findings.Of(recs)
	if err := res.show(cmd, found, report.Text); err != nil {
		return err
	}
	var failed []string
	for _, f := range failures {
		failed = append(failed, f.String())
	}
	return judged(found.Broken, failed, found.Inconclusive)
}

// find returns the kernels that the flags ask for.
func (f *proveFlags) find(ctx context.Context, line *status) (all []kernel.Kernel, err error) {
	for _, dir := range f.dirs {
		k, err := kernel.Open(dir)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	for _, s := range f.series {
		line.show("fetching %v from %s", s, s.Suite)
		k, err := s.Fetch(ctx, f.cache)
		if err != nil {
			return nil, err
		}
		all = append(all, k)
	}
	if len(all) == 0 {
		return nil, usagef("name a kernel, with --kernels or --kernel")
	}
	return all, nil
}

func (f *proveFlags) writeList(ctx context.Context, out io.Writer, plan prove.Plan) error {
	items := []prove.Item{prove.Machines()}
	for _, dir := range f.dirs {
		k, err := kernel.Open(dir)
		item := prove.Item{What: "Linux " + k.Version, Have: err == nil, How: dir}
		if err != nil {
			item.What, item.How = "Linux", err.Error()
		}
		items = append(items, item)
	}
	for _, s := range f.series {
		items = append(items, prove.KernelOf(ctx, f.cache, s))
	}
	for _, v := range plan.Victims {
		items = append(items, prove.Tools(v))
	}
	for _, p := range prove.Programs() {
		items = append(items, prove.Runs(p))
	}
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, i := range items {
		have := "yes"
		if !i.Have {
			have = "no"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", i.What, have, i.How)
	}
	return t.Flush()
}

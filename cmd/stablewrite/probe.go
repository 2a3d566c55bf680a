package main

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"stablepages/bench/probe"
	"stablepages/bench/record"
)

func newProbe() *cobra.Command {
	var force, json bool
	cmd := &cobra.Command{
		Use:   "probe PATH",
		Short: "Say whether this stack is affected, and what to choose",
		Long: `probe says whether a file, directory or block device is affected, which kernel
version changed that, and what to do. It shows kernel, file system and device;
whether the device asks for stable pages, and which layer below needs them; the
alignment of direct I/O, with its source; and how the kernel writes: directly,
through the page cache, or bounced.

How the kernel writes is assumed from version and file system, and as root observed
with eBPF, by whose pages a test write has. To measure, probe changes buffers while
raw writes of them are in flight, and counts the changes that reach the media; then
it changes buffers at any time, and counts the writes that fail or cannot be read
back. For that it needs an unnamed scratch file of 1 MiB in the directory, or, for a
block device, --force.`,
		Example: `  stablewrite probe /var/lib/postgresql
  stablewrite probe --json /dev/nvme1n1`,
		Args: positional(cobra.ExactArgs(1), "name one file, directory or block device: stablewrite probe PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd)
			defer stop()
			p, err := probe.Run(ctx, args[0], force, probe.Writes)
			if err != nil {
				return err
			}
			if ctx.Err() != nil {
				return &exit{exitInterrupted, errors.New("interrupted")}
			}
			if json {
				return record.Write(cmd.OutOrStdout(), p)
			}
			return printProbe(cmd.OutOrStdout(), p)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "overwrite the first MiB of a block device, to measure")
	cmd.Flags().BoolVar(&json, "json", false, "print a Record")
	return cmd
}

func printProbe(out io.Writer, p record.Probe) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "path\t%s\nkernel\t%s\n", p.Path, p.System.Kernel)
	if p.System.FileSystem != "" {
		fmt.Fprintf(t, "file system\t%s (%s)\n", p.System.FileSystem, p.System.MountOptions)
	}
	stable := "not known"
	if asks := p.System.StableWrites; asks != nil {
		stable = map[bool]string{true: "1: the device asks for stable pages", false: "0: the device does not ask for stable pages"}[*asks]
	}
	fmt.Fprintf(t, "device\t%s\nstable_writes\t%s\n", p.System.Device, stable)
	if p.System.Below != "" {
		fmt.Fprintf(t, "below\t%s: needs stable pages\n", p.System.Below)
	}
	if p.OffsetAlign > 0 {
		fmt.Fprintf(t, "alignment\tmemory %d, offset and length %d (from: %s)\n", p.MemAlign, p.OffsetAlign, p.AlignSource)
	}
	fmt.Fprintf(t, "written\t%v: %s\n", p.Written, p.WrittenWhy)
	if p.Measured != "" {
		fmt.Fprintf(t, "measured\ton %s: of %d changes in flight %d reached the media, %d writes failed\n", p.Measured, p.Writes, p.Reached, p.WriteErrors)
		fmt.Fprintf(t, "\tof %d writes whose buffer changed at any time, %d failed or cannot be read back\n", p.Free, p.Failed)
	} else {
		fmt.Fprintf(t, "measured\tno: %s\n", p.Unmeasured)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	a := probe.Advise(p)
	text := "\n" + strings.Join(a.Said, "\n\n") + "\n"
	for i, remedy := range a.Remedies {
		if i == 0 {
			text += "\nIf a program here changes its buffers in flight, do the first of these that you can:\n"
		}
		text += fmt.Sprintf("  %d. %s\n", i+1, remedy)
	}
	_, err := io.WriteString(out, text)
	return err
}

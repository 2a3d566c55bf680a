package probe

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/bench/repro"
	"stablepages/bench/scratch"
	"stablepages/bench/watch"
	"stablepages/stablewrite"
)

const writeBytes = 1 << 20

// Writes is the usual number of writes of each kind. If no change of 64 reached the
// media, at most 4.7% of changes do (3/n, 95%).
const Writes = 64

// Run probes path, a file, directory or block device, with so many writes of each
// kind. It writes to an unnamed scratch file in the directory, to a block device only
// if force is set, and never to an existing file.
func Run(ctx context.Context, path string, force bool, writes int) (record.Probe, error) {
	p := record.Probe{Kind: record.KindProbe, Path: path, Version: record.Version}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("%w: name an existing file, directory or block device", err)
	} else if err != nil {
		return p, err
	}
	switch mode := st.Mode(); {
	case mode.IsDir():
		err = directory(ctx, &p, path, writes)
	case mode.IsRegular():
		err = file(ctx, &p, path, writes)
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		err = device(ctx, &p, path, force, writes)
	default:
		err = fmt.Errorf("%s is neither a file nor a directory nor a block device", path)
	}
	return p, err
}

func directory(ctx context.Context, p *record.Probe, path string, writes int) error {
	target, err := scratch.Temporary(path)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := look(p, target); err != nil {
		return err
	}
	return measure(ctx, p, target, "a scratch file in the directory", writes)
}

// file measures on a new file in the same directory, if the kernel writes that one
// alike: the existing file may have other attributes.
func file(ctx context.Context, p *record.Probe, path string, writes int) error {
	subject, err := os.Open(path)
	if err != nil {
		return err
	}
	defer subject.Close()
	if err := look(p, subject); err != nil {
		return err
	}
	target, err := scratch.Temporary(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer target.Close()
	var beside record.Probe
	if err := look(&beside, target); err != nil {
		return err
	}
	if p.System.FileSystem == "btrfs" {
		p.Unmeasured = "btrfs has no interface that tells whether an existing file has checksums; name the directory instead"
		return nil
	}
	if beside.WrittenWhy != p.WrittenWhy || beside.OffsetAlign != p.OffsetAlign {
		p.Unmeasured = fmt.Sprintf("a new file beside it would be written differently (%s: %s)", beside.Written, beside.WrittenWhy)
		return nil
	}
	return measure(ctx, p, target, "a scratch file beside it", writes)
}

func device(ctx context.Context, p *record.Probe, path string, force bool, writes int) error {
	if !force {
		subject, err := os.Open(path)
		if err != nil {
			return err
		}
		defer subject.Close()
		p.Unmeasured = "measuring overwrites the start of the device; --force permits that"
		return look(p, subject)
	}
	target, err := scratch.Open(path, true, true)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := look(p, target.File); err != nil {
		return err
	}
	return measure(ctx, p, target.File, "the device", writes)
}

// look fills in everything that is known without writing.
func look(p *record.Probe, subject *os.File) error {
	p.System = record.SystemOf(subject)
	f, err := stablewrite.New(subject, stablewrite.Options{})
	if errors.Is(err, stablewrite.ErrNotDirect) {
		p.Written, p.WrittenWhy = stablewrite.DirectNo, fmt.Sprintf("%s does not support O_DIRECT", p.System.FileSystem)
		return nil
	}
	if err != nil {
		return err
	}
	g := f.Geometry()
	p.MemAlign, p.OffsetAlign, p.AlignSource = g.MemAlign, g.OffsetAlign, g.Source
	p.Written, p.WrittenWhy = g.Direct, g.Why
	return f.Close()
}

// measure makes raw writes whose buffers change in flight, and counts the changes that
// reached the media. Then it makes as many whose buffers change at any time, and
// counts those that failed or cannot be read back: some devices, such as
// scsi_debug with protection information, take the data at submission, before a
// gated change can be made.
func measure(ctx context.Context, p *record.Probe, target *os.File, on string, writes int) error {
	cfg := repro.Config{
		Target: target, Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Indirect: true,
		Size: writeBytes, Writes: writes, Seed: 1,
	}
	gated, err := repro.Run(ctx, cfg, nil)
	if errors.Is(err, stablewrite.ErrNotDirect) {
		p.Unmeasured = "the kernel refuses O_DIRECT here"
		return nil
	}
	if err != nil {
		return fmt.Errorf("measuring with gated writes: %w", err)
	}
	cfg.Gate = false
	free, err := repro.Run(ctx, cfg, nil)
	if err != nil {
		return fmt.Errorf("measuring: %w", err)
	}
	held(p, target)
	p.Measured = on
	p.Writes, p.Reached, p.WriteErrors = gated.Overlapped, gated.Torn, gated.WriteErrors
	p.Free, p.Failed = free.Overlapped, free.ReadErrors+free.WriteErrors
	return nil
}

// held replaces the assumption about how the kernel writes by an observation: whose
// pages the write holds. Where nothing can be watched (see watch.Start) the assumption
// stays.
func held(p *record.Probe, target *os.File) {
	how, err := watch.HowFileIsWritten(target)
	if err != nil || how == stablewrite.DirectUnknown {
		return
	}
	p.Written = how
	p.WrittenWhy = map[stablewrite.Directness]string{
		stablewrite.DirectYes:     "watched: a write holds the program's own pages",
		stablewrite.DirectNo:      "watched: a write holds pages of the page cache",
		stablewrite.DirectBounced: "watched: a write holds pages of the kernel, a copy",
	}[how]
}

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

// Writes is how many there usually are of each kind. No change reaching the media
// in 64 writes bounds the share that does below 4.7% (3/n, 95%).
const Writes = 64

// Run looks at path, a file, directory or block device. It writes to a nameless
// scratch file in the directory; to a block device only by force; to a file
// never. It makes so many writes of each kind.
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

// file measures on a new file beside it, if that one is written alike: the old
// one may have been given attributes of its own.
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
		p.Unmeasured = "on btrfs a file is written as was settled when it was created, which a new file beside it does not show"
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
		p.Unmeasured = "that would overwrite the start of the device, which --force permits"
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

// look finds out what is known without writing.
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

// measure makes raw writes that are changed in flight, and counts the changes that
// reached the media; and as many whose buffer changes at any time, of which it
// counts those that the layers below refused or cannot read back: a device that
// takes the data at once, as one with protection information may, shows nothing to
// a change that waits for the submission.
func measure(ctx context.Context, p *record.Probe, target *os.File, on string, writes int) error {
	cfg := repro.Config{
		Target: target, Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Indirect: true,
		Size: writeBytes, Writes: writes, Seed: 1,
	}
	gated, err := repro.Run(ctx, cfg, nil)
	if errors.Is(err, stablewrite.ErrNotDirect) {
		p.Unmeasured = "O_DIRECT is refused: there is nothing to measure"
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

// held replaces what is assumed of how the kernel writes by whose pages a write holds,
// where that can be watched (watch.Start says what it takes).
func held(p *record.Probe, target *os.File) {
	how, err := watch.HowWritten(func(b []byte) error {
		f, err := scratch.Reopen(target, os.O_RDWR, true)
		if err != nil {
			return err
		}
		defer f.Close()
		if _, err := f.WriteAt(b, 0); err != nil {
			return err
		}
		return scratch.DataSync(f)
	})
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

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
	"stablepages/stablewrite"
)

// Size and number of the gated writes. No change reaching the media in 64
// writes bounds the share that does below 4.7% (3/n, 95%).
const (
	writeBytes = 1 << 20
	writes     = 64
)

// Run looks at path, a file, directory or block device. It writes to a nameless
// scratch file in the directory; to a block device only by force; to a file
// never.
func Run(ctx context.Context, path string, force bool) (record.Probe, error) {
	p := record.Probe{Kind: record.KindProbe, Path: path, Version: record.Version}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return p, fmt.Errorf("%w: name an existing file, directory or block device", err)
	} else if err != nil {
		return p, err
	}
	switch mode := st.Mode(); {
	case mode.IsDir():
		err = directory(ctx, &p, path)
	case mode.IsRegular():
		err = file(ctx, &p, path)
	case mode&fs.ModeDevice != 0 && mode&fs.ModeCharDevice == 0:
		err = device(ctx, &p, path, force)
	default:
		err = fmt.Errorf("%s is neither a file nor a directory nor a block device", path)
	}
	return p, err
}

func directory(ctx context.Context, p *record.Probe, path string) error {
	target, err := scratch.Temporary(path)
	if err != nil {
		return err
	}
	defer target.Close()
	if err := look(p, target); err != nil {
		return err
	}
	return measure(ctx, p, target, "a scratch file in the directory")
}

// file measures on a new file beside it, if that one is written alike: the old
// one may have been given attributes of its own.
func file(ctx context.Context, p *record.Probe, path string) error {
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
	return measure(ctx, p, target, "a scratch file beside it")
}

func device(ctx context.Context, p *record.Probe, path string, force bool) error {
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
	return measure(ctx, p, target.File, "the device")
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

// measure makes raw writes that are changed in flight, and counts the changes
// that reached the media.
func measure(ctx context.Context, p *record.Probe, target *os.File, on string) error {
	rec, err := repro.Run(ctx, repro.Config{
		Target: target, Strategy: stablewrite.Raw, Mutator: mutator.Storm, Gate: true, Indirect: true,
		Size: writeBytes, Writes: writes, Seed: 1,
	}, nil)
	if errors.Is(err, stablewrite.ErrNotDirect) {
		p.Unmeasured = "O_DIRECT is refused: there is nothing to measure"
		return nil
	}
	if err != nil {
		return fmt.Errorf("measuring with gated writes: %w", err)
	}
	p.Measured = on
	p.Writes, p.Reached, p.WriteErrors = rec.Overlapped, rec.Torn, rec.WriteErrors
	return nil
}

// Advice says what follows from p.
func Advice(p record.Probe) string {
	const choose = "Choose bounce where changes may be restored or a crash must not leave torn blocks; verify where changes are rare and stay."
	measured := p.Measured != ""
	var said string
	switch {
	case p.WriteErrors > 0:
		said = "Affected: writes whose buffer changes in flight fail. " + choose
	case p.Reached > 0:
		said = "Affected: what changes in flight reaches the media. " + choose
	case measured && p.Written == stablewrite.DirectYes:
		said = fmt.Sprintf("Not shown: direct I/O is said to be direct, yet no change of %d reached the media. Run repro on it for longer before relying on that.", p.Writes)
	case measured:
		said = "Not affected as it stands: the kernel copies before it writes. Nothing is gained over buffered writes. A Go program refuses such files with stablewrite.Options.RequireDirect, where that is known."
	case p.Written == stablewrite.DirectNo:
		said = "Not affected: nothing is written directly here."
	default:
		said = "Not measured. Until then take it for affected. " + choose
	}
	if p.System != nil && p.System.StableWrites != nil && *p.System.StableWrites {
		said += " The device asks for stable pages (queue/stable_writes): buffered writes are protected by the kernel, direct ones are not."
	}
	return said
}

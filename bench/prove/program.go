package prove

import (
	"bytes"
	"context"
	"embed"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"stablepages/bench/scratch"
	"stablepages/bench/victim"
)

// Program is a program that knows nothing of this project. In the directory where it runs,
// testfile is the victim, or a file on the victim.
type Program struct {
	Name    string
	About   string
	Changes bool   // it changes buffers while they are written
	Package string // the Debian package of its command

	command  string   // of this machine; "": it is compiled
	source   string   // compiled, of the directory programs
	compiled string   // the file, in a machine, that the source is compiled to
	options  []string // of gcc
	needs    []string // files that the command opens
	args     []string
	bytes    int64         // that it writes, from the begin of testfile on
	limit    time.Duration // after which it is interrupted
	endless  bool          // it runs until it fails or is interrupted
	whole    bool          // testfile must have its size before
	anyway   bool          // it is tried on each layer that needs stable pages, not on file systems alone
}

//go:embed programs/*.c
var sources embed.FS

// image is the firmware that qemu runs in its machine.
const image = "/programs/scribbler.bin"

// Programs lists every Program.
func Programs() []Program {
	return []Program{
		{
			Name: "modify-dio-in-flight", About: "the program of the mail of 2011", Changes: true,
			source: "modify-dio-in-flight.c", compiled: "/programs/modify-dio-in-flight", bytes: 1 << 20, limit: time.Minute, endless: true,
		},
		{
			Name: "dio-race", About: "the scenario of xfstests' generic/761", Changes: true, anyway: true,
			source: "dio-race.c", compiled: "/programs/dio-race", options: []string{"-pthread"},
			args: []string{"testfile", "65536", strconv.Itoa(8 << 20)}, bytes: 8 << 20, limit: 2 * time.Minute,
		},
		{
			Name: "fio", About: "fio, which changes nothing and checks what it reads", Package: "fio", command: "fio",
			args: []string{
				"--name=verify", "--filename=testfile", "--size=16m", "--rw=randwrite", "--bs=64k", "--direct=1", "--ioengine=libaio", "--iodepth=4",
				"--verify=crc32c", "--do_verify=1", "--thread",
			},
			bytes: 16 << 20, limit: 5 * time.Minute, whole: true,
		},
		{
			Name: "qemu", About: "QEMU, cache=none, whose guest changes its memory while it is written", Changes: true,
			Package: "qemu-system-x86", command: "qemu-system-x86_64",
			source: "scribbler.c", compiled: image, options: firmware, needs: []string{"/usr/lib/*/qemu/accel-tcg-x86_64.so", "/usr/lib*/qemu/accel-tcg-x86_64.so"},
			args: []string{
				"-accel", "tcg", "-machine", "pc", "-m", "16", "-nodefaults", "-display", "none", "-no-reboot",
				"-bios", image, "-device", "isa-debug-exit,iobase=0x501",
				"-drive", "file=testfile,format=raw,if=ide,cache=none,aio=threads",
			},
			bytes: 16 << 20, limit: 10 * time.Minute, whole: true,
		},
	}
}

// firmware are options of gcc for a flat image of 64 KiB that ends at 4 GiB.
var firmware = []string{
	"-m32", "-ffreestanding", "-fno-pic", "-no-pie", "-fno-stack-protector", "-fno-asynchronous-unwind-tables", "-fcf-protection=none",
	"-nostdlib", "-static", "-Wl,-Ttext=0xffff0000,--section-start=.boot=0xffffff00,--section-start=.reset=0xfffffff0,-e,0xfffffff0",
	"-Wl,--oformat=binary,--build-id=none",
}

// ProgramNamed returns the Program of a name.
func ProgramNamed(name string) (Program, error) {
	var names []string
	for _, p := range Programs() {
		if p.Name == name {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Program{}, fmt.Errorf("unknown program %q: there are %s", name, strings.Join(names, ", "))
}

// programs returns the programs that are tried on v: all if v is a file system that needs
// stable pages, and a program that takes seconds if v is another layer that does.
func (p Plan) programs(v victim.Victim) []Program {
	switch {
	case !v.NeedsStablePages:
		return nil
	case p.Programs != nil:
		return p.Programs
	}
	return slices.DeleteFunc(Programs(), func(prog Program) bool { return !prog.anyway && (v.Stacked || len(v.Mkfs) == 0) })
}

// files lists the files that v and the programs of j need: their names here, by their
// names in the machine. The caller closes the compiled ones, which have no other names.
func (p Plan) files(ctx context.Context, v victim.Victim, j job) (all map[string]string, compiled []*os.File, err error) {
	all = map[string]string{}
	for _, name := range v.Commands {
		all[name] = name
	}
	for _, name := range j.Programs {
		prog, err := ProgramNamed(name)
		if err != nil {
			return nil, compiled, err
		}
		if prog.source != "" {
			f, err := prog.compile(ctx, p.Dir)
			if err != nil {
				return nil, compiled, err
			}
			compiled = append(compiled, f)
			all[prog.compiled] = fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), f.Fd())
		}
		if prog.command == "" {
			continue
		}
		command, err := prog.path()
		if err != nil {
			return nil, compiled, err
		}
		all[command] = command
		for _, pattern := range prog.needs {
			found, _ := filepath.Glob(pattern) // fails for a wrong pattern only
			for _, name := range found {
				all[name] = name
			}
		}
	}
	return all, compiled, nil
}

// path returns the name of p's command, here and in a machine.
func (p Program) path() (string, error) {
	if p.command == "" {
		return p.compiled, nil
	}
	name, err := exec.LookPath(p.command)
	if err != nil {
		return "", fmt.Errorf("%s is not there: apt-get install %s", p.command, p.Package)
	}
	return name, nil
}

// compile has gcc make p, into a file that has no name.
func (p Program) compile(ctx context.Context, dir string) (*os.File, error) {
	source, err := sources.ReadFile("programs/" + p.source)
	if err != nil {
		return nil, err
	}
	f, err := scratch.Temporary(dir)
	if err != nil {
		return nil, err
	}
	gcc := exec.CommandContext(ctx, "gcc", slices.Concat([]string{"-O2", "-o", "/proc/self/fd/3"}, p.options, []string{"-x", "c", "-"})...)
	gcc.Stdin, gcc.ExtraFiles = bytes.NewReader(source), []*os.File{f}
	if out, err := gcc.CombinedOutput(); err != nil {
		f.Close()
		return nil, fmt.Errorf("compile %s, which needs the packages gcc and libc6-dev: %w: %s", p.source, err, out)
	}
	return f, nil
}

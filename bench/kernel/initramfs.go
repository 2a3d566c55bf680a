package kernel

import (
	"bufio"
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path"
	"slices"
	"strings"
)

// archive writes an initramfs in the newc format of cpio
// (Documentation/driver-api/early-userspace/buffer-format.rst).
type archive struct {
	w    *bufio.Writer // keeps the first error
	dirs map[string]bool
}

// File types, stat(2).
const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeChar = 0o020000
)

// dir adds a directory and those above it, by its name without a slash at the begin.
func (a *archive) dir(name string) {
	if a.dirs[name] {
		return
	}
	a.dirs[name] = true
	a.dir(path.Dir(name))
	a.entry(name, typeDir|0o755, 0, 0, nil)
}

// file adds a file that can be executed.
func (a *archive) file(name string, content []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	a.dir(path.Dir(name))
	a.entry(name, typeFile|0o755, 0, 0, content)
}

// entry adds an entry. The kernel needs its inode number for hard links alone.
func (a *archive) entry(name string, mode, major, minor int, content []byte) {
	pad := func(n int) string { return "\x00\x00\x00"[:-n&3] } // up to a multiple of four
	header := fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%s\x00",
		0, mode, 0, 0, 1, 0, len(content), 0, 0, major, minor, len(name)+1, 0, name)
	a.w.WriteString(header + pad(len(header)))
	a.w.Write(content)
	a.w.WriteString(pad(len(content)))
}

// The guest finds these in its root.
const (
	initFile   = "/init"
	jobFile    = "/job"
	orderFile  = "/modules/order"
	modulesDir = "/modules"
)

// writeInitramfs writes all that the guest is given: files of this machine, by their
// names in the guest, the init program among them, with the libraries of programs;
// modules; and the job.
func writeInitramfs(w io.Writer, files map[string]string, modules []module, job []byte) error {
	a := &archive{w: bufio.NewWriterSize(w, 1<<20), dirs: map[string]bool{".": true}}
	for _, dir := range []string{"proc", "sys", "tmp", "mnt", "dev"} {
		a.dir(dir)
	}
	a.entry("dev/console", typeChar|0o600, 5, 1, nil) // the standard files of init
	all := maps.Clone(files)
	for _, from := range files {
		libs, err := libraries(from)
		if err != nil {
			return err
		}
		for _, lib := range libs {
			all[lib] = lib
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		content, err := os.ReadFile(all[name])
		if err != nil {
			return err
		}
		a.file(name, content)
	}
	var order bytes.Buffer
	for _, m := range modules {
		a.file(path.Join(modulesDir, m.name), m.content)
		fmt.Fprintln(&order, m.name, m.params)
	}
	a.file(orderFile, order.Bytes())
	a.file(jobFile, job)
	a.entry("TRAILER!!!", 0, 0, 0, nil)
	return a.w.Flush()
}

// libraries lists the files that a program needs to start, by the names under which the
// program looks for them: its loader, and the libraries that the loader lists (ld.so(8)).
// A static program needs none, and neither does a file of another format.
func libraries(program string) ([]string, error) {
	f, err := elf.Open(program)
	if format := (*elf.FormatError)(nil); errors.As(err, &format) || errors.Is(err, io.EOF) {
		return nil, nil
	} else if err != nil {
		return nil, err
	}
	defer f.Close()
	interp := slices.IndexFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
	if interp < 0 {
		return nil, nil
	}
	name, err := io.ReadAll(f.Progs[interp].Open())
	if err != nil {
		return nil, err
	}
	files := []string{strings.TrimRight(string(name), "\x00")}
	out, err := exec.Command(files[0], "--list", program).Output()
	if err != nil {
		return nil, fmt.Errorf("%s is not static, and the libraries that it needs cannot be listed: %w", program, err)
	}
	for line := range strings.Lines(string(out)) {
		_, file, _ := strings.Cut(line, " => ")
		file, _, _ = strings.Cut(strings.TrimSpace(file), " ")
		if strings.HasPrefix(file, "/") && file != files[0] {
			files = append(files, file)
		}
	}
	return files, nil
}

package kernel

import (
	"bytes"
	"debug/elf"
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
	w   io.Writer
	at  int
	ino int
	has map[string]bool // directories and files
	err error           // the first one
}

// File types, stat(2).
const (
	typeDir  = 0o040000
	typeFile = 0o100000
	typeChar = 0o020000
)

func newArchive(w io.Writer) *archive {
	return &archive{w: w, has: map[string]bool{".": true, "/": true}}
}

// dir adds a directory and those above it.
func (a *archive) dir(name string) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	if name == "" || a.has[name] {
		return
	}
	a.dir(path.Dir(name))
	a.has[name] = true
	a.entry(name, typeDir|0o755, 0, 0, nil)
}

// file adds a file that can be executed.
func (a *archive) file(name string, content []byte) {
	name = strings.TrimPrefix(path.Clean(name), "/")
	a.dir(path.Dir(name))
	a.has[name] = true
	a.entry(name, typeFile|0o755, 0, 0, content)
}

// copy adds a file of this machine under a name and, if it is a program, the
// libraries that it needs, unless they are there already.
func (a *archive) copy(name, from string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	a.file(name, content)
	if !bytes.HasPrefix(content, []byte(elf.ELFMAG)) {
		return nil
	}
	libs, err := libraries(from)
	if err != nil {
		return err
	}
	for _, lib := range libs {
		if a.has[strings.TrimPrefix(lib, "/")] {
			continue
		}
		content, err := os.ReadFile(lib)
		if err != nil {
			return err
		}
		a.file(lib, content)
	}
	return nil
}

// console adds /dev/console, which init gets its standard files from.
func (a *archive) console() {
	a.dir("dev")
	a.entry("dev/console", typeChar|0o600, 5, 1, nil)
}

// close ends the archive.
func (a *archive) close() error {
	a.entry("TRAILER!!!", 0, 0, 0, nil)
	return a.err
}

func (a *archive) entry(name string, mode, major, minor int, content []byte) {
	a.ino++
	links := 1
	if mode&typeDir == typeDir {
		links = 2
	}
	a.write([]byte(fmt.Sprintf("070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
		a.ino, mode, 0, 0, links, 0, len(content), 0, 0, major, minor, len(name)+1, 0)))
	a.write([]byte(name + "\x00"))
	a.pad()
	a.write(content)
	a.pad()
}

func (a *archive) write(p []byte) {
	if a.err != nil {
		return
	}
	n, err := a.w.Write(p)
	a.at += n
	a.err = err
}

// pad writes zeros up to a multiple of four.
func (a *archive) pad() { a.write(make([]byte, -a.at&3)) }

// The guest finds these in its root.
const (
	initFile   = "/init"
	jobFile    = "/job"
	orderFile  = "/modules/order"
	modulesDir = "/modules"
)

// writeInitramfs writes all that the guest is given: files of this machine by the
// names that they have there, with the program that is its init among them.
func writeInitramfs(w io.Writer, files map[string]string, modules []module, job []byte) error {
	a := newArchive(w)
	for _, dir := range []string{"proc", "sys", "tmp", "mnt"} {
		a.dir(dir)
	}
	a.console()
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := a.copy(name, files[name]); err != nil {
			return err
		}
	}
	var order bytes.Buffer
	for _, m := range modules {
		a.file(path.Join(modulesDir, m.name), m.content)
		fmt.Fprintln(&order, m.name, m.params)
	}
	a.file(orderFile, order.Bytes())
	a.file(jobFile, job)
	return a.close()
}

// libraries lists the files that a program needs to start, by the names under
// which it looks for them: none if it is static, else its loader and what the
// loader says it would load (ld.so(8)).
func libraries(program string) ([]string, error) {
	f, err := elf.Open(program)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", program, err)
	}
	defer f.Close()
	loader := ""
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			b, err := io.ReadAll(p.Open())
			if err != nil {
				return nil, err
			}
			loader = strings.TrimRight(string(b), "\x00")
		}
	}
	if loader == "" {
		return nil, nil
	}
	out, err := exec.Command(loader, "--list", program).Output()
	if err != nil {
		return nil, fmt.Errorf("%s is not static, and the libraries that it needs cannot be listed: %w", program, err)
	}
	files := []string{loader}
	for line := range strings.Lines(string(out)) {
		if _, file, ok := strings.Cut(line, " => "); ok {
			file, _, _ = strings.Cut(strings.TrimSpace(file), " ")
			if strings.HasPrefix(file, "/") && file != loader {
				files = append(files, file)
			}
		}
	}
	return files, nil
}

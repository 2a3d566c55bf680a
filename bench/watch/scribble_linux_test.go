//go:build amd64

package watch

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// writer is a program that makes direct writes: this test's, started again.
type writer struct {
	File     string
	Bytes    int    // of each write
	Writes   int    // how many; with Scribble, during which the memory changed
	Offset   int    // of the memory from a page
	From     string // "anonymous", "shared", "huge", "mapped FILE"
	Scribble bool   // change the memory all the time
	Only     int    // in this byte only, counted from 1; 0: everywhere
	Buffered bool
	PageOut  bool   // let the kernel swap the memory out, in place of writing
	Send     string // write from this file by sendfile, in place of from memory
	Name     string // of the process
	Until    string // go on until there is a file with this name
	MayFail  bool   // a write that fails is the last
}

const (
	writerEnv  = "WATCH_TEST_WRITER"
	watcherEnv = "WATCH_TEST_WATCHER"
)

func TestMain(m *testing.M) {
	if _, ok := os.LookupEnv(watcherEnv); ok {
		watchForEver()
	}
	if spec, ok := os.LookupEnv(writerEnv); ok {
		var w writer
		err := json.Unmarshal([]byte(spec), &w)
		if err == nil {
			err = w.write()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// command is w as a process, which waits for its standard input to end.
func (w writer) command() *exec.Cmd {
	spec, _ := json.Marshal(w)
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), writerEnv+"="+string(spec))
	return cmd
}

// run runs w to its end and returns its PID, and how many writes it made.
func (w writer) run(t *testing.T) (pid int, writes int64) {
	t.Helper()
	cmd := w.command()
	out, err := cmd.CombinedOutput()
	if err == nil {
		_, err = fmt.Sscan(string(out), &writes)
	}
	if err != nil {
		t.Fatalf("%+v: %v: %s", w, err, out)
	}
	return cmd.Process.Pid, writes
}

func (w writer) memory() ([]byte, error) {
	size := (w.Offset + w.Bytes + 2<<20 - 1) &^ (2<<20 - 1)
	prot := unix.PROT_READ | unix.PROT_WRITE
	var name string
	switch _, err := fmt.Sscanf(w.From, "mapped %s", &name); {
	case err == nil:
		f, err := os.Create(name)
		if err != nil {
			return nil, err
		}
		if err := f.Truncate(int64(size)); err != nil {
			return nil, err
		}
		return unix.Mmap(int(f.Fd()), 0, size, prot, unix.MAP_SHARED|unix.MAP_POPULATE)
	case w.From == "shared":
		return unix.Mmap(-1, 0, size, prot, unix.MAP_SHARED|unix.MAP_ANONYMOUS)
	case w.From == "huge":
		return unix.Mmap(-1, 0, size, prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_HUGETLB)
	}
	return unix.Mmap(-1, 0, size, prot, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
}

// one makes one write.
func (w writer) one(fd int, p []byte, off int64) (int, error) {
	if w.Send == "" {
		return unix.Pwrite(fd, p, off)
	}
	from, err := os.Open(w.Send)
	if err != nil {
		return 0, err
	}
	defer from.Close()
	if _, err := unix.Seek(fd, off, 0); err != nil {
		return 0, err
	}
	return unix.Sendfile(fd, int(from.Fd()), nil, len(p))
}

func (w writer) write() error {
	if w.Name != "" {
		if err := os.WriteFile("/proc/self/comm", []byte(w.Name), 0); err != nil {
			return err
		}
	}
	io.Copy(io.Discard, os.Stdin)
	mem, err := w.memory()
	if err != nil {
		return err
	}
	for i := range mem {
		mem[i] = byte(i)
	}
	p := mem[w.Offset:][:w.Bytes]
	flags := unix.O_CREAT | unix.O_WRONLY | unix.O_CLOEXEC
	if !w.Buffered {
		flags |= unix.O_DIRECT
	}
	fd, err := unix.Open(w.File, flags, 0o600)
	if err != nil {
		return err
	}
	var stop atomic.Bool
	var steps atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; w.Scribble && !stop.Load(); i = (i + 64) % len(p) {
			at := i
			if w.Only > 0 {
				at = w.Only - 1
			}
			p[at]++
			steps.Add(1)
		}
	}()
	made := 0
	goesOn := func() bool {
		_, err := os.Stat(w.Until)
		return w.Until != "" && err != nil
	}
	for overlapped := 0; overlapped < w.Writes || goesOn(); made++ {
		i, before := made, steps.Load()
		if w.PageOut {
			if err := unix.Madvise(mem, unix.MADV_PAGEOUT); err != nil {
				return err
			}
			overlapped++
			continue
		}
		if n, err := w.one(fd, p, int64(i%4*w.Bytes)); err != nil && w.MayFail {
			break
		} else if n != w.Bytes {
			return fmt.Errorf("%d of %d bytes written: %w", n, w.Bytes, err)
		}
		if !w.Scribble || steps.Load() > before {
			overlapped++
		}
	}
	stop.Store(true)
	<-done
	fmt.Println(made)
	if w.Buffered {
		err = unix.Fsync(fd)
	}
	return err
}

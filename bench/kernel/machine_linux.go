package kernel

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/sys/unix"

	"stablepages/bench/scratch"
)

// Run boots the machine and calls heard with each line that the guest says. It returns
// nil when the job is done, ErrCut when the guest asked for a power cut, and an error if
// the job or the machine failed. The machine is gone when Run returns.
func (m Machine) Run(ctx context.Context, heard func(json.RawMessage) error) error {
	if err := CheckQEMU(); err != nil {
		return err
	}
	modules, err := m.Kernel.load(append([]string{"virtio_pci", "virtio_console", "virtio_blk"}, m.Modules...))
	if err != nil {
		return err
	}
	image, err := os.Open(m.Kernel.image)
	if err != nil {
		return err
	}
	defer image.Close()
	fd, err := unix.MemfdCreate("stablewrite-initramfs", unix.MFD_CLOEXEC)
	if err != nil {
		return fmt.Errorf("memfd: %w", err)
	}
	initramfs := os.NewFile(uintptr(fd), "initramfs")
	defer initramfs.Close()
	files := map[string]string{initFile: m.Program}
	maps.Copy(files, m.Files)
	if err := writeInitramfs(initramfs, files, modules, m.Job); err != nil {
		return fmt.Errorf("initramfs: %w", err)
	}
	port, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(port[0], true) // so that deadlines work
	}
	if err != nil {
		return fmt.Errorf("socketpair: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(port[0]), "port"), os.NewFile(uintptr(port[1]), "port")
	defer ours.Close()
	var console, complaints tail
	running, kill := context.WithCancel(ctx)
	defer kill()
	cmd := m.command(running, image, initramfs, theirs)
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &console, &complaints, time.Second
	ended := make(chan error, 1)
	go func() {
		ended <- runMortal(cmd)
		theirs.Close()
	}()
	err = m.listen(ctx, ours, heard)
	kill()
	if ended := <-ended; cmd.Process == nil && ctx.Err() == nil {
		return fmt.Errorf("%w: %w", ErrQEMU, ended)
	}
	return explain(err, console, complaints)
}

// command returns the command that starts QEMU, which gets files by descriptor, from 3 on.
func (m Machine) command(ctx context.Context, image, initramfs, port *os.File) *exec.Cmd {
	// QEMU emulates some instructions bit by bit or byte by byte. Without them, sums of
	// 32 MB took a quarter to a half of the time (QEMU 7.2). Tables of pages with five
	// levels, and another view of memory whenever the kernel looks at a program's, cost
	// time too.
	accel, cpu := "tcg,thread=multi", "max,-sse4.2,-pclmulqdq,-aes,-erms,-fsrm,-la57,-smap,-smep"
	if m.Accel == KVM {
		accel, cpu = "kvm", "host"
	}
	args := []string{
		"-accel", accel, "-cpu", cpu, "-smp", fmt.Sprint(processors), "-m", fmt.Sprint(memoryMiB),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
		"-kernel", "/proc/self/fd/3", "-initrd", "/proc/self/fd/4",
		// panic=-1 reboots at once, which with -no-reboot ends QEMU. Without mitigations of
		// faults that an emulated processor does not have, a boot takes a fifth less, and
		// without the kernel's tests of its ciphers another fifth.
		"-append", "console=ttyS0 panic=-1 loglevel=3 mitigations=off cryptomgr.notests " + guestEnv + "=1",
		"-serial", "stdio",
		"-device", "virtio-serial-pci",
		"-chardev", "socket,id=port,fd=5",
		"-device", "virtserialport,chardev=port,name=" + portName,
	}
	for i := range m.Disks {
		// A disk that is full is an error of the guest's write, not a reason to stop.
		args = append(args, "-drive", fmt.Sprintf("file=/proc/self/fd/%d,if=virtio,format=raw,cache=none,aio=threads,werror=report,rerror=report", 6+i))
	}
	cmd := exec.CommandContext(ctx, qemu, args...)
	cmd.ExtraFiles = append([]*os.File{image, initramfs, port}, m.Disks...)
	return cmd
}

// NewDisk makes a disk of a machine: a file in dir that has no name. Where the file system
// allows it, the disk has its room, so that it is never full before the guest fills it.
func NewDisk(dir string, size int64) (*os.File, error) {
	f, err := scratch.Temporary(dir)
	if err != nil {
		return nil, err
	}
	if err = unix.Fallocate(int(f.Fd()), 0, 0, size); err == unix.EOPNOTSUPP {
		err = f.Truncate(size)
	}
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, unix.ENOSPC) {
		err = fmt.Errorf("no room for a disk of %d MiB in %s: make room, or name another directory: %w", size>>20, dir, err)
	}
	return nil, err
}

// runMortal runs a command that dies with this process: more precisely, with the thread
// that starts it. Ctrl-C does not reach the command; this process decides what ends then.
func runMortal(cmd *exec.Cmd) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

// explain adds to an error the last complaints of QEMU and the end of the console.
func explain(err error, console, complaints tail) error {
	switch {
	case err == nil, errors.Is(err, ErrCut), errors.Is(err, context.Canceled), errors.Is(err, errGuest), errors.Is(err, errCaller):
		return err
	}
	if said := complaints.last(5); said != "" {
		err = fmt.Errorf("%w\nQEMU: %s", err, said)
	}
	if said := console.last(1<<10, "Kernel panic", "deadlocked on memory", "BUG:", "panic: ", "fatal error: ", "goroutine ", "init: "); said != "" {
		return fmt.Errorf("%w\nits console:\n%s", err, said)
	}
	if said := console.last(10); said != "" {
		err = fmt.Errorf("%w\nits console ends:\n%s", err, said)
	}
	return err
}

// tail keeps the last bytes written to it.
type tail struct{ kept []byte }

const tailBytes = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	t.kept = t.kept[max(0, len(t.kept)-tailBytes):]
	return len(p), nil
}

// last returns the last n lines, without control characters. If parts are given, each
// line contains one of them.
func (t tail) last(n int, parts ...string) string {
	text := strings.Map(func(r rune) rune {
		if r != '\n' && r != '\t' && unicode.IsControl(r) {
			return -1
		}
		return r
	}, string(t.kept))
	lines := slices.DeleteFunc(strings.Split(strings.TrimSpace(text), "\n"), func(line string) bool {
		has := func(part string) bool { return strings.Contains(line, part) }
		return len(parts) > 0 && !slices.ContainsFunc(parts, has)
	})
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// limits returns Up and Silence, or their defaults.
func (m Machine) limits() (up, silence time.Duration) {
	up = 2 * time.Minute
	if m.Accel == KVM {
		up = 30 * time.Second
	}
	return cmp.Or(m.Up, up), cmp.Or(m.Silence, 2*time.Minute)
}

var (
	errGuest  = errors.New("in the guest")                      // wraps the error of the job
	errCaller = errors.New("a line from a machine was refused") // wraps the error of heard
)

const longestLine = 1 << 20

// listen calls heard with each line that arrives, and bounds every wait for the next.
func (m Machine) listen(ctx context.Context, port *os.File, heard func(json.RawMessage) error) error {
	stop := context.AfterFunc(ctx, func() { port.Close() })
	defer stop()
	limit, silence := m.limits()
	up := false
	for lines := bufio.NewReaderSize(port, longestLine); ; {
		port.SetReadDeadline(time.Now().Add(limit))
		line, err := lines.ReadSlice('\n')
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded) && up:
			return fmt.Errorf("the guest said nothing for %v: it hangs", limit)
		case errors.Is(err, os.ErrDeadlineExceeded) && m.Accel == KVM:
			return fmt.Errorf("%w: the guest did not come up within %v under KVM, which may be present and hang: emulate", ErrQEMU, limit)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("%w within %v", ErrNotUp, limit)
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("the guest said a line of more than %d bytes", longestLine)
		case err != nil && !up:
			return fmt.Errorf("%w: the machine ended", ErrNotUp)
		case err != nil:
			return errors.New("the machine ended before the guest was done")
		}
		var msg message
		if err := json.Unmarshal(line, &msg); err != nil {
			return fmt.Errorf("the guest said %.100q: %w", bytes.TrimSpace(line), err)
		}
		switch {
		case msg.Say != nil:
			if err := heard(msg.Say); err != nil {
				return fmt.Errorf("%w: %w", errCaller, err)
			}
		case msg.Failed != "":
			return fmt.Errorf("%w: %s", errGuest, msg.Failed)
		case msg.Cut:
			return ErrCut
		case msg.Done:
			return nil
		}
		up, limit = true, silence
	}
}

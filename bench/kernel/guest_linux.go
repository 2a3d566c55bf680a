package kernel

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Inside is a machine seen by its job.
type Inside struct {
	port *os.File
	log  int // descriptor of /dev/kmsg
}

// Guest runs job if this process is the init of a machine, and does not return
// then. In any other process it returns at once.
func Guest(job func(in *Inside, spec json.RawMessage) error) {
	if os.Getenv(guestEnv) == "" || os.Getpid() != 1 {
		return
	}
	// Errors before there is a port go to the console.
	in, err := enter()
	if err == nil {
		err = in.run(job)
	}
	fmt.Fprintln(os.Stderr, "init:", err)
	unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART) // ends QEMU
}

// enter mounts the file systems that programs expect, loads the modules and opens the port.
func enter() (*Inside, error) {
	for _, m := range []struct{ fs, dir string }{{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"}} {
		if err := unix.Mount(m.fs, m.dir, m.fs, 0, ""); err != nil {
			return nil, fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	log, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open /dev/kmsg: %w", err)
	}
	unix.Seek(log, 0, unix.SEEK_END)
	order, err := os.ReadFile(orderFile)
	if err != nil {
		return nil, err
	}
	for line := range strings.Lines(string(order)) {
		name, params, _ := strings.Cut(strings.TrimSpace(line), " ")
		content, err := os.ReadFile(path.Join(modulesDir, name))
		if err == nil {
			err = unix.InitModule(content, params)
		}
		if err != nil && err != unix.EEXIST {
			return nil, fmt.Errorf("load module %s %s: %w", name, params, err)
		}
	}
	port, err := openPort()
	if err != nil {
		return nil, err
	}
	return &Inside{port, log}, nil
}

func openPort() (*os.File, error) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ports, _ := filepath.Glob("/dev/vport*"); len(ports) > 0 { // the machine has one
			return os.OpenFile(ports[0], os.O_WRONLY, 0)
		}
	}
	return nil, errors.New("there is no virtio port")
}

// run runs the job, and tells the host how it ended, also if it panicked.
func (in *Inside) run(job func(*Inside, json.RawMessage) error) error {
	if err := in.send(message{Up: true}); err != nil {
		return err
	}
	if err := protect(in, job); err != nil {
		return in.end(message{Failed: err.Error()})
	}
	return in.end(message{Done: true})
}

func protect(in *Inside, job func(*Inside, json.RawMessage) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	spec, err := os.ReadFile(jobFile)
	if err != nil {
		return err
	}
	return job(in, spec)
}

// Say tells the host v, as JSON. Goroutines may call it at the same time.
func (in *Inside) Say(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return in.send(message{Say: b})
}

// Logged returns the lines of the kernel's log (Documentation/ABI/testing/dev-kmsg) since
// the last call, without their prefixes.
func (in *Inside) Logged() (lines []string) {
	for buf := make([]byte, 8192); ; {
		n, err := unix.Read(in.log, buf)
		switch {
		case errors.Is(err, unix.EPIPE), errors.Is(err, unix.EINTR): // overwritten before it was read
			continue
		case err != nil || n <= 0:
			return lines
		}
		// "6,339,5140900,-;text\n continuation=...\n"
		if _, text, ok := strings.Cut(string(buf[:n]), ";"); ok {
			text, _, _ = strings.Cut(text, "\n")
			lines = append(lines, text)
		}
	}
}

// CutPower ends the machine as a power failure does: nothing is flushed. It
// returns only if the host cannot be told.
func (in *Inside) CutPower() error { return in.end(message{Cut: true}) }

// end tells the host the last message, upon which the host ends the machine.
func (in *Inside) end(last message) error {
	if err := in.send(last); err != nil {
		return err
	}
	for {
		time.Sleep(time.Hour)
	}
}

func (in *Inside) send(m message) error { return json.NewEncoder(in.port).Encode(m) }

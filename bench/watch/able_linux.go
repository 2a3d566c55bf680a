//go:build amd64

package watch

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
	"golang.org/x/sys/unix"
)

const kernelTypes = "/sys/kernel/btf/vmlinux"

// check returns an error if this machine certainly cannot be watched.
func check() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return err
	}
	lockdown, _ := os.ReadFile("/sys/kernel/security/lockdown")
	_, err := os.Stat(kernelTypes)
	return unable(unix.ByteSliceToString(u.Release[:]), os.Geteuid() == 0, string(lockdown), err == nil)
}

// unable returns an error, with what to do about it, unless a kernel of this release can
// be watched.
func unable(release string, root bool, lockdown string, types bool) error {
	switch {
	case older(release, 6, 1):
		return fmt.Errorf("this is Linux %s: watching needs Linux 6.1 or later", release)
	case !root:
		return errors.New("watching needs root (CAP_SYS_ADMIN, for eBPF and /proc/self/pagemap): run it with sudo")
	case strings.Contains(lockdown, "[confidentiality]"):
		return errors.New("the kernel is locked down for confidentiality and lets no program read its memory: boot without lockdown=confidentiality")
	case !types:
		return errors.New(kernelTypes + " is missing: watching needs sysfs mounted, and a kernel with CONFIG_DEBUG_INFO_BTF, as distributions build them")
	}
	return nil
}

// explain adds advice to an error of loading.
func explain(err error) error {
	var refused *ebpf.VerifierError
	switch {
	case errors.Is(err, unix.EPERM):
		return fmt.Errorf("the kernel refuses eBPF: %w: run as root of the host, outside of containers and sandboxes, or with CAP_BPF, CAP_PERFMON and CAP_SYS_ADMIN", err)
	case errors.Is(err, btf.ErrNotFound), errors.Is(err, ebpf.ErrNotSupported):
		return fmt.Errorf("this kernel lacks what watching needs: %w: use Linux 6.1 to 7.3", err)
	case errors.As(err, &refused):
		return fmt.Errorf("this kernel's verifier refuses the program: %w: use Linux 6.1 to 7.3", err)
	}
	return err
}

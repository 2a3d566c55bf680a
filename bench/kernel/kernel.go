package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Kernel is an unpacked kernel.
type Kernel struct {
	Version string // what uname -r says
	image   string
	modules string // the directory lib/modules/Version
}

// ErrNoModule: a kernel lacks what was asked for.
var ErrNoModule = errors.New("no such module")

const imagePrefix = "vmlinuz-"

// Open finds the one kernel in dir, which is laid out as Debian's packages are:
// boot/vmlinuz-VERSION and lib/modules/VERSION (or usr/lib).
func Open(dir string) (Kernel, error) {
	if st, err := os.Stat(dir); err != nil {
		return Kernel{}, fmt.Errorf("%w: name the directory of an unpacked kernel package", err)
	} else if !st.IsDir() {
		return Kernel{}, fmt.Errorf("%s is not a directory: name that of an unpacked kernel package", dir)
	}
	var images []string
	entries, err := os.ReadDir(filepath.Join(dir, "boot"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Kernel{}, err
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), imagePrefix) {
			images = append(images, e.Name())
		}
	}
	switch {
	case len(images) == 0:
		return Kernel{}, fmt.Errorf("%s has no boot/vmlinuz-*: unpack a kernel package there (dpkg-deb -x PACKAGE DIR)", dir)
	case len(images) > 1:
		return Kernel{}, fmt.Errorf("%s has several kernels (%s): unpack one kernel package into a directory of its own", dir, strings.Join(images, ", "))
	}
	k := Kernel{Version: strings.TrimPrefix(images[0], imagePrefix), image: filepath.Join(dir, "boot", images[0])}
	for _, lib := range []string{"lib", "usr/lib"} {
		k.modules = filepath.Join(dir, lib, "modules", k.Version)
		if st, err := os.Stat(filepath.Join(k.modules, "kernel")); err == nil && st.IsDir() {
			return k, nil
		}
	}
	return Kernel{}, fmt.Errorf("%s has a kernel and no lib/modules/%s/kernel: unpack the whole package", dir, k.Version)
}

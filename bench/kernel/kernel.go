package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Kernel is an unpacked kernel.
type Kernel struct {
	Version string // as uname -r prints it
	Origin  string // of a fetched one: Debian's version and suite
	image   string
	modules string // the directory lib/modules/Version
}

// ErrNoModule means that a kernel lacks a module.
var ErrNoModule = errors.New("no such module")

// Open finds the one kernel in dir, an unpacked package. Older packages have
// boot/vmlinuz-VERSION beside lib/modules/VERSION, newer ones lib/modules/VERSION/vmlinuz;
// lib may be usr/lib.
func Open(dir string) (Kernel, error) {
	if _, err := os.ReadDir(dir); err != nil {
		return Kernel{}, fmt.Errorf("%w: name the directory of an unpacked kernel package", err)
	}
	images := map[string]string{} // by version
	for _, pattern := range []string{"boot/vmlinuz-*", "lib/modules/*/vmlinuz", "usr/lib/modules/*/vmlinuz"} {
		names, _ := fs.Glob(os.DirFS(dir), pattern) // fails for a wrong pattern only
		for _, name := range names {
			version, inBoot := strings.CutPrefix(path.Base(name), "vmlinuz-")
			if !inBoot {
				version = path.Base(path.Dir(name))
			}
			images[version] = filepath.Join(dir, name)
		}
	}
	versions := slices.Sorted(maps.Keys(images))
	switch {
	case len(versions) == 0:
		return Kernel{}, fmt.Errorf("%s has neither boot/vmlinuz-* nor usr/lib/modules/*/vmlinuz: unpack a kernel package there (dpkg-deb -x PACKAGE DIR)", dir)
	case len(versions) > 1:
		return Kernel{}, fmt.Errorf("%s has several kernels (%s): unpack each kernel package into another directory", dir, strings.Join(versions, ", "))
	}
	k := Kernel{Version: versions[0], image: images[versions[0]]}
	for _, lib := range []string{"lib", "usr/lib"} {
		k.modules = filepath.Join(dir, lib, "modules", k.Version)
		if st, err := os.Stat(filepath.Join(k.modules, "kernel")); err == nil && st.IsDir() {
			return k, nil
		}
	}
	return Kernel{}, fmt.Errorf("%s has a kernel and no lib/modules/%s/kernel: unpack the whole package, and the package of its modules", dir, k.Version)
}

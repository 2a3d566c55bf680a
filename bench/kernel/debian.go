package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Series are the kernels that Fetch knows, by what their versions begin with.
func Series() []string { return []string{"6.1", "6.12"} }

// ErrNoPackage: Debian's archive, as this machine knows it, has no such kernel.
var ErrNoPackage = errors.New("no such kernel package")

// Package names the Debian package of the newest kernel of a series, as the
// package lists of this machine have it.
func Package(ctx context.Context, series string) (string, error) {
	if _, err := exec.LookPath("apt-cache"); err != nil {
		return "", fmt.Errorf("%w: apt-cache is not there; unpack a kernel yourself and name its directory", ErrNoPackage)
	}
	// One of them depends on the versioned package, which one is a matter of the
	// release.
	wanted := regexp.MustCompile(`Depends: (linux-image-` + regexp.QuoteMeta(series) + `\.\S*-cloud-amd64)`)
	for _, meta := range []string{"linux-image-" + series + "-cloud-amd64", "linux-image-cloud-amd64"} {
		ask := exec.CommandContext(ctx, "apt-cache", "depends", meta)
		ask.Env = append(os.Environ(), "LC_ALL=C") // its words are translated
		ask.WaitDelay = time.Second
		out, err := ask.Output()
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		if found := wanted.FindSubmatch(out); err == nil && found != nil {
			return string(found[1]), nil
		}
	}
	return "", fmt.Errorf("%w for Linux %s in the package lists of this machine: run apt-get update, or unpack one yourself and name its directory", ErrNoPackage, series)
}

// CacheDir is where fetched kernels stay unless told otherwise.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: name a cache directory", err)
	}
	return filepath.Join(dir, "stablewrite", "kernels"), nil
}

// Cached returns what Fetch would without asking the archive, if that is to be
// had: the kernel of this package.
func Cached(cache, pkg string) (Kernel, bool) {
	k, err := Open(filepath.Join(cache, pkg))
	return k, err == nil
}

// fetchTime bounds the download and the unpacking of a package, about 30 MB.
const fetchTime = 10 * time.Minute

// Fetch returns Debian's newest kernel of a series, from the cache or, if it is
// not there, downloaded with apt-get (which checks it) and unpacked into it.
func Fetch(ctx context.Context, cache, series string) (Kernel, error) {
	pkg, err := Package(ctx, series)
	if errors.Is(err, ErrNoPackage) {
		if k, ok := newest(cache, series); ok {
			return k, nil
		}
	}
	if err != nil {
		return Kernel{}, err
	}
	if k, ok := Cached(cache, pkg); ok {
		return k, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTime, fmt.Errorf("fetching %s took longer than %v", pkg, fetchTime))
	defer cancel()
	if err := os.MkdirAll(cache, 0o777); err != nil {
		return Kernel{}, fmt.Errorf("%w: name another cache directory", err)
	}
	// Beside its place, and moved there whole: two that fetch at once, or one
	// that is stopped, leave nothing half done where it would be found.
	dir, done, err := workshop(cache)
	if err != nil {
		return Kernel{}, fmt.Errorf("%w: name another cache directory", err)
	}
	defer done()
	if err := download(ctx, dir, pkg); err != nil {
		return Kernel{}, fmt.Errorf("fetch %s: %w", pkg, err)
	}
	tree, place := filepath.Join(dir, "tree"), filepath.Join(cache, pkg)
	if _, err := Open(tree); err != nil {
		return Kernel{}, fmt.Errorf("fetch %s: %w", pkg, err)
	}
	if err := os.Rename(tree, place); err != nil && !errors.Is(err, fs.ErrExist) {
		return Kernel{}, fmt.Errorf("%w; remove %s and try again", err, place)
	}
	k, err := Open(place)
	if err != nil { // what was there before
		err = fmt.Errorf("%w; remove %s and try again", err, place)
	}
	return k, err
}

// workshops are directories in the cache in which kernels are unpacked.
const workshops = ".fetch-"

// workshop makes one, locked as long as this process lives, until done. Those of
// processes that were killed are removed.
func workshop(cache string) (dir string, done func(), err error) {
	old, err := fs.Glob(os.DirFS(cache), workshops+"*")
	if err != nil {
		return "", nil, err
	}
	for _, name := range old {
		st, err := os.Stat(filepath.Join(cache, name))
		if err != nil || time.Since(st.ModTime()) < time.Minute { // perhaps not locked yet
			continue
		}
		if unlock, err := lock(filepath.Join(cache, name)); err == nil {
			os.RemoveAll(filepath.Join(cache, name))
			unlock()
		}
	}
	if dir, err = os.MkdirTemp(cache, workshops+"*"); err != nil {
		return "", nil, err
	}
	unlock, err := lock(dir)
	if err != nil {
		os.RemoveAll(dir)
		return "", nil, err
	}
	return dir, func() {
		os.RemoveAll(dir)
		unlock()
	}, nil
}

func download(ctx context.Context, dir, pkg string) error {
	// As root apt-get drops its privileges for the download unless it cannot.
	get := exec.CommandContext(ctx, "apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", pkg)
	get.Dir = dir
	if err := quietly(ctx, get); err != nil {
		return err
	}
	debs, err := fs.Glob(os.DirFS(dir), "*.deb")
	if err != nil || len(debs) != 1 {
		return fmt.Errorf("apt-get left %d packages, not 1", len(debs))
	}
	return quietly(ctx, exec.CommandContext(ctx, "dpkg-deb", "-x", filepath.Join(dir, debs[0]), filepath.Join(dir, "tree")))
}

// quietly runs a command and returns what it complained about.
func quietly(ctx context.Context, cmd *exec.Cmd) error {
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = time.Second // for children that outlive it
	err := runMortal(cmd)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, strings.TrimSpace(said.String()))
	}
	return nil
}

// newest is the kernel of a series that came last into the cache.
func newest(cache, series string) (k Kernel, ok bool) {
	entries, _ := os.ReadDir(cache)
	var last time.Time
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), "linux-image-"+series+".") || !info.ModTime().After(last) {
			continue
		}
		if found, err := Open(filepath.Join(cache, e.Name())); err == nil {
			k, ok, last = found, true, info.ModTime()
		}
	}
	return k, ok
}

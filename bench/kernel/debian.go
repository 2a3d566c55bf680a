package kernel

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// ErrNoPackage: Debian's archive has no such kernel, or cannot be asked.
var ErrNoPackage = errors.New("no such kernel package")

// Package is a kernel of Debian's.
type Package struct {
	Version string   // Debian's, "6.1.192-2"
	Bytes   int64    // to download; 0 if it is not known
	Parts   []string // packages of that version
	Cached  bool     `json:"-"` // it is in the cache
}

// CacheDir is where fetched kernels stay unless told otherwise.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: name a cache directory", err)
	}
	return filepath.Join(dir, "stablewrite", "kernels"), nil
}

// Below the cache each Series has a directory of its name, and in it each kernel
// one of its version. The file latest there holds the Package that was found last.
func (s Series) place(cache, version string) string { return filepath.Join(cache, s.Name, version) }

const latest = "latest"

// askEvery is how old the answer of an archive may be.
const askEvery = 24 * time.Hour

// fetchTime bounds the download and the unpacking of a kernel, about 40 MB.
const fetchTime = 10 * time.Minute

// Find returns the newest kernel of s, as Debian's archive has it, which is asked
// once a day. Where the archive cannot be asked it is the newest one of the cache.
func (s Series) Find(ctx context.Context, cache string) (p Package, err error) {
	if p, ok := s.remembered(cache); ok {
		return p, nil
	}
	err = s.inWorkshop(ctx, cache, func(ctx context.Context, _ *apt, found Package) error {
		p = found
		return nil
	})
	return s.orCached(cache, p, err)
}

// orCached returns the newest kernel of the cache in place of one that the archive
// does not have.
func (s Series) orCached(cache string, p Package, err error) (Package, error) {
	if errors.Is(err, ErrNoPackage) {
		if version, ok := s.newest(cache); ok {
			return Package{Version: version, Cached: true}, nil
		}
	}
	return p, err
}

// Fetch returns the newest kernel of s, from the cache or, if it is not there,
// downloaded with apt-get, which checks its signature, and unpacked into the cache.
func (s Series) Fetch(ctx context.Context, cache string) (k Kernel, err error) {
	p, ok := s.remembered(cache)
	if !ok || !p.Cached {
		err = s.inWorkshop(ctx, cache, func(ctx context.Context, a *apt, found Package) error {
			p = found
			if p.Cached {
				return nil
			}
			return s.fetch(ctx, a, p, cache)
		})
	}
	if ctx.Err() != nil {
		return Kernel{}, context.Cause(ctx)
	}
	if p, err = s.orCached(cache, p, err); err != nil {
		return Kernel{}, fmt.Errorf("%v from %s: %w", s, s.Suite, err)
	}
	return s.open(cache, p.Version)
}

func (s Series) open(cache, version string) (Kernel, error) {
	k, err := Open(s.place(cache, version))
	k.Origin = fmt.Sprintf("%s of %s", version, s.Suite)
	return k, err
}

// remembered is the Package that Find found not long ago.
func (s Series) remembered(cache string) (p Package, ok bool) {
	name := s.place(cache, latest)
	st, err := os.Stat(name)
	if err != nil || time.Since(st.ModTime()) > askEvery {
		return p, false
	}
	b, err := os.ReadFile(name)
	if err != nil || json.Unmarshal(b, &p) != nil || !debianVersion.MatchString(p.Version) || !strings.HasPrefix(p.Version, s.release) {
		return p, false
	}
	_, err = Open(s.place(cache, p.Version))
	p.Cached = err == nil
	return p, true
}

// inWorkshop asks the archive, remembers what it says, and calls do where there
// is an apt-get that can download it.
func (s Series) inWorkshop(ctx context.Context, cache string, do func(context.Context, *apt, Package) error) error {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTime, fmt.Errorf("it took longer than %v", fetchTime))
	defer cancel()
	if err := checkApt(); err != nil {
		return err
	}
	if err := os.MkdirAll(s.place(cache, ""), 0o777); err != nil {
		return fmt.Errorf("%w: name another cache directory", err)
	}
	// Beside its place, and moved there whole: two that fetch at once, or one
	// that is stopped, leave nothing half done where it would be found.
	dir, done, err := workshop(cache)
	if err != nil {
		return fmt.Errorf("%w: name another cache directory", err)
	}
	defer done()
	a, err := newApt(ctx, dir, s)
	if err != nil {
		return err
	}
	if err := a.update(ctx); err != nil {
		if ctx.Err() == nil {
			err = fmt.Errorf("%w: %w", ErrNoPackage, err)
		}
		return err
	}
	p, err := a.newest(ctx)
	if err != nil {
		return err
	}
	if !strings.HasPrefix(p.Version, s.release) {
		return fmt.Errorf("%w: the suite has %s now", ErrNoPackage, p.Version)
	}
	if err := s.remember(dir, cache, p); err != nil {
		return err
	}
	_, err = Open(s.place(cache, p.Version))
	p.Cached = err == nil
	return do(ctx, a, p)
}

func (s Series) remember(dir, cache string, p Package) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	name := filepath.Join(dir, latest)
	if err := os.WriteFile(name, b, 0o666); err != nil {
		return err
	}
	return os.Rename(name, s.place(cache, latest))
}

// fetch moves p to its place in the cache.
func (s Series) fetch(ctx context.Context, a *apt, p Package, cache string) error {
	tree, place := filepath.Join(a.dir, "tree"), s.place(cache, p.Version)
	if err := a.unpack(ctx, p, tree); err != nil {
		return err
	}
	if _, err := Open(tree); err != nil {
		return err
	}
	if err := os.Rename(tree, place); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; remove %s and try again", err, place)
	}
	if _, err := Open(place); err != nil { // what was there before
		return fmt.Errorf("%w; remove %s and try again", err, place)
	}
	return nil
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

// newest is the version of the kernel of s that came last into the cache.
func (s Series) newest(cache string) (version string, ok bool) {
	entries, _ := os.ReadDir(s.place(cache, ""))
	var last time.Time
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !strings.HasPrefix(e.Name(), s.release) || !info.ModTime().After(last) {
			continue
		}
		if _, err := Open(s.place(cache, e.Name())); err == nil {
			version, ok, last = e.Name(), true, info.ModTime()
		}
	}
	return version, ok
}

package kernel

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Series is a line of Debian's kernels, of which there is always a newest one.
type Series struct {
	Name  string
	Suite string // of Debian's archive, which has the newest one

	archive string // that has the suite: the last element of its address
	release string // begins every version; "" for any version that the suite has
}

// AllSeries lists every Series, the oldest first. Suites for security updates have every
// later kernel, too; their lists of packages are a twentieth as long.
func AllSeries() []Series {
	return []Series{
		{Name: "6.1", Suite: "bookworm-security", archive: "debian-security", release: "6.1."},
		{Name: "6.12", Suite: "trixie-security", archive: "debian-security", release: "6.12."},
		newestSeries,
	}
}

var newestSeries = Series{Name: "newest", Suite: "trixie-backports", archive: "debian"}

// SeriesNamed returns the Series of a name. The first two numbers of a later
// version, as in "7.3", name the newest one as long as it has that version.
func SeriesNamed(name string) (Series, error) {
	var names []string
	for _, s := range AllSeries() {
		if s.Name == name {
			return s, nil
		}
		names = append(names, s.Name)
	}
	// The last but one is the last that is named by its version.
	if last := names[len(names)-2]; isRelease(name) && Ordinal(name) > Ordinal(last) {
		s := newestSeries
		s.release = name + "."
		return s, nil
	}
	return Series{}, fmt.Errorf("unknown kernel series %q: there are %s", name, strings.Join(names, ", "))
}

func (s Series) String() string {
	if s.release == "" {
		return "newest Linux"
	}
	return "Linux " + strings.TrimSuffix(s.release, ".")
}

var isRelease = regexp.MustCompile(`^[0-9]{1,3}\.[0-9]{1,3}$`).MatchString

// Ordinal orders versions by their first two numbers: "6.1" before "6.12", which is before
// "7.0". It is 0 without a number at the begin.
func Ordinal(version string) int {
	var major, minor int
	fmt.Sscanf(version, "%d.%d", &major, &minor)
	return 1000*major + minor
}

// ErrNoPackage means that Debian's archive has no such kernel, or cannot be asked.
var ErrNoPackage = errors.New("no such kernel package")

// Package is a kernel of Debian.
type Package struct {
	Version string   // of Debian, "6.1.192-2"
	Bytes   int64    // to download; 0 if it is not known
	Parts   []string // packages of that version
	Cached  bool     `json:"-"` // it is in the cache
}

// CacheDir returns the default directory of fetched kernels.
func CacheDir() (string, error) {
	dir, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("%w: name a cache directory", err)
	}
	return filepath.Join(dir, "stablewrite", "kernels"), nil
}

// place returns the directory of a version. Below the cache each Series has a directory,
// and in it each kernel has one. The file latest there holds the Package that the archive
// had last.
func (s Series) place(cache, version string) string { return filepath.Join(cache, s.Name, version) }

const latest = "latest"

// has reports whether a version is in the cache.
func (s Series) has(cache, version string) bool {
	_, err := Open(s.place(cache, version))
	return err == nil
}

// askEvery is how old the answer of an archive may be.
const askEvery = 24 * time.Hour

// fetchTime bounds the download and the unpacking of a kernel, about 40 MB.
const fetchTime = 10 * time.Minute

// Find returns the newest kernel of s in Debian's archive, which it asks once a day. If
// the archive cannot be asked, it returns the newest one of the cache.
func (s Series) Find(ctx context.Context, cache string) (Package, error) {
	return s.find(ctx, cache, false)
}

// Fetch returns the newest kernel of s, as Find does. If it is not in the cache, Fetch
// downloads it with apt-get, which checks its signature, and unpacks it into the cache.
func (s Series) Fetch(ctx context.Context, cache string) (Kernel, error) {
	p, err := s.find(ctx, cache, true)
	switch {
	case ctx.Err() != nil:
		return Kernel{}, context.Cause(ctx)
	case err != nil:
		return Kernel{}, fmt.Errorf("%v from %s: %w", s, s.Suite, err)
	}
	k, err := Open(s.place(cache, p.Version))
	k.Origin = fmt.Sprintf("%s of %s", p.Version, s.Suite)
	return k, err
}

// find is Find. With fetch, the kernel is in the cache afterwards.
func (s Series) find(ctx context.Context, cache string, fetch bool) (Package, error) {
	if p, ok := s.remembered(cache); ok && (p.Cached || !fetch) {
		return p, nil
	}
	p, err := s.ask(ctx, cache, fetch)
	if last := s.newest(cache); last.Cached && errors.Is(err, ErrNoPackage) {
		return last, nil
	}
	return p, err
}

// remembered returns the Package that the archive had not long ago.
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
	p.Cached = s.has(cache, p.Version)
	return p, true
}

// ask asks the archive for the newest kernel and remembers the answer. With fetch, it
// also downloads the kernel, unless the cache has it.
func (s Series) ask(ctx context.Context, cache string, fetch bool) (p Package, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, fetchTime, fmt.Errorf("it took longer than %v", fetchTime))
	defer cancel()
	if err := checkApt(); err != nil {
		return p, err
	}
	dir, err := s.workshop(cache)
	if err != nil {
		return p, fmt.Errorf("%w: name another cache directory", err)
	}
	defer os.RemoveAll(dir)
	a, err := newApt(ctx, dir, s)
	if err != nil {
		return p, err
	}
	_, err = a.run(ctx, "apt-get", "update", "-q") // checks the signature of the lists
	if err == nil {
		p, err = a.newest(ctx)
	}
	switch {
	case err == nil && !strings.HasPrefix(p.Version, s.release):
		return p, fmt.Errorf("%w: the suite has %s now", ErrNoPackage, p.Version)
	case err != nil && ctx.Err() == nil:
		return p, fmt.Errorf("%w: %w", ErrNoPackage, err)
	case err != nil:
		return p, err
	}
	answer, _ := json.Marshal(p)
	if err := os.WriteFile(s.place(cache, latest), answer, 0o666); err != nil { // half of it is no answer
		return p, err
	}
	if p.Cached = s.has(cache, p.Version); p.Cached || !fetch {
		return p, nil
	}
	return p, s.fetch(ctx, a, p, cache)
}

// fetch puts p in its place in the cache.
func (s Series) fetch(ctx context.Context, a apt, p Package, cache string) error {
	tree, place := filepath.Join(a.dir, "tree"), s.place(cache, p.Version)
	if err := a.unpack(ctx, p, tree); err != nil {
		return err
	}
	if _, err := Open(tree); err != nil {
		return err
	}
	err := os.Rename(tree, place)
	if err == nil || errors.Is(err, fs.ErrExist) {
		_, err = Open(place) // which another process may have put there
	}
	if err != nil {
		return fmt.Errorf("%w; remove %s and try again", err, place)
	}
	return nil
}

// workshops begins the names of directories in the cache in which kernels are unpacked.
// A kernel moves to its place whole, so that processes that fetch at once, or are
// stopped, leave no partial kernel there.
const workshops = ".fetch-"

// workshop makes such a directory. It removes those of killed processes: a fetch that
// lives is younger.
func (s Series) workshop(cache string) (dir string, err error) {
	if err := os.MkdirAll(s.place(cache, ""), 0o777); err != nil {
		return "", err
	}
	entries, err := os.ReadDir(cache)
	if err != nil {
		return "", err
	}
	for _, e := range entries {
		old, err := e.Info()
		if strings.HasPrefix(e.Name(), workshops) && err == nil && time.Since(old.ModTime()) > 2*fetchTime {
			os.RemoveAll(filepath.Join(cache, e.Name()))
		}
	}
	return os.MkdirTemp(cache, workshops+"*")
}

// newest returns the kernel of s that came last into the cache, if there is one.
func (s Series) newest(cache string) (p Package) {
	entries, _ := os.ReadDir(s.place(cache, ""))
	var last time.Time
	for _, e := range entries {
		info, err := e.Info()
		if err == nil && strings.HasPrefix(e.Name(), s.release) && info.ModTime().After(last) && s.has(cache, e.Name()) {
			p, last = Package{Version: e.Name(), Cached: true}, info.ModTime()
		}
	}
	return p
}

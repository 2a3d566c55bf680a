package kernel

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stablepages/bench/testenv"
)

// These scripts are an archive in which the newest kernel is one package. apt-get leaves
// the package, and dpkg-deb unpacks a kernel.
const (
	aptCache = `case "$3" in
linux-image-cloud-amd64) printf 'Version: 6.1.192-2\nDepends: linux-image-6.1.0-56-cloud-amd64 (= 6.1.192-2)\n';;
linux-image-6.1.0-56-cloud-amd64) printf 'Version: 6.1.192-2\nDepends: kmod, linux-base (>= 4.3~)\nSize: 30000000\n';;
*) exit 100;;
esac`
	aptGet  = `echo "$@" >> "$LOG"; if [ "$1" = download ]; then touch linux-image.deb; fi`
	dpkgDeb = `mkdir -p "$3/boot" "$3/lib/modules/9.9/kernel" && touch "$3/boot/vmlinuz-9.9"`
)

// debian puts shell scripts in the place of Debian's commands, and returns a
// cache and the log of apt-get's arguments.
func debian(t *testing.T, aptCache, aptGet, dpkgDeb string) (cache, log string) {
	t.Helper()
	if _, err := os.Stat(keyring); err != nil {
		testenv.Missing(t, "%v: apt-get install %s", err, keyringPackage)
	}
	bin := t.TempDir()
	addresses := `case "$*" in *--print-uris*) for a in debian debian-security; do echo "'http://archive.example/$a/dists/any/InRelease' any 0"; done; exit;; esac
`
	for name, script := range map[string]string{"apt-cache": aptCache, "apt-get": addresses + aptGet, "dpkg-deb": dpkgDeb, "apt-config": `echo 'Acquire::http::Proxy "http://proxy.example/";'`} {
		put(t, filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"))
	}
	log = filepath.Join(bin, "log")
	t.Setenv("LOG", log)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return filepath.Join(t.TempDir(), "cache"), log
}

func series(t *testing.T, name string) Series {
	t.Helper()
	s, err := SeriesNamed(name)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fetch(t *testing.T, cache, name string) (Kernel, error) {
	t.Helper()
	return series(t, name).Fetch(context.Background(), cache)
}

// age makes the cached answer of the archive old.
func age(t *testing.T, cache, name string) {
	t.Helper()
	long := time.Now().Add(-2 * askEvery)
	if err := os.Chtimes(filepath.Join(cache, name, latest), long, long); err != nil {
		t.Fatal(err)
	}
}

func TestFetchAsksOnceADayAndDownloadsOnce(t *testing.T) {
	cache, log := debian(t, aptCache, aptGet, dpkgDeb)
	for i := range 3 {
		k, err := fetch(t, cache, "6.1")
		if err != nil || k.Version != "9.9" || k.Origin != "6.1.192-2 of bookworm-security" {
			t.Fatalf("Fetch = %+v, %v", k, err)
		}
		if i == 1 {
			age(t, cache, "6.1")
		}
	}
	b, _ := os.ReadFile(log)
	if strings.Count(string(b), "download") != 1 || !strings.Contains(string(b), "linux-image-6.1.0-56-cloud-amd64=6.1.192-2\n") {
		t.Errorf("downloads: %q", b)
	}
	if strings.Count(string(b), "update") != 2 {
		t.Errorf("asked: %q, want twice", b)
	}
	only(t, cache, "6.1")
	only(t, filepath.Join(cache, "6.1"), "6.1.192-2", latest)
	p, err := series(t, "6.1").Find(context.Background(), cache)
	if err != nil || p.Version != "6.1.192-2" || p.Bytes != 30e6 || !p.Cached {
		t.Errorf("Find = %+v, %v", p, err)
	}
}

// Newer kernels are several packages of one version. Packages of other versions, which they
// depend on, are not part of the kernel.
func TestAKernelOfSeveralPackages(t *testing.T) {
	cache, log := debian(t, `case "$3" in
linux-image-cloud-amd64) printf 'Version: 7.3.4-1~bpo13+1\nDepends: linux-base-cloud-amd64 (= 7.3.4-1~bpo13+1), linux-image-7.3.4 (= 7.3.4-1~bpo13+1)\n';;
linux-image-7.3.4) printf 'Depends: dracut | linux-initramfs-tool, linux-binary-7.3.4 (= 7.3.4-1~bpo13+1), linux-modules-7.3.4 (= 7.3.4-1~bpo13+1)\nPre-Depends: linux-base (>= 4.17~)\nSize: 1\n';;
linux-*-7.3.4) printf 'Depends: kmod, linux-base-7.3.4 (= 7.3.4-1~bpo13+1)\nSize: 10\n';;
*) exit 100;;
esac`, `[ "$1" != download ] || { shift 2; echo "$@" >>"$LOG"; touch 1.deb 2.deb 3.deb 4.deb; }`,
		`mkdir -p "$3/usr/lib/modules/9.9/kernel" && touch "$3/usr/lib/modules/9.9/vmlinuz"`)
	for _, name := range []string{"newest", "7.3"} {
		if k, err := fetch(t, cache, name); err != nil || k.Version != "9.9" || k.Origin != "7.3.4-1~bpo13+1 of trixie-backports" {
			t.Errorf("%s: Fetch = %+v, %v", name, k, err)
		}
	}
	b, _ := os.ReadFile(log)
	parts := strings.Fields(strings.ReplaceAll(string(b), "=7.3.4-1~bpo13+1", ""))
	slices.Sort(parts)
	if want := []string{"linux-base-7.3.4", "linux-binary-7.3.4", "linux-image-7.3.4", "linux-modules-7.3.4"}; !slices.Equal(parts, want) {
		t.Errorf("downloaded %q, want %q", parts, want)
	}
	if p, err := series(t, "7.3").Find(context.Background(), cache); err != nil || p.Bytes != 31 {
		t.Errorf("Find = %+v, %v", p, err)
	}
	if _, err := fetch(t, cache, "7.4"); !errors.Is(err, ErrNoPackage) || !strings.Contains(err.Error(), "the suite has 7.3.4-1~bpo13+1 now") {
		t.Error(err)
	}
}

// 6.1 must not find 6.12.
func TestASeriesIsNotAnother(t *testing.T) {
	cache, _ := debian(t, strings.ReplaceAll(aptCache, "6.1.", "6.12."), aptGet, dpkgDeb)
	if _, err := fetch(t, cache, "6.1"); !errors.Is(err, ErrNoPackage) || !strings.Contains(err.Error(), "the suite has 6.12.192-2 now") {
		t.Error(err)
	}
	for _, name := range []string{"6", "6.1.5", "", "sid", "../6.1", "6.2", "5.20", "6.1x", "7.99999"} {
		if s, err := SeriesNamed(name); err == nil || !strings.Contains(err.Error(), "there are 6.1, 6.12, newest") {
			t.Errorf("%q is the series %v: %v", name, s, err)
		}
	}
}

// The version becomes the name of a directory.
func TestAVersionThatIsNoneIsRefused(t *testing.T) {
	cache, _ := debian(t, strings.ReplaceAll(aptCache, "6.1.192-2", "6.1./../../x"), aptGet, dpkgDeb)
	if _, err := fetch(t, cache, "6.1"); !errors.Is(err, ErrNoPackage) || !strings.Contains(err.Error(), "has the version") {
		t.Error(err)
	}
}

func TestWhatIsCachedServesWhereTheArchiveDoesNot(t *testing.T) {
	cache, _ := debian(t, aptCache, aptGet, dpkgDeb)
	if _, err := fetch(t, cache, "6.1"); err != nil {
		t.Fatal(err)
	}
	age(t, cache, "6.1")
	t.Setenv("PATH", t.TempDir())
	if k, err := fetch(t, cache, "6.1"); err != nil || k.Version != "9.9" {
		t.Errorf("%+v, %v", k, err)
	}
	if p, err := series(t, "6.1").Find(context.Background(), cache); err != nil || !p.Cached || p.Version != "6.1.192-2" {
		t.Errorf("%+v, %v", p, err)
	}
	if _, err := fetch(t, cache, "6.12"); !errors.Is(err, ErrNoPackage) || !strings.Contains(err.Error(), "unpack a kernel yourself") {
		t.Error(err)
	}
}

func TestAFetchThatFailsLeavesNothing(t *testing.T) {
	for _, tc := range []struct{ name, aptGet, dpkgDeb, want string }{
		{"update", `echo "E: not signed" >&2; exit 100`, dpkgDeb, "E: not signed"},
		{"download", `[ "$1" = update ] || { echo "E: no network" >&2; exit 100; }`, dpkgDeb, "E: no network"},
		{"nothing comes", `true`, dpkgDeb, "left 0 packages"},
		{"unpack", aptGet, `echo "not a package" >&2; exit 2`, "not a package"},
		{"not a kernel", aptGet, `mkdir -p "$3/usr"`, "neither boot/vmlinuz-*"},
	} {
		cache, _ := debian(t, aptCache, tc.aptGet, tc.dpkgDeb)
		if _, err := fetch(t, cache, "6.1"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		only(t, cache, "6.1")
		if series(t, "6.1").newest(cache).Cached {
			t.Errorf("%s: a kernel is left", tc.name)
		}
	}
}

func TestAFetchThatIsStoppedLeavesNothing(t *testing.T) {
	cache, _ := debian(t, aptCache, `sleep 20; true`, dpkgDeb)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := series(t, "6.1").Fetch(ctx, cache); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	only(t, cache, "6.1")
	only(t, filepath.Join(cache, "6.1"))
}

// A fetch removes the files of a killed fetch, and none that another fetch may still
// use.
func TestAFetchSweepsTheWorkshopsOfTheDead(t *testing.T) {
	cache, _ := debian(t, aptCache, aptGet, dpkgDeb)
	put(t, filepath.Join(cache, ".fetch-dead", "linux-image.deb"), []byte("half of it"))
	put(t, filepath.Join(cache, ".fetch-live", "linux-image.deb"), nil)
	put(t, filepath.Join(cache, ".fetch-born", "linux-image.deb"), nil)
	for name, age := range map[string]time.Duration{".fetch-dead": 3 * fetchTime, ".fetch-live": fetchTime} {
		long := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(cache, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := fetch(t, cache, "6.1"); err != nil {
		t.Fatal(err)
	}
	only(t, cache, ".fetch-born", ".fetch-live", "6.1")
}

func TestTwoFetchesAtOnce(t *testing.T) {
	cache, _ := debian(t, aptCache, `sleep 0.1; touch linux-image.deb`, dpkgDeb)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := fetch(t, cache, "6.1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	only(t, cache, "6.1")
	only(t, filepath.Join(cache, "6.1"), "6.1.192-2", latest)
}

// The real apt-get refuses an archive without a signature, and does not run the hooks of
// this machine, which a plain apt-get runs.
func TestAnArchiveThatIsNotSignedIsRefusedAndNoHookRuns(t *testing.T) {
	if _, err := exec.LookPath("apt-get"); err != nil {
		testenv.Missing(t, "%v", err)
	}
	dir := t.TempDir()
	archive, ran, hooks := filepath.Join(dir, "debian"), filepath.Join(dir, "ran"), filepath.Join(dir, "apt.conf")
	put(t, filepath.Join(archive, "dists/trixie-backports/Release"), []byte("Suite: trixie-backports\nComponents: main\nArchitectures: amd64\n"))
	for _, sub := range []string{"lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o777); err != nil {
			t.Fatal(err)
		}
	}
	sources := filepath.Join(dir, "sources")
	put(t, sources, []byte("deb copy:"+archive+" trixie-backports main\n"))
	put(t, hooks, []byte(`APT::Update::Pre-Invoke { "touch `+ran+`"; };
Dir::Etc::SourceList "`+sources+`"; Dir::Etc::SourceParts "/dev/null"; Dir::State::Lists "`+dir+`/lists"; Dir::Cache "`+dir+`/cache";
`))
	t.Setenv("APT_CONFIG", hooks)
	if k, err := series(t, "newest").Fetch(context.Background(), filepath.Join(dir, "kernels")); !errors.Is(err, ErrNoPackage) || !strings.Contains(err.Error(), "not signed") {
		t.Errorf("Fetch = %+v, %v", k, err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("the hook ran")
	}
	if _, err := series(t, "6.1").Fetch(context.Background(), filepath.Join(dir, "kernels")); !errors.Is(err, ErrNoPackage) || !strings.Contains(err.Error(), "no archive named debian-security") {
		t.Errorf("without a source: %v", err)
	}
	put(t, sources, nil)
	if out, err := exec.Command("apt-get", "update").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if _, err := os.Stat(ran); err != nil {
		t.Errorf("a plain apt-get does not run the hook: %v", err)
	}
}

// only requires that dir holds these names and no others.
func only(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if strings.Join(names, " ") != strings.Join(want, " ") {
		t.Errorf("%s holds %q, want %q", dir, names, want)
	}
}

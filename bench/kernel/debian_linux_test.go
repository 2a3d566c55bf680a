package kernel

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// archive of the day: apt-get leaves a package whose unpacking makes a kernel.
const (
	aptCache = `[ "$2" = linux-image-cloud-amd64 ] && echo '  Depends: linux-image-6.1.0-56-cloud-amd64' && exit
echo "E: No packages found" >&2; exit 100`
	aptGet  = `echo "$@" >> "$LOG"; touch linux-image.deb`
	dpkgDeb = `mkdir -p "$3/boot" "$3/lib/modules/9.9/kernel" && touch "$3/boot/vmlinuz-9.9"`
)

// debian puts shell scripts in the place of Debian's commands, and returns a
// cache and the log of downloads.
func debian(t *testing.T, aptCache, aptGet, dpkgDeb string) (cache, log string) {
	t.Helper()
	bin := t.TempDir()
	for name, script := range map[string]string{"apt-cache": aptCache, "apt-get": aptGet, "dpkg-deb": dpkgDeb} {
		put(t, filepath.Join(bin, name), []byte("#!/bin/sh\n"+script+"\n"))
	}
	log = filepath.Join(bin, "log")
	t.Setenv("LOG", log)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	return filepath.Join(t.TempDir(), "cache"), log
}

func TestFetchDownloadsOnce(t *testing.T) {
	cache, log := debian(t, aptCache, aptGet, dpkgDeb)
	for range 2 {
		k, err := Fetch(context.Background(), cache, "6.1")
		if err != nil || k.Version != "9.9" {
			t.Fatalf("Fetch = %+v, %v", k, err)
		}
	}
	if b, _ := os.ReadFile(log); strings.Count(string(b), "download") != 1 || !strings.Contains(string(b), "linux-image-6.1.0-56-cloud-amd64\n") {
		t.Errorf("downloads: %q", b)
	}
	only(t, cache, "linux-image-6.1.0-56-cloud-amd64")
}

// 6.1 must not find 6.12.
func TestASeriesIsNotAnother(t *testing.T) {
	cache, _ := debian(t, `echo '  Depends: linux-image-6.12.5-cloud-amd64'`, aptGet, dpkgDeb)
	if _, err := Fetch(context.Background(), cache, "6.1"); !errors.Is(err, ErrNoPackage) || !strings.Contains(err.Error(), "apt-get update") {
		t.Error(err)
	}
	if pkg, err := Package(context.Background(), "6.12"); err != nil || pkg != "linux-image-6.12.5-cloud-amd64" {
		t.Errorf("%q, %v", pkg, err)
	}
}

func TestWhatIsCachedServesWhereTheArchiveDoesNot(t *testing.T) {
	cache, _ := debian(t, aptCache, aptGet, dpkgDeb)
	if _, err := Fetch(context.Background(), cache, "6.1"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", t.TempDir())
	if k, err := Fetch(context.Background(), cache, "6.1"); err != nil || k.Version != "9.9" {
		t.Errorf("%+v, %v", k, err)
	}
	if _, err := Fetch(context.Background(), cache, "6.12"); !errors.Is(err, ErrNoPackage) {
		t.Error(err)
	}
}

func TestAFetchThatFailsLeavesNothing(t *testing.T) {
	for _, tc := range []struct{ name, aptGet, dpkgDeb, want string }{
		{"download", `echo "E: no network" >&2; exit 100`, dpkgDeb, "E: no network"},
		{"nothing comes", `true`, dpkgDeb, "left 0 packages"},
		{"unpack", aptGet, `echo "not a package" >&2; exit 2`, "not a package"},
		{"not a kernel", aptGet, `mkdir -p "$3/usr"`, "no boot/vmlinuz-*"},
	} {
		cache, _ := debian(t, aptCache, tc.aptGet, tc.dpkgDeb)
		if _, err := Fetch(context.Background(), cache, "6.1"); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
		only(t, cache)
	}
}

func TestAFetchThatIsStoppedLeavesNothing(t *testing.T) {
	cache, _ := debian(t, aptCache, `sleep 20; true`, dpkgDeb)
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(100*time.Millisecond, cancel)
	if _, err := Fetch(ctx, cache, "6.1"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	only(t, cache)
}

// What a killed one left is removed by the next; what another is at work on is not.
func TestAFetchSweepsTheWorkshopsOfTheDead(t *testing.T) {
	cache, _ := debian(t, aptCache, aptGet, dpkgDeb)
	put(t, filepath.Join(cache, ".fetch-dead", "linux-image.deb"), []byte("half of it"))
	put(t, filepath.Join(cache, ".fetch-live", "linux-image.deb"), nil)
	put(t, filepath.Join(cache, ".fetch-born", "linux-image.deb"), nil)
	long := time.Now().Add(-time.Hour)
	for _, name := range []string{".fetch-dead", ".fetch-live"} {
		if err := os.Chtimes(filepath.Join(cache, name), long, long); err != nil {
			t.Fatal(err)
		}
	}
	unlock, err := lock(filepath.Join(cache, ".fetch-live"))
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	if _, err := Fetch(context.Background(), cache, "6.1"); err != nil {
		t.Fatal(err)
	}
	only(t, cache, ".fetch-born", ".fetch-live", "linux-image-6.1.0-56-cloud-amd64")
}

func TestTwoFetchesAtOnce(t *testing.T) {
	cache, _ := debian(t, aptCache, `sleep 0.1; touch linux-image.deb`, dpkgDeb)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if _, err := Fetch(context.Background(), cache, "6.1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	only(t, cache, "linux-image-6.1.0-56-cloud-amd64")
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

package scratch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOnlyWhatWasCreatedIsRemoved(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	for _, keep := range []bool{false, true} {
		f, err := Open(name, false, keep)
		if err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(name); (err == nil) != keep {
			t.Errorf("keep %v: %v", keep, err)
		}
	}
	if _, err := Open(name, false, false); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("an existing file: %v", err)
	}
	f, err := Open(name, true, false)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := os.Stat(name); err != nil {
		t.Errorf("force removed somebody's file: %v", err)
	}
}

// A file that another program put in its place is not ours.
func TestAFileThatWasReplacedIsLeft(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	f, err := Open(name, false, false)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name+"2", []byte("theirs"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(name+"2", name); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if b, err := os.ReadFile(name); err != nil || string(b) != "theirs" {
		t.Errorf("%q, %v", b, err)
	}
}

func TestTwoRunsDoNotShareAFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	f, err := Open(name, false, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := Open(name, true, false); err == nil || !strings.Contains(err.Error(), "another run") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(name); err != nil {
		t.Errorf("the first run's file is gone: %v", err)
	}
}

func TestATemporaryFileHasNoName(t *testing.T) {
	dir := t.TempDir()
	f, err := Temporary(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 0 {
		t.Errorf("%v, %v", entries, err)
	}
	if _, err := f.Write([]byte("x")); err != nil {
		t.Error(err)
	}
}

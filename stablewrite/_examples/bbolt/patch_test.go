package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// patched copies bbolt, applies bbolt.patch if apply is set, and returns the name of a
// go.mod that replaces bbolt by the copy. Its go.sum joins those of this module, of
// bbolt, which the first vouches for, and of stablepages.
func patched(t *testing.T, apply bool) (modfile string) {
	t.Helper()
	// This test was built with bbolt, so bbolt is in the module cache.
	module, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "go.etcd.io/bbolt").Output()
	if err != nil {
		t.Fatalf("go list -m: %v", err)
	}
	root, err := filepath.Abs("../../..")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	engine := filepath.Join(dir, "bbolt")
	if err := os.CopyFS(engine, os.DirFS(strings.TrimSpace(string(module)))); err != nil {
		t.Fatal(err)
	}
	if apply {
		applyPatch(t, "bbolt.patch", engine)
		for _, added := range []string{"queue.go", "stable.go"} {
			writeFile(t, filepath.Join(engine, added), readFile(t, filepath.Join("testdata", added)))
		}
	}
	mod := strings.ReplaceAll(readFile(t, "go.mod"), "../../..", root)
	modfile = filepath.Join(dir, "go.mod")
	writeFile(t, modfile, fmt.Sprintf("%s\nreplace go.etcd.io/bbolt => %s\n", mod, engine))
	writeFile(t, filepath.Join(dir, "go.sum"), readFile(t, "go.sum")+readFile(t, filepath.Join(engine, "go.sum"))+readFile(t, filepath.Join(root, "go.sum")))
	return modfile
}

// applyPatch applies a unified diff to the files in dir. It finds the place of a
// hunk by its lines, which must occur once, not by line numbers.
func applyPatch(t *testing.T, patch, dir string) {
	t.Helper()
	for file := range strings.SplitSeq(readFile(t, patch), "--- a/") {
		name, hunks, found := strings.Cut(file, "\n")
		if !found {
			continue
		}
		name = filepath.Join(dir, name)
		text := readFile(t, name)
		for i, hunk := range strings.Split(hunks, "\n@@ ") {
			if i == 0 {
				continue // the +++ line
			}
			before, after := sides(hunk)
			if n := strings.Count(text, before); n != 1 {
				t.Fatalf("%s: hunk %d applies in %d places of %s: is this the version of bbolt that it was made for?", patch, i, n, name)
			}
			text = strings.Replace(text, before, after, 1)
		}
		writeFile(t, name, text)
	}
}

// sides returns the lines of a hunk before the patch, and those after it.
func sides(hunk string) (before, after string) {
	_, lines, _ := strings.Cut(strings.TrimSuffix(hunk, "\n"), "\n")
	for line := range strings.SplitSeq(lines, "\n") {
		switch {
		case strings.HasPrefix(line, "-"):
			before += line[1:] + "\n"
		case strings.HasPrefix(line, "+"):
			after += line[1:] + "\n"
		default:
			kept := strings.TrimPrefix(line, " ") + "\n"
			before, after = before+kept, after+kept
		}
	}
	return before, after
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

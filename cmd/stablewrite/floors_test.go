package main

import (
	"encoding/json"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// floors are the layers of the project, the lowest first. A package may import
// only from floors below its own, or from its own by the order within bench.
var floors = []string{"stablepages/stablewrite/internal/ring", "stablepages/crcguard", "stablepages/stablewrite", benchFloor, "stablepages/cmd"}

const benchFloor = "stablepages/bench"

// testsOnly is a package that tests of every floor may import, and no program.
const testsOnly = "stablepages/bench/testenv"

// benchOrder is the order within bench: a package imports only those before it.
var benchOrder = []string{"testenv", "mutator", "record", "scratch", "aio", "guard", "watch", "repro", "probe", "cost", "evaluate", "victim", "kernel", "prove", "chart", "findings", "report"}

// libraries are the only modules that packages of the three lowest floors may import.
var libraries = []string{"golang.org/x/sys/", "github.com/klauspost/crc32"}

type listed struct {
	ImportPath string
	Standard   bool
	Imports    []string
	Deps       []string
}

func list(t *testing.T, goos string) (all []listed) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-json=ImportPath,Standard,Imports,Deps", "stablepages/...")
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

func floorOf(t *testing.T, path string) int {
	for i, prefix := range floors {
		if path == prefix || strings.HasPrefix(path, prefix+"/") {
			return i
		}
	}
	t.Errorf("%s is on no floor", path)
	return -1
}

func inBench(path string) int {
	return slices.Index(benchOrder, strings.TrimPrefix(path, "stablepages/bench/"))
}

func TestImportsGoDownTheFloors(t *testing.T) {
	for _, goos := range []string{"linux", "darwin"} {
		ours := 0
		for _, p := range list(t, goos) {
			if !strings.HasPrefix(p.ImportPath, "stablepages/") {
				continue
			}
			ours++
			floor := floorOf(t, p.ImportPath)
			bench := floor >= 0 && floors[floor] == benchFloor
			if bench && inBench(p.ImportPath) < 0 {
				t.Errorf("%s has no place in the order within bench", p.ImportPath)
			}
			for _, imported := range p.Imports {
				if !strings.HasPrefix(imported, "stablepages/") {
					continue
				}
				below := floorOf(t, imported)
				if imported == testsOnly || below > floor || below == floor && (!bench || inBench(imported) >= inBench(p.ImportPath)) {
					t.Errorf("%s: %s imports %s", goos, p.ImportPath, imported)
				}
			}
		}
		if ours < 10 {
			t.Errorf("%s: only %d packages were looked at", goos, ours)
		}
	}
}

func TestTheLibraryNeedsNothingElse(t *testing.T) {
	standard := map[string]bool{}
	all := list(t, "linux")
	for _, p := range all {
		standard[p.ImportPath] = p.Standard
	}
	for _, p := range all {
		switch p.ImportPath {
		case "stablepages/stablewrite/internal/ring", "stablepages/crcguard", "stablepages/stablewrite":
		default:
			continue
		}
		for _, dep := range p.Deps {
			allowed := standard[dep] || strings.HasPrefix(dep, "stablepages/")
			for _, l := range libraries {
				allowed = allowed || strings.HasPrefix(dep, l)
			}
			if !allowed {
				t.Errorf("%s needs %s", p.ImportPath, dep)
			}
		}
	}
}

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// shown is the program around the lines that README shows.
const shown = `package main

import (
	"fmt"
	"log"

	"stablepages/stablewrite"
)

func main() {
	if err := write(); err != nil {
		log.Fatal(err)
	}
}

func write() error {
%s}
`

// A module of somebody else's, made of what README shows, builds and runs.
func TestTheModuleThatREADMEShows(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	find := func(pattern string) string {
		m := regexp.MustCompile(pattern).FindSubmatch(readme)
		if m == nil {
			t.Fatalf("README has no %q", pattern)
		}
		return string(m[1])
	}
	body := find("(?s)```go\n(.*?)```")
	edit := strings.ReplaceAll(find(`\n    (go mod edit .*)`), "/path/to/stablepages", root)
	dir := t.TempDir()
	app := fmt.Sprintf(shown, body)
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(app), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, command := range []string{"go mod init example", edit, "go vet ./...", "go build -o app .", "./app"} {
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = dir
		cmd.Env = append(cmd.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
}

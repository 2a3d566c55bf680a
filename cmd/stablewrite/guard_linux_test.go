package main

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// A program inherits ignored signals, as from a service manager, and its terminal. A
// guard changes neither.
func TestRunKeepsSignalsAndTerminal(t *testing.T) {
	terminal, name := pty(t)
	defer terminal.Close()
	slave, err := os.OpenFile(name, os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	said := func(command string) string {
		cmd := exec.Command("sh", "-c", "trap '' PIPE QUIT USR1 HUP CHLD; ulimit -n 512; exec "+command)
		cmd.Stdin = slave
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		return string(out)
	}
	const look = `sh -c 'tty; ulimit -n; exec grep -E "^(SigIgn|SigBlk)" /proc/self/status'`
	want := said(look)
	if got := said(program(t) + " run -- " + look); got != want || !strings.Contains(got, "/dev/pts/") {
		t.Errorf("guarded:\n%s\nunguarded:\n%s", got, want)
	}
}

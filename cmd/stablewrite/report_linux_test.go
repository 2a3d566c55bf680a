package main

import (
	"bytes"
	"io"
	"os"
	"syscall"
	"testing"
)

// Colors are for terminals, unless the user forbids them.
func TestAReportHasColorsOnATerminalOnly(t *testing.T) {
	const record = `{"kind":"repro","strategy":"raw","mutator":"storm","gate":true,"detect":"digest","in":"process","size":4096,"writes":9,"overlapped":9,"torn":7,"read_errors":0,"write_errors":0,"refused":0,"version":1}`
	for _, tc := range []struct {
		name     string
		terminal bool
		env      string
		want     bool
	}{
		{"a pipe", false, "TERM=xterm", false},
		{"a terminal", true, "TERM=xterm", true},
		{"a terminal, by NO_COLOR", true, "NO_COLOR=1", false},
		{"a dumb terminal", true, "TERM=dumb", false},
	} {
		cmd, out := command(t.TempDir(), "report", "-")
		cmd.Stdin = bytes.NewReader([]byte(record))
		cmd.Env = append(os.Environ(), "TERM=xterm", "NO_COLOR=", tc.env)
		seen := func() []byte { return out.Bytes() }
		var slave *os.File
		if tc.terminal {
			master, name := pty(t)
			var err error
			if slave, err = os.OpenFile(name, os.O_RDWR|syscall.O_NOCTTY, 0); err != nil {
				t.Fatal(err)
			}
			cmd.Stdout = slave
			seen = func() []byte {
				slave.Close()
				b, _ := io.ReadAll(master) // ends with EIO: no slave is left
				return b
			}
		}
		if err := cmd.Run(); err != nil {
			t.Fatalf("%s: %v\n%s", tc.name, err, out)
		}
		text := seen()
		if !bytes.Contains(text, []byte("*7/9")) || bytes.Contains(text, []byte("\x1b[33m*7/9\x1b[0m")) != tc.want || bytes.Contains(text, []byte("\x1b")) != tc.want {
			t.Errorf("%s: %q", tc.name, text)
		}
	}
}

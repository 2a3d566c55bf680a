package main

import (
	"bytes"
	"fmt"
	"testing"

	"stablepages/bench/testenv"
)

// A terminal shows a table, which is updated and erased at the end. The line that a
// program changes its pages goes to every kind of output, and stays.
func TestTheTableOfWatchIsForTerminals(t *testing.T) {
	testenv.EBPF(t)
	writer, _ := command(testenv.DirectDir(t), "repro", "--mutator", "storm", "--duration", "1h")
	if err := writer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, pid := range family(writer.Process.Pid) {
			defer awaitEnd(t, []int{pid})
		}
		writer.Process.Kill()
		writer.Wait()
	})
	for _, term := range []string{"xterm", "dumb"} {
		t.Run(term, func(t *testing.T) {
			t.Parallel()
			seen := onTerminal(t, term, "watch", "--pid", fmt.Sprint(writer.Process.Pid), "--duration", "2500ms")
			if shown := bytes.Contains(seen, []byte("writes  changed")); shown != (term == "xterm") {
				t.Errorf("%q", seen)
			} else if shown && !bytes.HasSuffix(seen, []byte("\r\x1b[J")) {
				t.Errorf("it does not end with the table gone: %q", seen)
			}
			if !bytes.Contains(seen, []byte("changes pages in flight to")) {
				t.Errorf("no line: %q", seen)
			}
		})
	}
}

package prove

import (
	"context"
	"os/exec"
	"strings"
	"testing"

	"stablepages/bench/testenv"
)

// Programs are compiled when a proof needs them.
func TestProgramsCompile(t *testing.T) {
	if _, err := exec.LookPath("gcc"); err != nil {
		testenv.Missing(t, "the command gcc")
	}
	for _, p := range Programs() {
		if p.source == "" {
			continue
		}
		f, err := p.compile(context.Background(), t.TempDir())
		if err != nil {
			t.Errorf("%s: %v", p.Name, err)
			continue
		}
		st, err := f.Stat()
		if err != nil || st.Size() == 0 || p.command != "" && st.Size() != 64<<10 { // firmware ends where the processor begins
			t.Errorf("%s: %d bytes, %v", p.Name, st.Size(), err)
		}
		f.Close()
	}
	if _, err := ProgramNamed("dd"); err == nil || !strings.Contains(err.Error(), "modify-dio-in-flight") {
		t.Errorf("an unknown program: %v", err)
	}
}

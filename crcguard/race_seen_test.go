//go:build race

package crcguard_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"stablepages/crcguard"
)

// memory has the buffers that a call reads and writes.
type memory struct {
	p, q  []byte // p is the source, or the only one
	sums  []uint32
	guard crcguard.Guard
}

func newMemory() *memory {
	m := &memory{p: make([]byte, 8192), q: make([]byte, 8192), sums: make([]uint32, 2)}
	m.guard.Arm(m.p)
	return m
}

// races are calls, each beside a write to the last byte or element of one of the
// things that it reads or writes, and of that only.
var races = map[string]struct{ call, write func(m *memory) }{
	"Checksum p":            {func(m *memory) { crcguard.Checksum(m.p) }, writeP},
	"ChecksumBlocks p":      {func(m *memory) { crcguard.ChecksumBlocks(m.p, m.sums) }, writeP},
	"ChecksumBlocks sums":   {func(m *memory) { crcguard.ChecksumBlocks(m.p, m.sums) }, writeSums},
	"Copy src":              {func(m *memory) { crcguard.Copy(m.q, m.p) }, writeP},
	"Copy dst":              {func(m *memory) { crcguard.Copy(m.q, m.p) }, writeQ},
	"CopyCold dst":          {func(m *memory) { crcguard.CopyCold(m.q, m.p) }, writeQ},
	"CopyBlocks src":        {func(m *memory) { crcguard.CopyBlocks(m.q, m.p, m.sums) }, writeP},
	"CopyBlocks dst":        {func(m *memory) { crcguard.CopyBlocks(m.q, m.p, m.sums) }, writeQ},
	"CopyBlocks sums":       {func(m *memory) { crcguard.CopyBlocks(m.q, m.p, m.sums) }, writeSums},
	"Guard.Arm p":           {func(m *memory) { m.guard.Arm(m.p) }, writeP},
	"Guard.Arm Sums":        {func(m *memory) { m.guard.Arm(m.p) }, func(m *memory) { m.guard.Sums()[1]++ }},
	"Guard.AppendChanged p": {func(m *memory) { m.guard.AppendChanged(nil, m.p) }, writeP},
	"Guard.ArmPartsAt p":    {func(m *memory) { m.guard.ArmPartsAt([][]byte{m.q, m.p}, 0) }, writeP},
	"Guard.ArmPartsAt Sums": {func(m *memory) { m.guard.ArmPartsAt([][]byte{m.p[:4096], m.p[4096:]}, 0) }, func(m *memory) { m.guard.Sums()[1]++ }},
	"AppendChangedParts p":  {func(m *memory) { m.guard.AppendChangedParts(nil, [][]byte{m.p[:4096], m.p[4096:]}) }, writeP},
	"none":                  {func(m *memory) { crcguard.CopyBlocks(m.q[:4096], m.p[:4096], m.sums[:1]) }, func(m *memory) { writeP(m); writeQ(m); writeSums(m) }},
}

func writeP(m *memory)    { m.p[len(m.p)-1]++ }
func writeQ(m *memory)    { m.q[len(m.q)-1]++ }
func writeSums(m *memory) { m.sums[len(m.sums)-1]++ }

// Assembly is invisible to the race detector unless it is told.
func TestTheRaceDetectorSeesWhatKernelsTouch(t *testing.T) {
	everyKernel(t, func(t *testing.T) {
		for what := range races {
			child := exec.Command(os.Args[0], "-test.run", "^TestRaces$")
			child.Env = append(os.Environ(), raceEnv+"="+what, "CRCGUARD_KERNEL="+crcguard.Kernel(), "GORACE=atexit_sleep_ms=0")
			out, err := child.CombinedOutput()
			if seen := err != nil && bytes.Contains(out, []byte("DATA RACE")); seen == strings.HasPrefix(what, "none") {
				t.Errorf("%s: the detector saw a race: %v; %v\n%s", what, seen, err, out)
			}
		}
	})
}

const raceEnv = "CRCGUARD_TEST_RACE"

func TestRaces(t *testing.T) {
	race, ok := races[os.Getenv(raceEnv)]
	if !ok {
		return // it is for TestTheRaceDetectorSeesWhatKernelsTouch
	}
	m := newMemory()
	done := make(chan struct{})
	go func() {
		defer close(done)
		race.call(m)
	}()
	race.write(m)
	<-done
}

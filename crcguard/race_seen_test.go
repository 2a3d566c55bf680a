//go:build race

package crcguard_test

import (
	"bytes"
	"os"
	"os/exec"
	"testing"

	"stablepages/crcguard"
)

// Assembly is invisible to the race detector unless it is told.
func TestTheRaceDetectorSeesWhatKernelsTouch(t *testing.T) {
	names, available := crcguard.Kernels()
	for i, name := range names {
		for what := range races {
			if !available[i] {
				continue // everyKernel names it
			}
			t.Run(name+"/"+what, func(t *testing.T) {
				child := exec.Command(os.Args[0], "-test.run", "^TestRaces$")
				child.Env = append(os.Environ(), raceEnv+"="+what, "CRCGUARD_KERNEL="+name)
				out, err := child.CombinedOutput()
				if err == nil || !bytes.Contains(out, []byte("DATA RACE")) {
					t.Errorf("the race was not seen: %v\n%s", err, out)
				}
			})
		}
	}
}

const raceEnv = "CRCGUARD_TEST_RACE"

// races read or write memory that another goroutine writes.
var races = map[string]func(p, q []byte, sums []uint32) (touched *byte){
	"source":      func(p, q []byte, sums []uint32) *byte { crcguard.Checksum(p); return &p[5000] },
	"armed":       func(p, q []byte, sums []uint32) *byte { new(crcguard.Guard).Arm(p); return &p[5000] },
	"destination": func(p, q []byte, sums []uint32) *byte { crcguard.Copy(q, p); return &q[5000] },
}

func TestRaces(t *testing.T) {
	race := races[os.Getenv(raceEnv)]
	if race == nil {
		return // it is for TestTheRaceDetectorSeesWhatKernelsTouch
	}
	p, q, sums := make([]byte, 8192), make([]byte, 8192), make([]uint32, 2)
	touched := make(chan *byte, 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		touched <- race(p, q, sums)
	}()
	p[5000], q[5000] = 1, 1 // whichever of the two it is
	<-done
	*<-touched = 2
}

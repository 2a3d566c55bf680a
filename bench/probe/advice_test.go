package probe

import (
	"strings"
	"testing"

	"stablepages/bench/record"
	"stablepages/stablewrite"
)

func TestAdvice(t *testing.T) {
	on := true
	for _, tc := range []struct {
		p    record.Probe
		want string
	}{
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 64, Reached: 60}, "Affected: what changes in flight reaches the media. Choose bounce"},
		{record.Probe{Written: stablewrite.DirectUnknown, Measured: "a file", Writes: 64, WriteErrors: 3}, "Affected: writes whose buffer changes in flight fail."},
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Writes: 64}, "Not shown: direct I/O is said to be direct, yet no change of 64 reached the media."},
		{record.Probe{Written: stablewrite.DirectNo, Measured: "a file", Writes: 64}, "Not affected as it stands"},
		{record.Probe{Written: stablewrite.DirectNo}, "Not affected: nothing is written directly here."},
		{record.Probe{Written: stablewrite.DirectYes}, "Not measured."},
		{record.Probe{Written: stablewrite.DirectYes, Measured: "a file", Reached: 1, System: &record.System{StableWrites: &on}}, "The device asks for stable pages"},
	} {
		if got := Advice(tc.p); !strings.Contains(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.p, got, tc.want)
		}
	}
}

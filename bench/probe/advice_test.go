package probe

import (
	"strings"
	"testing"

	"stablepages/bench/record"
)

func TestAdvice(t *testing.T) {
	on := true
	for _, tc := range []struct {
		p    record.Probe
		want string
	}{
		{record.Probe{Direct: "yes", Measured: true, Writes: 64, Reached: 60}, "Affected: what changes in flight reaches the media. Choose bounce"},
		{record.Probe{Direct: "unknown", Measured: true, Writes: 64, WriteErrors: 3}, "Affected: writes whose buffer changes in flight fail."},
		{record.Probe{Direct: "yes", Measured: true, Writes: 64}, "Not shown: direct I/O is said to be direct, yet no change of 64 reached the media."},
		{record.Probe{Direct: "no", Measured: true, Writes: 64}, "Not affected as it stands"},
		{record.Probe{Direct: "no"}, "Not affected: there is no direct I/O here."},
		{record.Probe{Direct: "yes"}, "Not measured: with --force"},
		{record.Probe{Direct: "yes", Measured: true, Reached: 1, StableWrites: &on}, "The device asks for stable pages"},
	} {
		if got := advice(tc.p); !strings.Contains(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.p, got, tc.want)
		}
	}
}

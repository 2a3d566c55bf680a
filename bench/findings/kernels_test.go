package findings

import (
	"strings"
	"testing"

	"stablepages/bench/mutator"
	"stablepages/bench/record"
	"stablepages/stablewrite"
)

// raced returns a raw race on a stage, with the result that spoil sets.
func raced(kernel, victim string, spoil func(*record.Prove)) record.Prove {
	r := sound()
	r.Kernel, r.Victim, r.Mismatches, r.Strategy = kernel, victim, nil, stablewrite.Raw
	spoil(&r)
	return r
}

// twoKernels returns races under 6.1, which has the fault, and 7.3, which bounces for btrfs
// only.
func twoKernels() []record.Prove {
	bounced := func(r *record.Prove) { r.Written, r.WrittenBy = stablewrite.DirectBounced, record.ByGate }
	return []record.Prove{
		raced("6.1-cloud-amd64", "btrfs", func(r *record.Prove) { r.Torn, r.ReadErrors, r.WrittenBy = 40, 40, record.ByGate }),
		raced("7.3-cloud-amd64", "btrfs", bounced),
		raced("7.3-cloud-amd64", "btrfs", func(r *record.Prove) {
			bounced(r)
			r.Strategy, r.Mutator, r.Torn, r.WriteErrors = stablewrite.Verify, mutator.ABA, 15, 2
		}),
		raced("7.3-cloud-amd64", "btrfs", func(r *record.Prove) {
			bounced(r)
			r.Strategy = stablewrite.Bounce
		}),
		raced("7.3-cloud-amd64", "md-raid1", func(r *record.Prove) { r.Torn, r.Diverged, r.WrittenBy = 30, 25, record.ByGate }),
		raced("7.3-cloud-amd64", "t10-pi", func(*record.Prove) {}),
		raced("7.3-cloud-amd64", "ext4", func(r *record.Prove) { r.Needs, r.Torn = false, 9 }),
	}
}

func TestTheMatrixHasAStateForEveryKernelAndStack(t *testing.T) {
	got := rows(matrix(kernels(twoKernels())))
	const want = `|6.1|7.3
btrfs|direct|bounced
raw|open 40e/60|closed 0/60
verify||open 2e15t/60
bounce||closed 0/60
md-raid1||direct
raw||open 25e5t/60
t10-pi||direct
raw||not shown 0/60
ext4||direct
raw||open 9t/60
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestAKernelHasASentence(t *testing.T) {
	for kernel, want := range map[string]string{
		"6.1-cloud-amd64": "Linux 6.1: the device reads the caller's memory, so changed writes were refused, cannot be read back, or left mirrors different: btrfs (40 of 60).",
		"7.3-cloud-amd64": "Linux 7.3: it bounces direct writes to btrfs, and none of 60 changed writes failed; the device reads the caller's memory, so changed writes were refused, cannot be read back, or left mirrors different: md-raid1 (25 of 60); nothing was shown on t10-pi.",
		"5.0-cloud-amd64": "",
	} {
		got := ""
		for _, k := range kernels(twoKernels()) {
			if k.release() == kernel {
				got = k.sentence()
			}
		}
		if got != want {
			t.Errorf("%s: %q, want %q", kernel, got, want)
		}
	}
	buffered := []record.Prove{raced("6.12", "btrfs", func(r *record.Prove) { r.Written, r.WrittenBy = stablewrite.DirectNo, record.ByGate })}
	if got := kernels(buffered)[0].sentence(); !strings.Contains(got, "it sends direct writes to btrfs through the page cache, and none of 60 changed writes failed.") {
		t.Errorf("%q", got)
	}
}

func TestAKernelThatCopiesMendsNoReceipt(t *testing.T) {
	if got := receipts(kernels(twoKernels())); !strings.Contains(got, "15 of 58 receipts of verify for changed and restored buffers differ from the media (btrfs on 7.3)") {
		t.Errorf("%q", got)
	}
	if got := receipts(kernels(twoKernels()[:2])); got != "" {
		t.Errorf("%q without a false receipt", got)
	}
}

// The answer of probe is compared with the result of the races.
func TestAProbeThatIsWrongIsSaid(t *testing.T) {
	for _, tc := range []struct {
		answer string
		of     int // twoKernels
		wrong  bool
	}{
		{"open", 0, false}, {"closed", 0, true}, {"not shown", 0, false},
		{"closed", 1, false}, {"open", 1, true}, {"not shown", 1, false},
	} {
		r := twoKernels()[tc.of]
		said := raced(r.Kernel, r.Victim, func(r *record.Prove) { r.Scenario, r.Answer = record.Probing, tc.answer })
		v := judgeProofs([]record.Prove{r, said})
		if text := strings.Join(v.Inconclusive, "\n"); strings.Contains(text, "probe says that it is "+tc.answer) != tc.wrong || len(v.Broken) > 0 {
			t.Errorf("%s of %s: %q", tc.answer, r.Kernel, v)
		}
	}
}

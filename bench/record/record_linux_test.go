package record

import (
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"testing"

	"stablepages/bench/mutator"
	"stablepages/stablewrite"
)

func TestARecordIsOneLineThatReadsBack(t *testing.T) {
	var b bytes.Buffer
	want := Repro{Kind: KindRepro, Strategy: stablewrite.Verify, Mutator: mutator.ABA, Writes: 3, Seed: 1 << 63, Version: Version, System: SystemOf(os.Stdin)}
	if err := Write(&b, want); err != nil {
		t.Fatal(err)
	}
	if n := bytes.Count(b.Bytes(), []byte("\n")); n != 1 || b.Bytes()[b.Len()-1] != '\n' {
		t.Errorf("%d lines", n)
	}
	var got Repro
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.System.Kernel != want.System.Kernel || got.System.CPU != want.System.CPU {
		t.Errorf("system %+v, want %+v", got.System, want.System)
	}
	got.System = want.System
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestParseMounts(t *testing.T) {
	const table = `22 1 0:21 / /proc rw,relatime shared:5 - proc proc rw
36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
40 35 0:40 / /mnt/b rw - btrfs /dev/loop0 rw,nodatasum
cut short
`
	want := []Mount{
		{"22", "0:21", "/proc", "proc", "proc", "rw,relatime", "rw"},
		{"36", "98:0", "/mnt2", "ext3", "/dev/root", "rw,noatime", "rw,errors=continue"},
		{"40", "0:40", "/mnt/b", "btrfs", "/dev/loop0", "rw", "rw,nodatasum"},
	}
	if got := parseMounts(table); !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestSystemOfAFile(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := SystemOf(f)
	if s.Kernel == "" || s.CPUs < 1 || s.FileSystem == "" || s.OS != "linux" {
		t.Errorf("%+v", s)
	}
}

func TestARecordOfVersion1IsReadAsOneOfToday(t *testing.T) {
	for old, want := range map[string]stablewrite.Directness{
		"yes": stablewrite.DirectYes, "no": stablewrite.DirectNo, "unknown": stablewrite.DirectUnknown,
	} {
		line := []byte(`{"version":1,"direct":"` + old + `","direct_why":"it says so"}`)
		var race Prove
		var cost Cost
		var probe Probe
		for _, r := range []interface{ upgrade() }{&race, &cost, &probe} {
			if err := json.Unmarshal(line, r); err != nil {
				t.Fatal(err)
			}
			for range 2 { // once more changes nothing
				r.upgrade()
			}
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(b, []byte(`"written":"`+want.String()+`"`)) || bytes.Contains(b, []byte(`"direct":`)) || bytes.Contains(b, []byte("direct_why")) {
				t.Errorf("%s is %s", line, b)
			}
		}
		if probe.WrittenWhy != "it says so" || race.Version != Version || cost.Version != Version || probe.Version != Version {
			t.Errorf("%+v, %+v, %+v", race, cost, probe)
		}
	}
}

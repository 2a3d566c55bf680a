package guard

import (
	"testing"

	"stablepages/bench/record"
)

func TestTextNamesTheFirstFilesAndCountsAll(t *testing.T) {
	all := []record.Guard{
		{Opens: 9},
		{Comm: "db", PID: 7, File: "/d/log\x1b[2J", Opens: 2, Cleared: 1},
		{Comm: "db", PID: 7, Refused: 1},
		{Comm: "db", PID: 7},
		{Comm: "db", PID: 8, File: "/d/data", Opens: 1},
	}
	want := "O_DIRECT was taken from 12 opens and from 1 descriptor opened in another way; refused with ENOSYS: 1 call\n" +
		"  9  others\n  3  db (7)  /d/log\uFFFD[2J\n  1  db (7)  refused\n  and 1 file more"
	if got := Text(all, 3); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

package victim

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// discard is the mark of an entry in logOf that discards 8 KiB.
const discard = "discard"

// logOf makes a log of entries with sectors of 512 bytes.
func logOf(entries ...Logged) []byte {
	le := binary.LittleEndian
	super := make([]byte, 512)
	le.PutUint64(super, logMagic)
	le.PutUint64(super[8:], 1)
	le.PutUint64(super[16:], uint64(len(entries)))
	le.PutUint32(super[24:], 512)
	b := super
	for _, e := range entries {
		length := uint64(len(e.Data))
		if e.Mark == discard {
			e.Mark, length = "", 8192
		}
		var flags uint64
		for flag, on := range map[uint64]bool{logFUA: e.FUA, logMark: e.Mark != "", logDiscard: length > 0 && e.Data == nil} {
			if on {
				flags |= flag
			}
		}
		head := make([]byte, 512)
		le.PutUint64(head, uint64(e.Off)/512)
		le.PutUint64(head[8:], length/512)
		le.PutUint64(head[16:], flags)
		le.PutUint64(head[24:], uint64(len(e.Mark)))
		copy(head[32:], e.Mark)
		b = append(append(b, head...), e.Data...)
	}
	return b
}

func TestReadLog(t *testing.T) {
	want := []Logged{
		{Mark: "verify"},
		{Off: 4096, Data: bytes.Repeat([]byte{1}, 1024)},
		{Off: 1 << 20, Mark: discard},
		{Data: []byte{}}, // a flush
		{Off: 65536, Data: bytes.Repeat([]byte{2}, 512), FUA: true},
		{Mark: logEnd},
	}
	var got []Logged
	keep := func(e Logged) error {
		got = append(got, e)
		return nil
	}
	log := logOf(want...)
	if err := ReadLog(bytes.NewReader(log), keep); err != nil {
		t.Fatal(err)
	}
	want[2].Mark = ""
	if !reflect.DeepEqual(got, want) {
		t.Errorf("read %+v\nwant %+v", got, want)
	}
	stop := errors.New("stop")
	if err := ReadLog(bytes.NewReader(log), func(Logged) error { return stop }); !errors.Is(err, stop) {
		t.Error(err)
	}
	for cut := range len(log) {
		if err := ReadLog(bytes.NewReader(log[:cut]), keep); err == nil {
			t.Fatalf("a log cut after %d bytes is read whole", cut)
		}
	}
}

func TestALogThatIsNone(t *testing.T) {
	bad := func(change func([]byte)) []byte {
		b := logOf(Logged{Mark: "m"}, Logged{Data: make([]byte, 512)}, Logged{Mark: logEnd})
		change(b)
		return b
	}
	for want, log := range map[string][]byte{
		"not a log":  bad(func(b []byte) { b[0]++ }),
		"sectors of": bad(func(b []byte) { binary.LittleEndian.PutUint32(b[24:], 3) }),
		"a mark of":  bad(func(b []byte) { binary.LittleEndian.PutUint64(b[512+24:], 1<<40) }),
		"entry 1":    bad(func(b []byte) { binary.LittleEndian.PutUint64(b[1024+8:], 1<<60) }),
		"entry 3":    bad(func(b []byte) { b[16]++ }),
		"before its": bad(func(b []byte) { b[16]-- }),
	} {
		if err := ReadLog(bytes.NewReader(log), func(Logged) error { return nil }); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func FuzzReadLog(f *testing.F) {
	f.Add(logOf(Logged{Mark: "m"}, Logged{Data: make([]byte, 512), FUA: true}))
	f.Fuzz(func(t *testing.T, log []byte) {
		ReadLog(bytes.NewReader(log), func(e Logged) error {
			if e.Off < 0 {
				t.Fatal("an entry before the disk")
			}
			return nil
		})
	})
}

package record

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"reflect"
)

const (
	// maxLine is many times the longest Record, whose evidence is a few lines of a
	// kernel's log.
	maxLine = 1 << 20
	// maxRecords bounds the memory that files can take. An evaluation writes some hundreds.
	maxRecords = 1 << 18
	// linesEach bounds the lines that are read for each Record that is kept: most Records
	// are of races, which are added up.
	linesEach = 4
	maxString = 400 // runes
)

// Read adds the Records in r, one a line. It holds one line at a time. It ends at a line
// that is not a Record, with an error that begins with name and the number of the line;
// the Records before it stay in res. Warnings name lines that it leaves out: a last line
// that is cut short, Records of unknown kinds, and Records that were read before, as from
// a copy of a file.
func (res *Results) Read(name string, r io.Reader) (warnings []string, err error) {
	return res.read(name, r, maxRecords)
}

// read is Read that keeps at most so many Records.
func (res *Results) read(name string, r io.Reader, most int) (warnings []string, err error) {
	res.ready()
	res.endRun()
	unknown := map[string]bool{}
	found, again := 0, 0
	lines := bufio.NewReaderSize(r, maxLine)
	for n, last := 1, false; !last; n++ {
		at := fmt.Sprintf("%s:%d", name, n)
		line, err := lines.ReadSlice('\n')
		last = err == io.EOF
		if errors.Is(err, bufio.ErrBufferFull) {
			return warnings, fmt.Errorf("%s: a line of more than %d KiB is no Record", at, maxLine>>10)
		} else if err != nil && !last {
			return warnings, fmt.Errorf("%s: %w", at, err)
		}
		if res.lines++; res.lines > linesEach*most {
			return warnings, fmt.Errorf("%s: more than %d lines: give fewer files, or shorter ones", at, linesEach*most)
		}
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		// No two Records take the same time to the nanosecond, so equal lines are one Record,
		// read twice. A new Record has the hash of another with a chance of 1 in 30 million at
		// most, and no file can raise that chance, since the seed is random.
		hash := maphash.Bytes(res.seed, line)
		if res.seen[hash] {
			again++
			continue
		}
		kind, err := res.add(line)
		switch {
		case err == nil && kind == "":
			res.seen[hash] = true
			found++
		case err == nil:
			if !unknown[kind] && len(unknown) < 10 {
				unknown[kind] = true
				warnings = append(warnings, fmt.Sprintf("%s: Records of kind %q are not known to this program, and left out", at, kind))
			}
		case last && found+again > 0 && errors.Is(err, io.ErrUnexpectedEOF):
			warnings = append(warnings, at+": the last line is cut short, and left out: what was measured after it is not in the report")
		default:
			return warnings, fmt.Errorf("%s: %w", at, err)
		}
		if res.Len() > most {
			return warnings, fmt.Errorf("%s: more than %d Records to keep: give fewer files, or shorter ones", at, most)
		}
	}
	if again > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: Records that were read before are left out: %d", name, again))
	}
	if found+again == 0 {
		return warnings, fmt.Errorf("%s: no Records", name)
	}
	return warnings, nil
}

// kinds lists the kinds of Records, and the fields that each must have. Without the writer,
// the change and the counts a Record could be taken for another, or for a clean one.
var kinds = map[string]struct {
	must  []string
	parse func([]byte) (any, error)
}{
	KindRepro: {raceFields, parse[Repro]},
	KindCost:  {[]string{"strategy", "size", "depth", "mutated", "round", "bytes", "seconds"}, parse[Cost]},
	KindPrecision: {[]string{
		"strategy", "detect", "mutator", "size", "blocks", "torn", "resubmitted", "both",
	}, parse[Precision]},
	KindProve: {append([]string{"scenario", "kernel", "victim", "needs_stable_pages"}, raceFields...), parse[Prove]},
	KindGuard: {[]string{"comm", "pid", "file", "opens", "cleared", "refused"}, parse[Guard]},
	KindWatch: {[]string{
		"comm", "pid", "memory", "direct", "writes", "changed", "blocks", "blocks_changed", "bios", "untraced",
	}, parse[Watch]},
	KindProbe: {[]string{"path", "writes", "reached"}, parse[Probe]},
}

var raceFields = []string{
	"strategy", "mutator", "gate", "detect", "size", "writes", "overlapped", "torn", "read_errors", "write_errors", "refused",
}

// add adds the Record in line. Of a Record of an unknown kind it only returns the kind.
func (res *Results) add(line []byte) (unknown string, err error) {
	var fields map[string]json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&fields); err != nil {
		return "", malformed(err)
	}
	var kind string
	if json.Unmarshal(fields["kind"], &kind) != nil || kind == "" {
		return "", errors.New("the object has no kind, so it is no Record")
	}
	var version int
	if json.Unmarshal(fields["version"], &version) != nil {
		return "", errors.New("the version of the Record is missing")
	}
	if version < Oldest || version > Version {
		return "", fmt.Errorf("the Record is of version %d, and this program reads versions %d to %d", version, Oldest, Version)
	}
	k, ok := kinds[kind]
	if !ok {
		if err := json.Unmarshal(line, &fields); err != nil { // there is something after the object
			return "", malformed(err)
		}
		return shown(kind, 40), nil
	}
	for _, name := range k.must {
		if raw := fields[name]; raw == nil || string(raw) == "null" {
			return "", fmt.Errorf("a Record of kind %s must have the field %s", kind, name)
		}
	}
	rec, err := k.parse(line)
	if err == nil {
		res.Add(rec)
	}
	return "", err
}

// parse parses a Record of type T, and refuses a Record that makes no sense.
func parse[T interface{ check(*check) }](line []byte) (any, error) {
	var rec T
	if err := json.Unmarshal(line, &rec); err != nil {
		return nil, malformed(err)
	}
	c := check{numbers: map[string]float64{}}
	c.fields("", reflect.ValueOf(&rec).Elem())
	rec.check(&c)
	return rec, c.err
}

// malformed puts an error of encoding/json in the words of Records.
func malformed(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("a Record that is cut short: %w", err)
	case !errors.As(err, &wrong):
		return fmt.Errorf("no Record: %w", err)
	case wrong.Field == "":
		return fmt.Errorf("no Record: want an object, not %s", wrong.Value)
	}
	return fmt.Errorf("%s: want %v, not %s", wrong.Field, wrong.Type, wrong.Value)
}

// shown is Printable of the first runes of text.
func shown(text string, most int) string {
	runes := []rune(Printable(text))
	return string(runes[:min(most, len(runes))])
}

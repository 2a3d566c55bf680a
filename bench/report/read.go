package report

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode"

	"stablepages/bench/record"
)

const (
	// maxLine is many times the longest Record, whose evidence is a few lines of
	// a kernel's log.
	maxLine = 1 << 20
	// maxRecords bounds the memory that a file can take. An evaluation makes
	// some hundreds.
	maxRecords = 1 << 18
	// linesEach bounds what is read, by what can be kept: most Records are of
	// races, which are added up.
	linesEach = 4
	maxString = 400 // runes
)

// Read adds the Records in r, one a line. It holds one line at a time. What is no
// Record ends it with an error that begins with name and the number of the line;
// what was read before is then in res, too. Warnings are of what is left out: a
// last line that is cut short, kinds of Records that are not known, and Records that
// were read before, as of a copy of a file.
func (res *Results) Read(name string, r io.Reader) (warnings []string, err error) {
	return res.read(name, r, maxRecords)
}

// read is Read that keeps at most so many Records.
func (res *Results) read(name string, r io.Reader, most int) (warnings []string, err error) {
	res.runs.end()
	unknown := map[string]bool{}
	found, again := 0, 0
	lines := bufio.NewReaderSize(r, maxLine)
	for n := 1; ; n++ {
		line, err := lines.ReadSlice('\n')
		at := fmt.Sprintf("%s:%d", name, n)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return warnings, fmt.Errorf("%s: a line of more than %d KiB is no Record", at, maxLine>>10)
		case err != nil && err != io.EOF:
			return warnings, fmt.Errorf("%s: %w", at, err)
		}
		text := bytes.TrimSpace(line)
		if res.lines.n++; res.lines.n > linesEach*most {
			return warnings, fmt.Errorf("%s: more than %d lines: give fewer files, or shorter ones", at, linesEach*most)
		}
		if len(text) > 0 && res.lines.again(text) {
			again++
		} else if len(text) > 0 {
			kind, fault := res.add(text)
			switch {
			case fault == nil && kind == "":
				res.lines.add(text)
				found++
			case fault == nil:
				if !unknown[kind] && len(unknown) < 10 {
					unknown[kind] = true
					warnings = append(warnings, fmt.Sprintf("%s: Records of kind %q are not known to this program, and left out", at, kind))
				}
			case err == io.EOF && found+again > 0 && errors.Is(fault, io.ErrUnexpectedEOF):
				warnings = append(warnings, at+": the last line is cut short, and left out: what was measured after it is not in the report")
			default:
				return warnings, fmt.Errorf("%s: %w", at, fault)
			}
		}
		if err == io.EOF {
			break
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

// kinds says what Records there are, and what each must have to be one: without
// who wrote, what was done to it and the counts it would be another's, or clean.
var kinds = map[string]struct {
	must  []string
	parse func([]byte) (any, error)
}{
	record.KindRepro:     {raceFields, parse(checkRepro)},
	record.KindCost:      {[]string{"strategy", "size", "depth", "mutated", "round", "bytes", "seconds"}, parse(checkCost)},
	record.KindPrecision: {[]string{"strategy", "detect", "mutator", "size", "blocks", "torn", "resubmitted", "both"}, parse(checkPrecision)},
	record.KindProve:     {append([]string{"scenario", "kernel", "victim", "needs_stable_pages"}, raceFields...), parse(checkProve)},
	record.KindGuard:     {[]string{"comm", "pid", "file", "opens", "cleared", "refused"}, parse(checkGuard)},
	record.KindWatch:     {[]string{"comm", "pid", "memory", "direct", "writes", "changed", "blocks", "blocks_changed", "bios", "untraced"}, parse(checkWatch)},
	record.KindProbe:     {[]string{"path", "writes", "reached"}, parse(checkProbe)},
}

var raceFields = []string{"strategy", "mutator", "gate", "detect", "size", "writes", "overlapped", "torn", "read_errors", "write_errors", "refused"}

// add adds the Record in line. A Record of a kind that is not known is left out,
// and its kind returned.
func (res *Results) add(line []byte) (unknown string, err error) {
	var fields map[string]json.RawMessage
	if err := json.NewDecoder(bytes.NewReader(line)).Decode(&fields); err != nil {
		return "", malformed(err)
	}
	var kind string
	if json.Unmarshal(fields["kind"], &kind) != nil || kind == "" {
		return "", errors.New("an object without a kind is no Record")
	}
	var version int
	if json.Unmarshal(fields["version"], &version) != nil {
		return "", errors.New("the version of the Record is missing")
	}
	if version < record.Oldest || version > record.Version {
		return "", fmt.Errorf("the Record is of version %d, and this program reads versions %d to %d", version, record.Oldest, record.Version)
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
			return "", fmt.Errorf("a Record of kind %s without %s is none", kind, name)
		}
	}
	rec, err := k.parse(line)
	if err == nil {
		res.Add(rec)
	}
	return "", err
}

// parse parses a Record of type T, and lets check refuse it.
func parse[T any](check func(T) error) func([]byte) (any, error) {
	return func(line []byte) (any, error) {
		var rec T
		if err := json.Unmarshal(line, &rec); err != nil {
			return nil, malformed(err)
		}
		clean(reflect.ValueOf(&rec).Elem())
		return rec, check(rec)
	}
}

// malformed says in the words of Records what is wrong with JSON.
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

// clean makes the texts in v fit to be shown on a terminal: another's Records may
// hold anything.
func clean(v reflect.Value) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(shown(v.String(), maxString))
	case reflect.Struct:
		for i := range v.NumField() {
			clean(v.Field(i))
		}
	case reflect.Slice:
		for i := range v.Len() {
			clean(v.Index(i))
		}
	case reflect.Pointer:
		if !v.IsNil() {
			clean(v.Elem())
		}
	}
}

// shown is text without what steers a terminal or turns its letters around, and of
// at most so many runes.
func shown(text string, most int) string {
	n := 0
	return strings.Map(func(r rune) rune {
		n++
		switch {
		case n > most:
			return -1
		case unicode.IsGraphic(r):
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

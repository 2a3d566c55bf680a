package testenv

import (
	"os"
	"strings"
	"testing"
)

// Section requires that a Markdown file has text between the comments "<!-- name -->"
// and "<!-- /name -->". With update it writes the text there.
func Section(tb testing.TB, file, name, text string, update bool) {
	tb.Helper()
	was, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- /"+name+" -->"
	before, rest, ok := strings.Cut(string(was), begin)
	is, after, ok2 := strings.Cut(rest, end)
	switch {
	case !ok || !ok2:
		tb.Fatalf("%s has no section between %q and %q", file, begin, end)
	case is == text:
	case update:
		if err := os.WriteFile(file, []byte(before+begin+text+end+after), 0o666); err != nil {
			tb.Fatal(err)
		}
	default:
		tb.Errorf("the section %q of %s is out of date: run this test with -update", name, file)
	}
}

// Indented returns text as a literal block of Markdown.
func Indented(text string) string {
	out := "\n"
	for line := range strings.Lines(text) {
		if line = strings.TrimRight(line, " \n"); line != "" {
			line = "    " + line
		}
		out += line + "\n"
	}
	return out + "\n"
}

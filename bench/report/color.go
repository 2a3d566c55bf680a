package report

import "regexp"

// marks are the cells of tables that a person looks for, and their colours (SGR
// sequences of ECMA-48): broken promises red, holes yellow.
var marks = []struct {
	cell  *regexp.Regexp
	color string
}{
	{regexp.MustCompile(`!\d+[0-9a-z]*/\d+r?|A promise was broken`), "\x1b[1;31m"},
	{regexp.MustCompile(`\*\d+[0-9a-z]*/\d+r?|Inconclusive`), "\x1b[33m"},
}

// Color colours text that Text wrote, for terminals.
func Color(text string) string {
	for _, m := range marks {
		text = m.cell.ReplaceAllString(text, m.color+"$0\x1b[0m")
	}
	return text
}

package record

import (
	"strings"
	"unicode"
)

// Printable is a name fit for a terminal: a program may choose any.
func Printable(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return unicode.ReplacementChar
	}, name)
}

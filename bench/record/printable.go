package record

import (
	"fmt"
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

// Counted returns "1 write", or "2 writes".
func Counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

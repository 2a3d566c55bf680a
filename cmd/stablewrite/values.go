package main

import (
	"encoding"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// values is a flag with several values, separated by commas or given one by one.
// Repetitions count once.
type values[T any] struct {
	to    *[]T // holds the default until the flag is given
	parse func(string) (T, error)
	what  string // shown as the type of the flag
	given []string
}

var _ pflag.Value = (*values[int])(nil)

func newValues[T any](to *[]T, parse func(string) (T, error), what string) *values[T] {
	return &values[T]{to: to, parse: parse, what: what}
}

// parseText parses a value that unmarshals itself.
func parseText[T any, P interface {
	*T
	encoding.TextUnmarshaler
}](text string) (v T, err error) {
	err = P(&v).UnmarshalText([]byte(text))
	return v, err
}

func (l *values[T]) String() string {
	return strings.Join(each(*l.to, func(v T) string { return fmt.Sprint(v) }), ",")
}

func (l *values[T]) Set(text string) error {
	if l.given == nil {
		*l.to = nil
	}
	for field := range strings.SplitSeq(text, ",") {
		field = strings.TrimSpace(field)
		v, err := l.parse(field)
		if err != nil {
			return err
		}
		if !slices.Contains(l.given, field) {
			l.given, *l.to = append(l.given, field), append(*l.to, v)
		}
	}
	return nil
}

func (l *values[T]) Type() string { return l.what }

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// values is a flag with several values, separated by commas. Repetitions count once.
type values[T comparable] struct {
	to    *[]T // holds the default until the flag is set
	parse func(string) (T, error)
	what  string // shown as the type of the flag
}

var _ pflag.Value = values[int]{}

func (l values[T]) String() string {
	if l.to == nil {
		return ""
	}
	return strings.Join(each(*l.to, func(v T) string { return fmt.Sprint(v) }), ",")
}

func (l values[T]) Set(text string) error {
	var all []T
	for field := range strings.SplitSeq(text, ",") {
		v, err := l.parse(strings.TrimSpace(field))
		if err != nil {
			return err
		}
		if !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	*l.to = all
	return nil
}

func (l values[T]) Type() string { return l.what }

package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// values is a flag with several values, separated by commas, without repetitions.
type values[T comparable] struct {
	to    *[]T // holds the default, which a given flag replaces
	parse func(string) (T, error)
	what  string // shown as the type of the flag
}

var _ pflag.Value = values[int]{}

func (l values[T]) String() string {
	if l.to == nil {
		return ""
	}
	var all []string
	for _, v := range *l.to {
		all = append(all, fmt.Sprint(v))
	}
	return strings.Join(all, ",")
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

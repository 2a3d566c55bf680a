package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
)

// values is a flag of values with commas between, each once. It replaces its
// default.
type values[T comparable] struct {
	of    *[]T
	parse func(string) (T, error)
	what  string
}

var _ pflag.Value = values[int]{}

func (l values[T]) String() string {
	if l.of == nil {
		return ""
	}
	var all []string
	for _, v := range *l.of {
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
	*l.of = all
	return nil
}

func (l values[T]) Type() string { return l.what }

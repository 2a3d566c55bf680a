package stablewrite

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// texts names the values of a type.
type texts[T ~uint8] []string

func (t texts[T]) kind() string { return reflect.TypeFor[T]().Name() }

func (t texts[T]) name(v T) string {
	if int(v) >= len(t) {
		return fmt.Sprintf("%s(%d)", t.kind(), uint8(v))
	}
	return t[v]
}

// check is an error if v has no name.
func (t texts[T]) check(v T) error {
	if int(v) >= len(t) {
		return fmt.Errorf("no such %s: %d", strings.ToLower(t.kind()), uint8(v))
	}
	return nil
}

func (t texts[T]) marshal(v T) ([]byte, error) { return []byte(t.name(v)), t.check(v) }

func (t texts[T]) unmarshal(v *T, text []byte) error {
	i := slices.Index(t, string(text))
	if i < 0 {
		return fmt.Errorf("unknown %s %q: there are %v", strings.ToLower(t.kind()), text, []string(t))
	}
	*v = T(i)
	return nil
}

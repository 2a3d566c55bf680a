package mutator

// Where is the place where a mutator runs. The zero value is Process.
type Where uint8

const (
	Process Where = iota // another process, sharing the buffer through a memfd
	Thread               // a thread of this process
)

// String returns "process" or "thread".
func (w Where) String() string { return [...]string{Process: "process", Thread: "thread"}[w] }

// MarshalText implements encoding.TextMarshaler.
func (w Where) MarshalText() ([]byte, error) { return []byte(w.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *Where) UnmarshalText(text []byte) error {
	return parse(w, "place of a mutator", text, []Where{Process, Thread})
}

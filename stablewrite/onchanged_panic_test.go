package stablewrite

import (
	"testing"
	"time"
)

// An OnChanged that panics does so in the caller's Do or Wait. The Write can be
// used again.
func TestAWriteCanBeUsedAgainAfterOnChangedPanicked(t *testing.T) {
	defer watch(t.Name(), time.Minute)()
	for name, write := range map[string]func(*File, *Write) error{
		"Do": func(f *File, w *Write) error { return f.Do(w) },
		"Queue": func(f *File, w *Write) error {
			q := f.Queue(1)
			defer q.Close()
			if err := q.Start(w); err != nil {
				return err
			}
			return q.Wait().Err
		},
	} {
		d, p := changing(kib4)
		mad := true
		f := d.file(t, Options{OnChanged: func(Change) {
			if mad {
				panic("caller")
			}
		}})
		w := &Write{Buf: p[:kib4]}
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: the panic did not reach the caller", name)
				}
			}()
			write(f, w)
		}()
		if busyFile(f) {
			t.Errorf("%s: memory or range leaked", name)
		}
		mad = false
		if err := write(f, w); err != nil {
			t.Errorf("%s again: %v", name, err)
		}
	}
}

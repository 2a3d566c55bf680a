package stablewrite_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"stablepages/stablewrite"
)

// Many writes in flight from one goroutine. A Write that came back is used
// again, so that the loop does not allocate.
func ExampleQueue() {
	dir, err := os.MkdirTemp("", "queue-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	f, err := stablewrite.Create(filepath.Join(dir, "data"), stablewrite.Options{Strategy: stablewrite.Bounce})
	if err != nil {
		log.Fatal(err)
	}
	defer f.Close()

	const depth, size, writes = 4, 64 << 10, 32
	q := f.Queue(depth)
	defer q.Close()
	for i := range writes {
		var w *stablewrite.Write
		if i < depth {
			w = &stablewrite.Write{Buf: stablewrite.AlignedBuffer(size)}
		} else if w = q.Wait(); w.Err != nil {
			log.Fatal(w.Err)
		}
		w.Off = int64(i) * size
		if err := q.Start(w); err != nil {
			log.Fatal(err)
		}
	}
	for w := range q.Drain() {
		if w.Err != nil {
			log.Fatal(w.Err)
		}
	}
	fmt.Println(f.Stats().Writes)
	// Output: 32
}

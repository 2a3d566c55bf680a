package victim

import (
	"fmt"
	"os"

	"stablepages/bench/scratch"
)

// extentsOf lists where the first bytes of f lie, on a file system that overwrites data in
// their place.
func extentsOf(f *os.File, bytes int64) (all []extent, _ error) {
	at := int64(0)
	for e, err := range scratch.Extents(f) {
		if err != nil {
			return nil, err
		}
		if at == bytes || e.Logical > at {
			break
		}
		n := min(e.Logical+e.Length, bytes) - at
		all = append(all, extent{e.Physical + at - e.Logical, n})
		at += n
	}
	if at < bytes {
		return nil, fmt.Errorf("%s has %d bytes on its device, not %d", f.Name(), at, bytes)
	}
	return all, nil
}

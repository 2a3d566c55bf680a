package bbolt

import (
	"unsafe"

	"go.etcd.io/bbolt/internal/common"
	"stablepages/stablewrite"
)

// depth is how many writes of a transaction may be in flight, and run how many
// bytes of adjacent pages go out in one of them.
const (
	depth = 32
	run   = 256 << 10
)

// writePages writes the pages of a transaction, many at a time and adjacent ones
// together, and returns those that are left to be written one by one: all of them
// where the database is not written through stablewrite. Nothing is in flight
// when it returns, so the pages may then go back to their pool.
func (tx *Tx) writePages(pages common.Pages) (left common.Pages, err error) {
	q := tx.db.queue
	if q == nil {
		return pages, nil
	}
	for len(pages) > 0 && err == nil {
		w := &stablewrite.Write{Off: int64(pages[0].Id()) * int64(tx.db.pageSize)}
		n := 0 // bytes in w
		for len(pages) > 0 {
			p := pages[0]
			size := (int(p.Overflow()) + 1) * tx.db.pageSize
			// Parts of a write meet on the file's grid of blocks.
			end := w.Off + int64(n)
			if n > 0 && (int64(p.Id())*int64(tx.db.pageSize) != end || end%4096 != 0 || n+size > run) {
				break
			}
			w.Bufs = append(w.Bufs, common.UnsafeByteSlice(unsafe.Pointer(p), 0, 0, size))
			n += size
			pages = pages[1:]
		}
		if err = q.Start(w); err == nil {
			tx.stats.IncWrite(1)
		}
	}
	for w := range q.Drain() {
		if err == nil {
			err = w.Err
		}
	}
	return nil, err
}

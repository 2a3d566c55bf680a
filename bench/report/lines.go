package report

import "hash/maphash"

// lines are those that were read, of all files. A line that comes twice is one
// Record, read twice: no two Records take the same time to the nanosecond.
//
// Of each there is a hash of 64 bits. That one which is new has the hash of another,
// and is left out, has a chance of 1 in 30 million where there are as many as can be
// read; and no file can bring it about, since the seed is random.
type lines struct {
	seed maphash.Seed
	seen map[uint64]bool
	n    int // the empty ones, too
}

// again reports whether line was read before.
func (l *lines) again(line []byte) bool { return l.seen[l.hash(line)] }

// add adds line.
func (l *lines) add(line []byte) { l.seen[l.hash(line)] = true }

func (l *lines) hash(line []byte) uint64 {
	if l.seen == nil {
		l.seed, l.seen = maphash.MakeSeed(), map[uint64]bool{}
	}
	return maphash.Bytes(l.seed, line)
}

package cost

import (
	"cmp"
	"context"
	"fmt"
	"regexp"

	"stablepages/bench/record"
)

// dd times a cell of dd.
func (r *run) dd(ctx context.Context, g group) (record.Cost, error) {
	size, bytes := int64(g.size), min(r.region, cmp.Or(r.plain, r.region))
	_, said, state, err := r.output(ctx, "dd", "if=/dev/zero", "of="+path, "oflag=direct", "conv=notrunc,fdatasync",
		fmt.Sprintf("bs=%d", size), fmt.Sprintf("count=%d", max(1, bytes/size)))
	if err != nil {
		return record.Cost{}, err
	}
	rec, err := parseDD(said)
	rec.Writes = rec.Bytes / size
	rec.CPUUserSeconds, rec.CPUSystemSeconds = state.UserTime().Seconds(), state.SystemTime().Seconds()
	return rec, err
}

// ddSummary is the last line of GNU dd: "4096 bytes (4.1 kB, 4.0 KiB) copied,
// 0.000123 s, 33.3 MB/s".
var ddSummary = regexp.MustCompile(`(?m)^(\d+) bytes.* copied, ([0-9.e+-]+) s,`)

func parseDD(said []byte) (record.Cost, error) {
	rec := record.Cost{Amplification: 1}
	m := ddSummary.FindSubmatch(said)
	if m == nil {
		return rec, fmt.Errorf("dd: no summary in its output: %s", firstLine(string(said)))
	}
	_, err := fmt.Sscan(string(m[1])+" "+string(m[2]), &rec.Bytes, &rec.Seconds)
	if err != nil || rec.Bytes <= 0 || rec.Seconds <= 0 {
		return rec, fmt.Errorf("dd: nothing was written: %s", m[0])
	}
	return rec, nil
}

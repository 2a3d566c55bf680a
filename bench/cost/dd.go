package cost

import (
	"context"
	"fmt"
	"regexp"
	"strconv"

	"stablepages/bench/record"
)

// dd runs dd for one cell.
func (p *peer) dd(ctx context.Context) (record.Cost, error) {
	size := int64(p.g.size)
	bytes := p.run.region
	if p.run.plain > 0 {
		bytes = min(bytes, p.run.plain)
	}
	_, said, state, err := p.output(ctx, "dd", "if=/dev/zero", "of="+path, fmt.Sprintf("bs=%d", size), fmt.Sprintf("count=%d", max(1, bytes/size)),
		"oflag=direct", "conv=notrunc,fdatasync")
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
	m := ddSummary.FindSubmatch(said)
	if m == nil {
		return record.Cost{}, fmt.Errorf("dd: it does not say what it did: %s", firstLine(string(said)))
	}
	bytes, err := strconv.ParseInt(string(m[1]), 10, 64)
	seconds, err2 := strconv.ParseFloat(string(m[2]), 64)
	if err != nil || err2 != nil || bytes <= 0 || seconds <= 0 {
		return record.Cost{}, fmt.Errorf("dd: it wrote nothing: %s", m[0])
	}
	return record.Cost{Bytes: bytes, Seconds: seconds, Amplification: 1}, nil
}

package probe

import (
	"strings"

	"stablepages/bench/record"
	"stablepages/bench/watch"
)

// layersOf returns the file system and those layers below that a Record knows.
func layersOf(s *record.System) (all []record.Layer) {
	if s.FileSystem != "" {
		all = append(all, record.Layer{Name: s.FileSystem})
	}
	for below := range strings.SplitSeq(s.Below, ", ") {
		device, kind, _ := strings.Cut(below, ": ")
		switch {
		case strings.HasPrefix(kind, "raid"):
			kind = "md " + kind
		case kind == "DRBD":
			kind = "drbd"
		case kind != "": // a format of protection information, such as T10-DIF-TYPE1-CRC
			kind = "T10 PI"
		default:
			continue
		}
		all = append(all, record.Layer{Name: kind, Device: device})
	}
	if s.StableWrites != nil && *s.StableWrites && s.Below == "" {
		all = append(all, record.Layer{Name: watch.Asking, Device: s.Device})
	}
	return all
}

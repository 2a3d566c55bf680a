package probe

import (
	"cmp"
	"strings"

	"stablepages/bench/record"
	"stablepages/bench/watch"
)

// layersOf returns the layers that a Record knows. Records without Layers have the file
// system, and of the devices below those that need stable pages.
func layersOf(p record.Probe) (all []record.Layer) {
	s := cmp.Or(p.System, &record.System{})
	if p.Layers != nil {
		return p.Layers
	}
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
	// dm-integrity with a journal and md raid5 ask, too, and copy first.
	if failed := p.WriteErrors+p.Failed > 0; failed && s.StableWrites != nil && *s.StableWrites && s.Below == "" {
		all = append(all, record.Layer{Name: watch.Asking, Device: s.Device})
	}
	return all
}

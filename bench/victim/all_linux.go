package victim

import "slices"

// layerBytes is the size of bare devices. They have room for the races, and for the
// writes of every strategy that a crash ends.
const layerBytes = 64 << 20

// All lists every Victim, those that need stable pages first.
func All() []Victim {
	return slices.Concat(
		[]Victim{btrfs, md(layerBytes), t10PI(layerBytes), integrity("D")(layerBytes), integrity("B")(layerBytes), drbd}, stacks(),
		[]Victim{btrfsNoSum(), integrity("J")(layerBytes), ext4, xfs, flakey})
}

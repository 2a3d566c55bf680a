package victim

import "slices"

// All lists every Victim, those that need stable pages first.
func All() []Victim {
	return slices.Concat(
		[]Victim{btrfs, md.victim(), t10PI.victim(), integrityDirect.victim(), integrityBitmap, drbd}, stacks(),
		[]Victim{btrfsNoSum, integrityJournal, ext4, xfs, flakey})
}

package victim

// All lists every Victim, those that need stable pages first.
func All() []Victim {
	return []Victim{btrfs, md, t10PI, integrityDirect, integrityBitmap, btrfsNoSum, integrityJournal, ext4, xfs, flakey}
}

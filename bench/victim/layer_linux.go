package victim

// layer is a block device that needs stable pages, of any size: a victim itself,
// and what file systems are put on.
type layer struct {
	name, about string
	modules     func(bytes int64) []string
	disks       func(bytes int64) []int64
	evidence    []string
	noCrash     bool
	blank       bool // where nothing was written it reads as zeros
	injects     bool
	// make makes the device of its disks and gives s its oracles.
	make func(s *Stage, disks []string, bytes int64) (device string, err error)
}

// layerBytes has room for what is raced on, and for a crash of every strategy.
const layerBytes = 64 << 20

// victim is the bare device.
func (l layer) victim() Victim {
	return Victim{
		Name: l.name, About: l.about, NeedsStablePages: true,
		Modules: l.modules(layerBytes), Disks: l.disks(layerBytes),
		NoCrash: l.noCrash, Injects: l.injects, Evidence: l.evidence,
		setUp: func(s *Stage) error {
			device, err := l.make(s, s.disks, layerBytes)
			if err != nil {
				return err
			}
			return s.open(device)
		},
	}
}

// always is a function of a size that does not matter.
func always[T any](all ...T) func(int64) []T { return func(int64) []T { return all } }

package record

// System is where a Record comes from. What is not known is empty.
type System struct {
	CPU          string `json:"cpu"`
	CPUs         int    `json:"cpus"`
	OS           string `json:"os"`
	Arch         string `json:"arch"`
	Kernel       string `json:"kernel"`
	Go           string `json:"go"`
	FileSystem   string `json:"file_system"`   // type; "" for a block device itself
	MountOptions string `json:"mount_options"` // of the mount and of the file system
	Device       string `json:"device"`        // the block device below: "vda", or its path
	StableWrites *bool  `json:"stable_writes"` // queue/stable_writes of the device; null if not known
	// Below is what is known to need stable pages there, whatever StableWrites says:
	// protection information and mirrors, "sda: T10-DIF-TYPE1-CRC, md0: raid1".
	Below string `json:"below,omitempty"`
}

package cost

import "time"

// cpuUsed is processor time of this process. What the kernel does in threads of
// its own, writing back the page cache above all, is not in it.
type cpuUsed struct{ user, system time.Duration }

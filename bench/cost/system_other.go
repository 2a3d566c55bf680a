//go:build !linux

package cost

import "os"

func cpuTime() cpuUsed { return cpuUsed{} }

func dropCache(*os.File, int64) {}

func extents(*os.File) *int { return nil }

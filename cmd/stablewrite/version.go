package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// version describes this program, and the checksum kernel and engine that it uses here.
func version() string {
	module := "of unknown version"
	if info, ok := debug.ReadBuildInfo(); ok {
		module = info.Main.Version // of a checkout, with its commit, and "+dirty" if modified
	}
	return fmt.Sprintf("stablewrite %s\ngo        %s %s/%s\nchecksum  %s\nengine    %s\n",
		module, runtime.Version(), runtime.GOOS, runtime.GOARCH, crcguard.Kernel(), engineHere())
}

// engineHere names the engine for files on the file system of this program.
func engineHere() string {
	f, err := stablewrite.OpenFile("/proc/self/exe", os.O_RDONLY, 0, stablewrite.Options{})
	if err != nil {
		return "unknown: " + err.Error()
	}
	defer f.Close()
	engine, why := f.Engine()
	return fmt.Sprintf("%v (on the file system of this program: %s)", engine, why)
}

package main

import (
	"cmp"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"

	"stablepages/crcguard"
	"stablepages/stablewrite"
)

// version describes this program, and the checksum kernel and engine that it uses here.
func version() string {
	return fmt.Sprintf("stablewrite %s\ngo        %s %s/%s\nchecksum  %s\nengine    %s\n",
		revision(), runtime.Version(), runtime.GOOS, runtime.GOARCH, crcguard.Kernel(), engineHere())
}

// revision is the commit of the checkout, or the module's version.
func revision() string {
	built := buildSettings()
	commit := built["vcs.revision"]
	switch {
	case commit == "":
		return cmp.Or(built["version"], "of unknown version")
	case built["vcs.modified"] == "true":
		return fmt.Sprintf("%.12s of %s, modified", commit, built["vcs.time"])
	}
	return fmt.Sprintf("%.12s of %s", commit, built["vcs.time"])
}

// buildSettings returns the settings that the Go command stored in the program, and the
// "version" of its module.
func buildSettings() map[string]string {
	settings := map[string]string{}
	if info, ok := debug.ReadBuildInfo(); ok {
		settings["version"] = info.Main.Version
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
	}
	return settings
}

// engineHere names the engine for files on the file system of this program.
func engineHere() string {
	name, err := os.Executable()
	if err != nil {
		return "unknown: " + err.Error()
	}
	f, err := stablewrite.OpenFile(name, os.O_RDONLY, 0, stablewrite.Options{})
	if err != nil {
		return "unknown: " + err.Error()
	}
	defer f.Close()
	engine, why := f.Engine()
	return fmt.Sprintf("%v (on the file system of this program: %s)", engine, why)
}

package main

import (
	"strings"

	"github.com/spf13/cobra"

	"stablepages/bench/kernel"
	"stablepages/bench/mutator"
	"stablepages/bench/prove"
	"stablepages/bench/report"
	"stablepages/bench/victim"
	"stablepages/stablewrite"
)

// flagValues are the values of flags that take one or more of a few names, for
// completion by the shell.
func flagValues() map[string][]string {
	var strategies, mutators, series, victims, formats []string
	for _, s := range stablewrite.Strategies() {
		strategies = append(strategies, s.String())
	}
	for _, k := range mutator.Kinds() {
		mutators = append(mutators, k.String())
	}
	for _, v := range victim.All() {
		victims = append(victims, v.Name)
	}
	for _, s := range kernel.AllSeries() {
		series = append(series, s.Name)
	}
	for _, f := range report.Formats() {
		formats = append(formats, f.Name)
	}
	return map[string][]string{
		"strategy": strategies, "strategies": strategies,
		"mutator": mutators, "mutators": mutators,
		"kernels": series, "victims": victims, "scenarios": names(prove.Scenarios()),
		"detect": {"digest", "crc32c"}, "in": {"process", "thread"}, "target": {"null", "delay"},
		"accel": {string(kernel.Emulated), string(kernel.KVM)}, "format": formats,
	}
}

// completeChoices has the shell complete the values of cmd's flags: names, and
// after a comma further names where a flag takes several.
func completeChoices(cmd *cobra.Command) {
	for flag, names := range flagValues() {
		if cmd.Flag(flag) == nil {
			continue
		}
		complete := func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
			given := typed[:strings.LastIndex(typed, ",")+1]
			var values []string
			for _, name := range names {
				values = append(values, given+name)
			}
			if flag == "target" { // a file, too
				return values, cobra.ShellCompDirectiveDefault
			}
			return values, cobra.ShellCompDirectiveNoFileComp
		}
		if err := cmd.RegisterFlagCompletionFunc(flag, complete); err != nil {
			panic(err) // a flag without a name, or one that is registered twice
		}
	}
}

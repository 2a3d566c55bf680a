package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// newMan makes the command that writes the texts of --help as man pages, for make man and
// make install. Their date is SOURCE_DATE_EPOCH.
func newMan() *cobra.Command {
	return &cobra.Command{
		Use: "man DIR", Short: "Write the man pages to a directory", Hidden: true,
		Args: positional(cobra.ExactArgs(1), ""),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o777); err != nil {
				return err
			}
			root := cmd.Root()
			root.DisableAutoGenTag = true // so that a commit always gives the same pages
			if completion, _, err := root.Find([]string{"completion"}); err == nil {
				completion.Hidden = true // it would add a page for each shell
			}
			return doc.GenManTree(root, &doc.GenManHeader{Section: "1", Source: "stablepages"}, args[0])
		},
	}
}

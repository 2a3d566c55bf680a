package main

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"stablepages/bench/guard"
)

func newGuard() *cobra.Command {
	var o guard.Options
	var report string
	cmd := &cobra.Command{
		Use:   "run [flags] -- COMMAND [ARGS]",
		Short: "Run a program whose files open without O_DIRECT",
		Long: `run guards a program that changes its buffers in flight and that you cannot change:
COMMAND, and the processes that it starts, open their files without O_DIRECT. The
kernel then copies the data before a device or a checksum reads it, whichever way the
program writes: write, libaio, io_uring, splice. Nothing else changes: the program
has its process, terminal, signals and standard streams, and its ordinary writes are
not slowed down.

If the program has a switch for buffered I/O, use that instead (QEMU cache=writeback
without aio=native; MariaDB innodb_log_file_buffering=ON; PostgreSQL
debug_io_direct='').

When COMMAND ends, run lists the files that lost O_DIRECT on standard error, with
--json as Records. Standard output is COMMAND's. The guard is a process that stays
until the last process that COMMAND left behind has ended. If the guard is killed,
the program goes on, and its further opens with O_DIRECT fail with ENOSYS.

run refuses 32-bit, setuid and setgid programs, programs with file capabilities, and
a process that is already traced by strace, gdb or another guard. Unless run as root,
sudo and setuid programs gain no privileges inside. go doc stablepages/bench/guard
lists what else is not promised.

Exit code: that of COMMAND; 2 wrong arguments; if nothing was started, 125 (the guard
cannot work here), 126 (COMMAND cannot be run, or not under a guard) or 127 (COMMAND
was not found).`,
		Example: `  stablewrite run -- mariadbd --datadir=/srv/db
  stablewrite run --report taken.jsonl -- fio --direct=1 job.fio; stablewrite report taken.jsonl`,
		Args: positional(cobra.MinimumNArgs(1), "name the command: stablewrite run -- COMMAND [ARGS]"),
		RunE: func(_ *cobra.Command, args []string) error {
			if report != "" {
				f, err := os.OpenFile(report, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o666)
				if err != nil {
					return &exit{guard.CodeCannotGuard, err}
				}
				o.Report = f
			}
			err := guard.Exec(o, args)
			code := guard.CodeCannotGuard
			if e := (*guard.Error)(nil); errors.As(err, &e) {
				code = e.Code
			}
			return &exit{code, err}
		},
	}
	fl := cmd.Flags()
	fl.SetInterspersed(false) // flags after COMMAND belong to COMMAND
	fl.StringVar(&report, "report", "", "append Records of the files that lost O_DIRECT to `FILE`")
	fl.BoolVar(&o.JSON, "json", false, "print Records instead of text to standard error")
	return cmd
}

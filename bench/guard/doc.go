// Package guard takes O_DIRECT away from a program that cannot be changed, and
// from the programs that it starts. Their files open without O_DIRECT, so the
// kernel copies what they write before a device or a checksum sees it, whatever
// they write by: write, libaio, io_uring, splice, a mapping.
//
// # How
//
// [Exec] starts a guard, a process beside this one, and becomes the program: the
// same process, with the same parent, process group, terminal, descriptors,
// limits and credentials. Its exit status, its signals and its stops reach
// whoever started it as if nobody guarded it. A seccomp filter stops the program
// at the calls that could set O_DIRECT (open, openat, openat2,
// open_by_handle_at, fcntl with F_SETFL), and only when O_DIRECT is in their
// flags. The guard, which traces the program (ptrace), clears the bit in the
// register, lets the program make the call itself, and puts the register back
// afterwards. All other calls run at full speed. Threads, children and the
// programs they become are guarded too.
//
// The flags of openat2 lie in memory that other threads may read or change, so
// the guard never writes there: it reads them. Without O_DIRECT the call goes
// on as it is. With O_DIRECT and without resolve flags the guard makes it an
// openat with the same arguments, in registers. What openat cannot express is
// answered ENOSYS, as a kernel without openat2 would, and counted as refused.
//
// A descriptor can have O_DIRECT without such a call: it was inherited, came
// over a socket, or was opened by an io_uring. The guard looks at all
// descriptors when the program starts, at every execve, and ten times a second
// (less often if that takes more than a hundredth of the time, as with more than
// some 200 open files), and clears O_DIRECT by F_SETFL on a duplicate. That holds for everyone who shares the
// open file description, so also for an unguarded program that handed it down.
//
// Pipes keep O_DIRECT: there it means packets.
//
// # What comes of the program
//
// If the guard dies, nothing is stopped and no process is attached. Opens with
// O_DIRECT, and F_SETFL with it, then fail with ENOSYS for the rest of the
// program's life; what is open goes on. The guard does not end before the last
// process that it guards, daemons included. It has a session of its own, ignores
// the signals that ask for an end, and holds neither directory nor descriptors of
// the program but its standard error, until COMMAND itself has ended.
//
// # What is not promised
//
//   - No security boundary: a program that wants O_DIRECT gets it for some
//     milliseconds, by a ring for instance. A file that a ring opens straight
//     into its own table (a direct descriptor) has no descriptor to look at and
//     keeps O_DIRECT, and so do files in a table that a single thread does not
//     share with its process.
//   - What was in flight when a descriptor was cleared was direct.
//   - If the guard is killed while a thread is stopped at a call, that one call goes
//     on with O_DIRECT.
//   - Opens that need O_DIRECT to fail (a file system without direct I/O)
//     succeed.
//   - Without CAP_SYS_ADMIN the filter needs no_new_privs: setuid, setgid and
//     file capabilities then have no effect in any program that COMMAND starts
//     (sudo and ping in a script fail), and security modules may refuse to
//     change domain. With CAP_SYS_ADMIN, as root, no_new_privs stays off.
//   - A guarded program cannot be traced by another (strace, gdb), nor trace its
//     own children, and sees TracerPid in /proc.
//   - 32-bit programs are refused as COMMAND. If a guarded program starts one, its
//     opens with O_DIRECT fail with ENOSYS, and openat2 does always.
//   - Standard descriptors that were closed are /dev/null (the Go runtime opens
//     them). Signals that were ignored or blocked stay so if this program has its
//     symbol table and is no position-independent executable.
//   - An open with O_DIRECT takes two stops, some 60 µs. A program that forks and
//     threads much is slower: each new thread or process takes two or three.
//   - If SIGSTOP reaches a child between vfork and execve, its parent cannot stop
//     until the child goes on. That is so without a guard; with one the time between
//     is longer.
//
// Linux 5.11 and later on amd64; on arm64 it compiles and was never run. /proc must
// be mounted, and show the PID namespace of this process.
package guard

// Package guard takes O_DIRECT away from a program that cannot be changed, and from
// the programs that it starts. Their files open without O_DIRECT, so the kernel copies
// the data before a device or a checksum reads it, whichever way the program writes:
// write, libaio, io_uring, splice, a mapping.
//
// # How
//
// [Exec] starts a guard, another process, and becomes the program: the same process,
// with the same parent, process group, terminal, descriptors, limits and credentials.
// Whoever started it sees the program's exit status, signals and stops as without a
// guard. A seccomp filter stops the program at the calls that could set O_DIRECT (open,
// openat, openat2, open_by_handle_at, fcntl with F_SETFL), and only if their flags have
// O_DIRECT. The guard, which traces the program (ptrace), clears the bit in the
// register, lets the program make the call, and restores the register afterwards. All
// other calls run at full speed. Threads, children and the programs that they become
// are guarded too.
//
// The flags of openat2 are in memory that other threads may read or change, so the
// guard reads them and never writes them. A call without O_DIRECT goes on unchanged. A
// call with O_DIRECT and without resolve flags becomes an openat with the same
// arguments, in registers. A call that openat cannot express fails with ENOSYS, as on a
// kernel without openat2, and counts as refused.
//
// A descriptor can have O_DIRECT without such a call: it was inherited, came over a
// socket, or was opened by an io_uring. The guard looks at all descriptors when the
// program starts, at every execve, and ten times a second (less often if looking takes
// more than a hundredth of the time, as with more than some 200 open files). It clears
// O_DIRECT by F_SETFL on a duplicate. That holds for everyone who shares the open file
// description, so also for an unguarded program that handed it down.
//
// Pipes keep O_DIRECT: there it means packets.
//
// # If the guard dies
//
// No process stays stopped or attached. Opens with O_DIRECT, and F_SETFL with it, then
// fail with ENOSYS for the rest of the program's life; open files go on. The guard ends
// after the last process that it guards, daemons included. It has its own session,
// ignores the signals that ask for an end, and keeps neither directory nor descriptors
// of the program, except standard error until COMMAND has ended.
//
// # What is not promised
//
//   - No security boundary: a program that wants O_DIRECT gets it for some
//     milliseconds, through a ring for instance. A file that a ring opens into its own
//     table (a direct descriptor) has no descriptor to look at and keeps O_DIRECT. So
//     do files in a table that a thread does not share with its process.
//   - Writes in flight when a descriptor was cleared were direct.
//   - If the guard is killed while a thread is stopped at a call, that call goes on with
//     O_DIRECT.
//   - Opens that should fail with O_DIRECT (on a file system without direct I/O)
//     succeed.
//   - Without CAP_SYS_ADMIN the filter needs no_new_privs: setuid, setgid and file
//     capabilities then have no effect in any program that COMMAND starts (sudo and
//     ping in a script fail), and security modules may refuse to change domain. With
//     CAP_SYS_ADMIN, as root, no_new_privs stays off.
//   - No other tracer (strace, gdb) can trace a guarded program. The program cannot
//     trace its children, and sees TracerPid in /proc.
//   - 32-bit programs are refused as COMMAND. In a 32-bit program that a guarded program
//     starts, opens with O_DIRECT and all calls of openat2 fail with ENOSYS.
//   - Standard descriptors that were closed are /dev/null, because the Go runtime opens
//     them. Signals that were ignored or blocked stay so if this program has its symbol
//     table and is not a position-independent executable.
//   - An open with O_DIRECT takes two stops, some 60 µs, and each new thread or process
//     two or three: a program that forks and threads much is slower.
//   - If SIGSTOP reaches a child between vfork and execve, its parent cannot stop until
//     the child goes on. A guard makes the time between vfork and execve longer.
//
// It needs Linux 5.11 or later on amd64; on arm64 it compiles and was never run. /proc
// must be mounted and show the PID namespace of this process.
package guard

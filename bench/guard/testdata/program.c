/* What guarded programs do that Go cannot. program MODE [ARGS]; prints what was
 * found, and exits with 1 if it could not do what it was told. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void die(const char *what) { perror(what); exit(1); }

/* direct: whether a descriptor has O_DIRECT. */
static int direct(int fd) { return (fcntl(fd, F_GETFL) & O_DIRECT) != 0; }

static int opened(const char *name)
{
	int fd = open(name, O_RDWR | O_CREAT | O_DIRECT, 0644);
	if (fd < 0)
		die(name);
	return fd;
}

/* cleared waits until a descriptor has lost O_DIRECT. */
static int cleared(int fd)
{
	for (int i = 0; i < 1000 && direct(fd); i++)
		usleep(10000);
	return !direct(fd);
}

static int ring_open(const char *name)
{
	struct io_uring_params p = {0};
	int ring = syscall(SYS_io_uring_setup, 4, &p);
	if (ring < 0)
		die("io_uring_setup");
	char *sq = mmap(0, p.sq_off.array + p.sq_entries * 4, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQ_RING);
	char *cq = mmap(0, p.cq_off.cqes + p.cq_entries * sizeof(struct io_uring_cqe), PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_CQ_RING);
	struct io_uring_sqe *e = mmap(0, p.sq_entries * sizeof *e, PROT_READ | PROT_WRITE, MAP_SHARED, ring, IORING_OFF_SQES);
	memset(e, 0, sizeof *e);
	e->opcode = IORING_OP_OPENAT;
	e->fd = AT_FDCWD;
	e->addr = (uintptr_t)name;
	e->open_flags = O_RDWR | O_CREAT | O_DIRECT;
	e->len = 0644;
	*(unsigned *)(sq + p.sq_off.array) = 0;
	__atomic_store_n((unsigned *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) != 1)
		die("io_uring_enter");
	struct io_uring_cqe *c = (void *)(cq + p.cq_off.cqes);
	errno = -c->res;
	if (c->res < 0)
		die("a ring's open");
	return c->res;
}

static pthread_barrier_t barrier;
static const char *file;
static int bad;

static void *open_in_thread(void *arg)
{
	int fd = opened(file);
	if (direct(fd) || fcntl(fd, F_SETFL, O_DIRECT) || direct(fd))
		__atomic_add_fetch(&bad, 1, __ATOMIC_RELAXED);
	pthread_barrier_wait(&barrier); /* all are alive at once */
	close(fd);
	return arg;
}

static void threads(int n)
{
	pthread_t *t = calloc(n, sizeof *t);
	pthread_attr_t a;
	pthread_attr_init(&a);
	pthread_attr_setstacksize(&a, 65536);
	pthread_barrier_init(&barrier, NULL, n);
	for (int i = 0; i < n; i++)
		if ((errno = pthread_create(&t[i], &a, open_in_thread, NULL)))
			die("pthread_create");
	for (int i = 0; i < n; i++)
		pthread_join(t[i], NULL);
	printf("%d threads, %d of them direct\n", n, bad);
}

static void forks(int n)
{
	int direct_ones = 0, status;
	for (int i = 0; i < n; i++) {
		pid_t p = fork();
		if (p < 0)
			die("fork");
		if (p == 0)
			_exit(direct(opened(file)));
	}
	while (wait(&status) > 0)
		direct_ones += status != 0;
	printf("%d processes, %d of them direct\n", n, direct_ones);
}

static char **args;

static void *exec_in_thread(void *arg)
{
	execl("/proc/self/exe", args[0], "check", file, NULL);
	return arg;
}

static volatile int alarms;
static void on_alarm(int sig) { alarms++; }

/* interrupted opens a FIFO that nobody writes to, and is interrupted. With restart
 * the open, an openat2, goes on, and a writer comes. */
static void interrupted(const char *fifo, int restart)
{
	struct sigaction a = {.sa_handler = on_alarm, .sa_flags = restart ? SA_RESTART : 0};
	struct itimerval in = {.it_value = {.tv_usec = 100000}};
	pid_t p = 0;
	mkfifo(fifo, 0600);
	sigaction(SIGALRM, &a, NULL);
	if (restart && (p = fork()) == 0) {
		usleep(400000);
		_exit(open(fifo, O_WRONLY) < 0);
	}
	setitimer(ITIMER_REAL, &in, NULL);
	uint64_t how[3] = {O_RDONLY | O_DIRECT, 0, 0};
	int fd = restart ? syscall(SYS_openat2, AT_FDCWD, fifo, how, sizeof how) : open(fifo, O_RDONLY | O_DIRECT);
	printf("%d alarms, opened %d, %s\n", alarms, fd >= 0, fd >= 0 ? "" : strerrorname_np(errno));
	if (p)
		waitpid(p, NULL, 0);
}

/* registers: a call leaves its arguments where they are. */
static void registers(void)
{
#ifdef __x86_64__
	uint64_t how[3] = {O_RDWR | O_CREAT | O_DIRECT, 0644, 0};
	uint64_t dx = O_RDWR | O_CREAT | O_DIRECT, si = (uintptr_t)file;
	register uint64_t r10 __asm__("r10") = 0644;
	long ax = SYS_openat;
	__asm__ volatile("syscall" : "+a"(ax), "+d"(dx), "+S"(si), "+r"(r10) : "D"((long)AT_FDCWD) : "rcx", "r11", "memory");
	int kept = dx == (O_RDWR | O_CREAT | O_DIRECT) && si == (uintptr_t)file && r10 == 0644;
	int fd = ax;
	printf("openat: registers kept %d, direct %d\n", kept, direct(fd));
	dx = (uintptr_t)how;
	r10 = sizeof how;
	ax = SYS_openat2;
	__asm__ volatile("syscall" : "+a"(ax), "+d"(dx), "+S"(si), "+r"(r10) : "D"((long)AT_FDCWD) : "rcx", "r11", "memory");
	kept = dx == (uintptr_t)how && r10 == sizeof how && how[0] == (O_RDWR | O_CREAT | O_DIRECT);
	fd = ax;
	printf("openat2: registers and memory kept %d, direct %d\n", kept, direct(fd));
#endif
}

/* compat: the system calls of 32-bit programs, from this one. */
static void compat(void)
{
#ifdef __x86_64__
	char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
	long ax = 20; /* getpid */
	strcpy(low, file);
	__asm__ volatile("int $0x80" : "+a"(ax) : : "r8", "r9", "r10", "r11", "memory");
	printf("getpid works %d\n", ax == getpid());
	ax = 5; /* open */
	__asm__ volatile("int $0x80" : "+a"(ax) : "b"(low), "c"(O_RDWR), "d"(0) : "r8", "r9", "r10", "r11", "memory");
	printf("open works %d\n", ax > 0);
	ax = 5;
	__asm__ volatile("int $0x80" : "+a"(ax) : "b"(low), "c"(O_RDWR | O_DIRECT), "d"(0) : "r8", "r9", "r10", "r11", "memory");
	printf("open with O_DIRECT is ENOSYS %d\n", (int)ax == -ENOSYS);
#endif
}

static void *sit(void *arg)
{
	pause();
	return arg;
}

/* outlive: goes on when its guard has died, at the next byte of input. */
static void outlive(void)
{
	pthread_t t;
	char c;
	for (int i = 0; i < 20; i++)
		pthread_create(&t, NULL, sit, NULL);
	printf("direct %d\n", direct(opened(file)));
	fflush(stdout);
	if (read(0, &c, 1) != 1)
		die("read");
	errno = 0;
	int fd = open(file, O_RDWR | O_DIRECT);
	printf("O_DIRECT %s\n", fd < 0 ? strerrorname_np(errno) : "opens");
	fd = open(file, O_RDWR);
	printf("without opens %d\n", fd >= 0);
	printf("F_SETFL %s\n", fcntl(fd, F_SETFL, O_DIRECT) ? strerrorname_np(errno) : "works");
	pid_t p = fork();
	if (p == 0)
		_exit(7);
	int status;
	waitpid(p, &status, 0);
	printf("child %d\n", WEXITSTATUS(status));
}

int main(int n, char **v)
{
	const char *mode = v[1];
	args = v;
	file = v[2];
	if (!strcmp(mode, "check")) {
		printf("direct %d\n", direct(opened(file)));
	} else if (!strcmp(mode, "ring")) {
		int fd = ring_open(file);
		printf("at first %d\n", direct(fd));
		printf("cleared %d\n", cleared(fd));
	} else if (!strcmp(mode, "threads")) {
		threads(atoi(v[3]));
	} else if (!strcmp(mode, "forks")) {
		forks(atoi(v[3]));
	} else if (!strcmp(mode, "vfork")) {
		if (vfork() == 0) {
			execl("/proc/self/exe", v[0], "check", file, NULL);
			_exit(1);
		}
		wait(NULL);
	} else if (!strcmp(mode, "threadexec")) {
		pthread_t t;
		pthread_create(&t, NULL, exec_in_thread, NULL);
		pthread_join(t, NULL);
	} else if (!strcmp(mode, "interrupted")) {
		interrupted(file, 0);
	} else if (!strcmp(mode, "restarted")) {
		interrupted(file, 1);
	} else if (!strcmp(mode, "registers")) {
		registers();
	} else if (!strcmp(mode, "compat")) {
		compat();
	} else if (!strcmp(mode, "outlive")) {
		outlive();
	} else if (!strcmp(mode, "writes")) {
		int fd = opened(file);
		static char page[4096];
		for (int i = 0; i < atoi(v[3]); i++)
			if (pwrite(fd, page, sizeof page, 0) != sizeof page)
				die("pwrite");
	} else if (!strcmp(mode, "childless")) {
		printf("wait %s\n", wait(NULL) < 0 ? strerrorname_np(errno) : "finds a child");
	} else if (!strcmp(mode, "fights")) {
		long r = ptrace(PTRACE_TRACEME, 0, 0, 0);
		printf("TRACEME %s, direct %d\n", r < 0 ? strerrorname_np(errno) : "works", direct(opened(file)));
		raise(SIGTRAP);
	} else {
		return 1;
	}
	return 0;
}

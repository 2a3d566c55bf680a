// Tells which code stores into the buffer of a direct write while pwrite is under way.
//
//	cc -O2 -shared -fPIC -o who-writes.so who-writes.c
//	LD_PRELOAD=$PWD/who-writes.so PROGRAM 2>LOG
//
// For each write it says which bytes changed meanwhile. It also sets a hardware
// watchpoint on eight bytes of the buffer, chosen at random, on every processor:
// threads and forked children of one program have what they share at one address.
// A store that hits them is reported with its stack, as deep as frame
// pointers lead; addr2line -fie PROGRAM ADDRESS names the function.
// Needs CAP_PERFMON. A processor of x86 has four watchpoints: of the writes that
// are under way at one time, no more are watched, and perf_event_open says so.
#define _GNU_SOURCE
#include <execinfo.h>
#include <fcntl.h>
#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { PROCESSORS = 64, FRAMES = 16 };

// As sample_type in watch asks for it.
struct sample {
	struct perf_event_header header;
	uint32_t process, thread;
	uint64_t time, frames;
	void *stack[]; // the first is PERF_CONTEXT_USER
};

static uint64_t now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * UINT64_C(1000000000) + t.tv_nsec;
}

static int watch(int processor, const char *bytes)
{
	struct perf_event_attr a = {
		.type = PERF_TYPE_BREAKPOINT,
		.size = sizeof a,
		.bp_type = HW_BREAKPOINT_W,
		.bp_addr = (uintptr_t)bytes,
		.bp_len = HW_BREAKPOINT_LEN_8,
		.sample_period = 1,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CALLCHAIN,
		.sample_max_stack = FRAMES,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.exclude_kernel = 1,
		.exclude_callchain_kernel = 1,
	};
	int event = syscall(SYS_perf_event_open, &a, -1, processor, -1, PERF_FLAG_FD_CLOEXEC);
	if (event < 0)
		perror("who-writes: perf_event_open");
	return event;
}

// Reports the first store in a ring that came between two times.
static void report(const struct perf_event_mmap_page *ring, uint64_t from, uint64_t to, const char *write)
{
	const char *data = (const char *)ring + sysconf(_SC_PAGESIZE);
	uint64_t head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	for (uint64_t at = 0; at < head;) { // nothing is consumed, so a ring fills and never wraps
		const struct sample *s = (const void *)(data + at);
		at += s->header.size;
		if (s->header.type != PERF_RECORD_SAMPLE || s->time < from || s->time > to || s->frames < 2)
			continue;
		dprintf(2, "%s: thread %u stored from:\n", write, s->thread);
		backtrace_symbols_fd(s->stack + 1, s->frames - 1, 2);
		return;
	}
}

ssize_t pwrite64(int fd, const void *buffer, size_t bytes, off64_t at)
{
	int flags = fcntl(fd, F_GETFL), processors = sysconf(_SC_NPROCESSORS_ONLN);
	char *before;
	if (flags < 0 || !(flags & O_DIRECT) || bytes < 8 || processors > PROCESSORS || !(before = malloc(bytes)))
		return syscall(SYS_pwrite64, fd, buffer, bytes, at);

	size_t watched = random() % (bytes / 8) * 8, size = 2 * sysconf(_SC_PAGESIZE);
	int event[PROCESSORS];
	void *ring[PROCESSORS];
	for (int p = 0; p < processors; p++) {
		event[p] = watch(p, (const char *)buffer + watched);
		ring[p] = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, event[p], 0);
	}

	memcpy(before, buffer, bytes);
	uint64_t from = now();
	ssize_t written = syscall(SYS_pwrite64, fd, buffer, bytes, at);
	uint64_t to = now();

	char write[160];
	snprintf(write, sizeof write, "who-writes: thread %ld, descriptor %d, %zu bytes at %lld", syscall(SYS_gettid), fd, bytes, (long long)at);
	size_t low = 0, high = bytes;
	while (low < bytes && before[low] == ((const char *)buffer)[low])
		low++;
	while (high > low && before[high - 1] == ((const char *)buffer)[high - 1])
		high--;
	if (low < high)
		dprintf(2, "%s: changed from %zu to %zu, watched at %zu\n", write, low, high, watched);
	for (int p = 0; p < processors; p++) {
		if (ring[p] != MAP_FAILED) {
			report(ring[p], from, to, write);
			munmap(ring[p], size);
		}
		if (event[p] >= 0)
			close(event[p]);
	}
	free(before);
	return written;
}

ssize_t pwrite(int fd, const void *buffer, size_t bytes, off_t at) __attribute__((alias("pwrite64")));

/*
 * What Josef Bacik attached as modify-dio-in-flight.c to his mail "O_DIRECT and
 * Btrfs == checksumming nightmare" of 8 April 2011, written anew from what it does:
 * https://lkml.org/lkml/2011/4/8/300 has the mail.
 *
 * A child changes a buffer once a second while its parent writes it, over and over,
 * and reads it back, until a read fails. The one difference: the original then waits
 * for its child, which never ends.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

#define BYTES (1024 * 1024)

static volatile sig_atomic_t interrupted;

static void interrupt(int signal)
{
	(void)signal;
	interrupted = 1;
}

static int failed(const char *what)
{
	perror(what);
	return 1;
}

/* Writes and reads back once. */
static int turn(int fd, char *shared, char *own)
{
	memset(shared, 'a', BYTES);
	lseek(fd, 0, SEEK_SET);
	if (write(fd, shared, BYTES) != BYTES)
		return interrupted ? 0 : failed("write");
	lseek(fd, 0, SEEK_SET);
	if (read(fd, own, BYTES) != BYTES)
		return interrupted ? 0 : failed("read");
	return 0;
}

int main(void)
{
	struct sigaction on_interrupt = { .sa_handler = interrupt };
	char *shared, *own, letter = 'a';
	int fd, code = 0;
	pid_t child;

	shared = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return failed("mmap");
	if (posix_memalign((void **)&own, 4096, BYTES))
		return failed("posix_memalign");
	child = fork();
	if (child < 0)
		return failed("fork");
	if (child == 0)
		for (;;) {
			memset(shared, ++letter, BYTES);
			sleep(1);
		}
	sigaction(SIGINT, &on_interrupt, NULL);
	fd = open("testfile", O_RDWR | O_CREAT | O_DIRECT, 0644);
	if (fd < 0)
		code = failed("open testfile");
	while (!code && !interrupted)
		code = turn(fd, shared, own);
	kill(child, SIGKILL);
	return code;
}

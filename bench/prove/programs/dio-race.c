/*
 * The scenario of xfstests' generic/761 (src/dio-writeback-race.c, SUSE 2025), made
 * anew: block by block of a file, one direct write races one memset of its buffer.
 * The program compares nothing: reading the file afterwards shows the damage.
 *
 * dio-race FILE BLOCK-SIZE BYTES
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *buffer;
static size_t block;

static void *change(void *unused)
{
	memset(buffer, 0, block);
	return unused;
}

int main(int argc, char **argv)
{
	off_t at, bytes;
	pthread_t changer;
	int fd;

	if (argc != 4) {
		fprintf(stderr, "usage: dio-race FILE BLOCK-SIZE BYTES\n");
		return 2;
	}
	block = strtoul(argv[2], NULL, 10);
	bytes = strtoul(argv[3], NULL, 10);
	fd = open(argv[1], O_RDWR | O_CREAT | O_DIRECT, 0644);
	if (fd < 0 || posix_memalign((void **)&buffer, 4096, block)) {
		perror(argv[1]);
		return 1;
	}
	for (at = 0; at < bytes; at += block) {
		memset(buffer, 0xff, block);
		if (pthread_create(&changer, NULL, change, NULL)) {
			fprintf(stderr, "no thread can be started\n");
			return 1;
		}
		if (pwrite(fd, buffer, block, at) != (ssize_t)block) {
			perror("write");
			return 1;
		}
		pthread_join(changer, NULL);
	}
	return 0;
}

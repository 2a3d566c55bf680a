// Writes a page to FILE directly a hundred times, while a thread stores into
// it, or, without a second argument, into another page.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdalign.h>
#include <unistd.h>

enum { PAGE = 4096 };

static alignas(PAGE) volatile char pages[2][PAGE];

// Not static, so that a stack names it.
void *scribble(void *page)
{
	for (;;)
		for (volatile char *p = page; p < (volatile char *)page + PAGE; p++)
			++*p;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	int fd = argc > 1 ? open(argv[1], O_CREAT | O_WRONLY | O_DIRECT, 0600) : -1;
	if (fd < 0 || pthread_create(&thread, NULL, scribble, (void *)pages[argc == 2]))
		return 1;
	for (int i = 0; i < 100; i++)
		if (pwrite(fd, (void *)pages[0], PAGE, 0) != PAGE)
			return 1;
	return 0;
}

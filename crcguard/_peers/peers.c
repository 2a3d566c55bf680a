#include "peers.h"

#include <isa-l/crc.h>
#include <string.h>

/* A cache line, at any address. */
typedef unsigned long line __attribute__((vector_size(64), aligned(1), may_alias));

#define PAGE 4096
#define READER(name) __attribute__((target_clones("avx512f", "default"))) static unsigned long name(const unsigned char *p, size_t n)
#define LINE(i) (*(const line *)(p + (i)))

static unsigned long result(line x) { return x[0] | x[1] | x[2] | x[3] | x[4] | x[5] | x[6] | x[7]; }

/* Line by line, with something done before each four. */
#define IN_ORDER(name, BEFORE)                        \
	READER(name)                                  \
	{                                             \
		line a = {0}, b = {0}, c = {0}, d = {0}; \
		for (size_t i = 0; i < n; i += 256) { \
			BEFORE;                       \
			a |= LINE(i);                 \
			b |= LINE(i + 64);            \
			c |= LINE(i + 128);           \
			d |= LINE(i + 192);           \
		}                                     \
		a |= b | c | d;                       \
		return result(a);                     \
	}

#define FETCH(at) __builtin_prefetch(p + (at))
#define FETCH_AHEAD(bytes) FETCH(i + (bytes)), FETCH(i + (bytes) + 64), FETCH(i + (bytes) + 128), FETCH(i + (bytes) + 192)

/* The first quarter of the page four pages on, the second of the one before it, and
 * so on. */
#define FETCH_PAGES                                                         \
	size_t at = i / PAGE * PAGE + i % PAGE / 4;                         \
	FETCH(at + 4 * PAGE), FETCH(at + 3 * PAGE + PAGE / 4);              \
	FETCH(at + 2 * PAGE + PAGE / 2), FETCH(at + PAGE + 3 * PAGE / 4)

/* Arithmetic that takes about as long as that of a sum. */
#define MIX(x) x = (x << 1 ^ x >> 3) + x

IN_ORDER(in_order, )
IN_ORDER(near_ahead, FETCH_AHEAD(2048))
IN_ORDER(far_ahead, FETCH_AHEAD(16384))
IN_ORDER(pages_ahead, FETCH_PAGES)
IN_ORDER(paced, MIX(a); MIX(b); MIX(c); MIX(d))
IN_ORDER(paced_ahead, FETCH_PAGES; MIX(a); MIX(b); MIX(c); MIX(d))

/* A line of each of some pages, and so on to their ends. */
#define IN_TURN(name, PAGES)                                                \
	READER(name)                                                        \
	{                                                                   \
		line x[PAGES] = {{0}};                                      \
		size_t whole = n - n % (PAGES * PAGE);                      \
		for (size_t i = 0; i < whole; i += PAGES * PAGE)            \
			for (size_t j = i; j < i + PAGE; j += 64)           \
				for (int k = 0; k < PAGES; k++)             \
					x[k] |= LINE(j + k * PAGE);         \
		for (size_t i = whole; i < n; i += 64)                      \
			x[0] |= LINE(i);                                    \
		for (int k = 1; k < PAGES; k++)                             \
			x[0] |= x[k];                                       \
		return result(x[0]);                                        \
	}

IN_TURN(two_pages, 2)
IN_TURN(four_pages, 4)
IN_TURN(eight_pages, 8)

static const struct {
	const char *name;
	unsigned long (*read)(const unsigned char *p, size_t n);
} readers[] = {
	{"in order", in_order},
	{"in order, fetched 2 KiB ahead", near_ahead},
	{"in order, fetched 16 KiB ahead", far_ahead},
	{"in order, four pages fetched in turn", pages_ahead},
	{"in order, with arithmetic", paced},
	{"in order, with arithmetic, four pages fetched in turn", paced_ahead},
	{"two pages in turn", two_pages},
	{"four pages in turn", four_pages},
	{"eight pages in turn", eight_pages},
};

const char *reader_name(size_t k) { return k < sizeof readers / sizeof *readers ? readers[k].name : NULL; }

unsigned long read_all(size_t k, const unsigned char *p, size_t n, size_t times)
{
	unsigned long x = 0;
	for (size_t t = 0; t < times; t++) {
		x += readers[k].read(p, n);
		__asm__ volatile("" ::: "memory");
	}
	return x;
}

unsigned long isal(const unsigned char *p, size_t n, size_t size, size_t times)
{
	unsigned long x = 0;
	for (size_t t = 0; t < times; t++)
		for (size_t i = 0; i < n; i += size)
			x += crc32_iscsi((unsigned char *)p + i, (int)size, 0);
	return x;
}

void copy_all(unsigned char *d, size_t dn, const unsigned char *p, size_t n, size_t size, size_t times)
{
	for (size_t t = 0; t < times; t++)
		for (size_t i = 0; i < n; i += size) {
			memcpy(d + i % dn, p + i, size);
			__asm__ volatile("" ::: "memory");
		}
}

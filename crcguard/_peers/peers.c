#include "peers.h"

#include <immintrin.h>
#include <isa-l/crc.h>
#include <string.h>

__attribute__((target("avx512f"))) static unsigned long read_avx512(const unsigned char *p, size_t n)
{
	__m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
	for (size_t i = 0; i < n; i += 256) {
		a = _mm512_or_si512(a, _mm512_loadu_si512(p + i));
		b = _mm512_or_si512(b, _mm512_loadu_si512(p + i + 64));
		c = _mm512_or_si512(c, _mm512_loadu_si512(p + i + 128));
		d = _mm512_or_si512(d, _mm512_loadu_si512(p + i + 192));
	}
	return _mm512_reduce_or_epi64(_mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d)));
}

static unsigned long read_sse2(const unsigned char *p, size_t n)
{
	__m128i a = _mm_setzero_si128(), b = a, c = a, d = a;
	for (size_t i = 0; i < n; i += 64) {
		a = _mm_or_si128(a, _mm_loadu_si128((const __m128i *)(p + i)));
		b = _mm_or_si128(b, _mm_loadu_si128((const __m128i *)(p + i + 16)));
		c = _mm_or_si128(c, _mm_loadu_si128((const __m128i *)(p + i + 32)));
		d = _mm_or_si128(d, _mm_loadu_si128((const __m128i *)(p + i + 48)));
	}
	a = _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
	return (unsigned long)_mm_cvtsi128_si64(a);
}

unsigned long read_all(const unsigned char *p, size_t n, size_t times)
{
	unsigned long x = 0;
	for (size_t t = 0; t < times; t++) {
		x += __builtin_cpu_supports("avx512f") ? read_avx512(p, n) : read_sse2(p, n);
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

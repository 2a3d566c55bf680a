#include <stddef.h>

/* Each walks n bytes at p, so many times, and returns what keeps the compiler from
 * leaving the work out. */
unsigned long read_all(size_t reader, const unsigned char *p, size_t n, size_t times);
unsigned long isal(const unsigned char *p, size_t n, size_t size, size_t times);
void copy_all(unsigned char *d, size_t dn, const unsigned char *p, size_t n, size_t size, size_t times);

/* The name of a loop that only reads, NULL after the last. */
const char *reader_name(size_t reader);

// SPDX-License-Identifier: GPL-2.0
//
// Sums the pages of write bios when they are queued and again when they
// complete. It calls helpers that only programs under the GPL may call, so this
// file is under the GPL, unlike the Go program that loads it.
//
// go generate makes the object, which runs on Linux 6.1 and later. The types
// below have only the fields that are used here. The loader matches them by name
// with the types of the running kernel. A name with the suffix ___7 stands for
// the same type in later kernels, without the suffix.

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef long long s64;

#define SEC(name) __attribute__((section(name), used))
#define KERNEL __attribute__((preserve_access_index))
#define INLINE static inline __attribute__((always_inline))
// Hides a value from the compiler, which would drop a check that the verifier
// needs.
#define OPAQUE(v) asm volatile("" : "+r"(v))
#define ADD(to, n) __sync_fetch_and_add(&(to), n)

// From include/uapi/linux/bpf.h.
enum { HASH = 1, PERCPU_ARRAY = 6, RINGBUF = 27 };
enum { USER_STACK = 1 << 8 };
#define UINT(name, value) int (*name)[value]
#define TYPE(name, type) type *name
static void *(*lookup)(void *map, const void *key) = (void *)1;
// In Linux 6.1 update and delete return an int: the upper half is undefined.
static int (*update)(void *map, const void *key, const void *value, u64 flags) = (void *)2;
static int (*delete)(void *map, const void *key) = (void *)3;
static u64 (*ktime)(void) = (void *)5;
static u32 (*prandom)(void) = (void *)7;
static u64 (*current_pid_tgid)(void) = (void *)14;
static u64 (*current_task_address)(void) = (void *)35;
static long (*get_stack)(void *ctx, void *buf, u32 size, u64 flags) = (void *)67;
static long (*read_kernel)(void *dst, u32 size, const void *from) = (void *)113;
static void *(*reserve)(void *map, u64 size, u64 flags) = (void *)131;
static void (*submit)(void *data, u64 flags) = (void *)132;
static struct task_struct *(*current_task)(void) = (void *)158;
static long (*loop)(u32 n, void *step, void *ctx, u64 flags) = (void *)181;

#define READ(dst, from) read_kernel(&(dst), sizeof(dst), from)
#define FIELD(p, field) ({ typeof(p) p_ = (p); typeof(p_->field) v_ = 0; read_kernel(&v_, sizeof(v_), &p_->field); v_; })
#define HAS(p, field) __builtin_preserve_field_info((p)->field, 2)
#define SIZEOF(type) __builtin_preserve_type_info(*(type *)0, 1)
#define ENUM(type, value) __builtin_preserve_enum_value(*(type *)value, 1)
#define HAS_ENUM(type, value) __builtin_preserve_enum_value(*(type *)value, 0)

struct super_block { u64 s_magic; } KERNEL;
struct inode { struct super_block *i_sb; } KERNEL;
struct address_space { struct inode *host; } KERNEL;
struct page { u64 compound_head; struct address_space *mapping; u32 page_type; } KERNEL;
struct page___7 { u64 compound_info; } KERNEL;
struct folio { u64 index; } KERNEL;
struct bio_vec { struct page *bv_page; u32 bv_len, bv_offset; };
struct bvec_iter { u64 bi_sector; u32 bi_size, bi_idx, bi_bvec_done; } KERNEL;
struct bvec_iter___7 { u32 bi_offset; } KERNEL;
struct block_device_operations { void *submit_bio; } KERNEL;
struct gendisk { struct block_device_operations *fops; } KERNEL;
struct block_device { u32 bd_dev; struct gendisk *bd_disk; } KERNEL;
struct kernfs_node { u64 id; } KERNEL;
struct cgroup { struct kernfs_node *kn; } KERNEL;
struct cgroup_subsys_state { struct cgroup *cgroup; } KERNEL;
struct blkcg { struct cgroup_subsys_state css; } KERNEL;
struct blkcg_gq { struct blkcg *blkcg; } KERNEL;
struct bio {
	struct block_device *bi_bdev;
	u32 bi_opf;
	u16 bi_flags;
	struct bio *bi_next;
	void *bi_private;
	struct bvec_iter bi_iter;
	struct bio_vec *bi_io_vec;
	struct blkcg_gq *bi_blkg;
} KERNEL;
struct request { u32 cmd_flags; struct bio *bio; } KERNEL;
struct signal_struct { struct { int counter; } live; } KERNEL;
struct task_struct {
	u32 flags;
	int pid, tgid;
	char comm[16];
	u64 start_boottime;
	struct task_struct *group_leader;
	struct signal_struct *signal;
	void *bio_list;
} KERNEL;
enum req_flag_bits { __REQ_META, __REQ_SWAP };
enum pageflags { PG_slab };         // before 6.10
enum pagetype { PGTY_slab = 1 };    // since 6.12, in the highest byte of page_type

// From include/linux/blk_types.h, sched.h and uapi/linux/magic.h.
enum { OP_WRITE = 1, OP_ZONE_APPEND = 7, OP_MASK = 0xff };
enum { PF_KTHREAD = 0x00200000 };
enum { MAPPING_ANON = 1, MAPPING_MOVABLE = 2 };
enum { TMPFS = 0x01021994, HUGETLBFS = 0x958458f6, BDEVFS = 0x62646576 };
enum { PAGE = 4096 };

// The loader sets these.
enum { MOST = 256, SLOTS = MOST + 1 };
const volatile u32 self;               // our process
const volatile u32 bio_cloned, bio_page_pinned; // bits of bi_flags; the last 0 where there is none
const volatile u32 sample = 1;         // one of so many bios is looked at
const volatile u32 most = MOST;        // blocks of a bio that are looked at
const volatile u8 every_kind;          // look at writes that are not direct, too
const volatile u8 by_process, by_comm, by_device;
const volatile char only_comm[16];
const volatile u8 stacks;
const volatile u64 mark[3];            // how_written: pages begin with it
u64 vmemmap, direct_map;               // addresses of the page structs and of memory, from calibration
u8 stopping;                           // look at no further bios

const volatile char made_by[] = "clang " __clang_version__; // the build reads it

// Memory that a write is made from.
enum { ANONYMOUS = 1, MAPPED, SHARED, SWAP, PAGE_CACHE, METADATA, KERNEL_MEMORY };

enum { FRAMES = 32 };    // of a stack
enum { EXAMPLES = 8 };   // events of a row: the first ones
enum { PAGES = 512 };    // calibration sees at most so many

// who is the key of a row.
struct who {
	u64 started;              // of the process, in ns of boot time: pids are used again
	u64 cgroup;               // of the bio, where a kernel thread submits it
	u32 tgid, memory, dev, pad;
	char comm[16];
};

struct row {
	u64 writes, changed, blocks, blocks_changed, truncated;
	u64 first_changed;        // ktime
};

// state is a bio in flight.
struct state {
	struct who who;
	u64 queued;               // ktime
	u64 sector, vec;
	u32 size, idx, done;      // the iterator when it was queued
	u32 from, looked;         // offset of the first block that is looked at, and their number
	u32 truncated;
	u32 completed;            // bytes
	u32 changed, unreadable;
	u64 at;                   // offset of the first changed block
	u64 changes[(SLOTS + 63) / 64];
	u64 stack[FRAMES];
	u64 sum[SLOTS];
};

// event is a bio that changed.
struct event {
	struct who who;
	u64 in_flight, sector, at; // at: bytes from sector to the first changed block
	u32 size, blocks, changed, pad;
	u64 stack[FRAMES];
};

// counts, for each processor.
struct counts {
	u64 seen;         // bios that write data
	u64 below;        // of these: submitted by a layer below, counted above already
	u64 unsampled;    // asked for, and left out at random
	u64 other;        // not direct, and not asked for
	u64 tracked;      // looked at
	u64 finished;     // of tracked
	u64 no_room, unreadable, replaced; // not looked at, or not to the end
	u64 nobody;       // direct, from a kernel thread, while only some processes are asked for
	u64 rows_full;    // counted in a row without a name
	u64 events_lost;
};

struct walk {
	u64 vec;
	u32 idx, done;            // position
	u32 off, size;            // bytes behind it, and in all
	u32 from;                 // bytes that are passed over
	u32 n, limit, unreadable; // blocks
	u32 compare, part_idx, part_done, part_size, found;
	s64 lo, hi;               // the part
};

// While a program runs on a processor, the kernel does not call the same program there
// again: not for an interrupt, nor, where programs can be preempted, as on Linux 7.3, for
// another task. So each program is attached LEVELS times. Each takes the events that those
// before it did not take; taken notes, for each processor, which they took, until the last
// level has run. With one level 28 and 51 of 7,000 writes of a busy machine with Linux 7.3
// were missed, with three levels 0 and 3.
enum { QUEUE, BIO, REQUEST, KINDS };
enum { LEVELS = 3, DEEP = 8 };
struct taken { u64 event[DEEP]; };

struct block { u64 word[PAGE / 8]; };
struct scratch { struct block block; struct walk walk; struct state state; };

struct { UINT(type, HASH); UINT(max_entries, 8192); TYPE(key, u64); TYPE(value, struct state); } in_flight SEC(".maps");
struct { UINT(type, HASH); UINT(max_entries, 4096); TYPE(key, struct who); TYPE(value, struct row); } rows SEC(".maps");
struct { UINT(type, HASH); UINT(max_entries, 16384); TYPE(key, u32); TYPE(value, u8); } processes SEC(".maps");
struct { UINT(type, HASH); UINT(max_entries, 1024); TYPE(key, u32); TYPE(value, u8); } devices SEC(".maps");
// The tables of pages of bios that a driver has which submits bios itself: its bios have
// the same tables.
struct { UINT(type, HASH); UINT(max_entries, 16384); TYPE(key, u64); TYPE(value, u64); } above SEC(".maps");
// One for each program: a completion interrupts a submission.
struct { UINT(type, PERCPU_ARRAY); UINT(max_entries, KINDS * LEVELS); TYPE(key, u32); TYPE(value, struct scratch); } scratches SEC(".maps");
struct { UINT(type, PERCPU_ARRAY); UINT(max_entries, KINDS); TYPE(key, u32); TYPE(value, struct taken); } takens SEC(".maps");
struct { UINT(type, PERCPU_ARRAY); UINT(max_entries, 1); TYPE(key, u32); TYPE(value, struct counts); } counters SEC(".maps");
struct { UINT(type, RINGBUF); UINT(max_entries, 1 << 20); } events SEC(".maps");
struct { UINT(type, PERCPU_ARRAY); UINT(max_entries, 8); TYPE(key, u32); TYPE(value, u64); } found SEC(".maps");

#define COUNT(what) ({ u32 zero_ = 0; struct counts *c_ = lookup(&counters, &zero_); if (c_) ADD(c_->what, 1); })

INLINE u64 address(u64 page)
{
	return direct_map + (page - vmemmap) / SIZEOF(struct page) * PAGE;
}

#define MIX(lane, word) lane = (lane ^ (word)) * m, lane ^= lane >> 32

// Four lanes, each a bijection of each of its words: a change of one word is always
// seen. A separate function is verified only once.
__attribute__((noinline)) u64 sum(struct block *b, u32 len)
{
	if (!b)
		return 0;
	const u64 m = 0x9E3779B97F4A7C15ULL;
	u64 *p = b->word, a0 = len, a1 = 1, a2 = 2, a3 = 3;
	u32 n = (len + 7) / 8;
	for (u32 i = 0; i < PAGE / 8; i += 8, p += 8) {
		if (i >= n)
			break;
		MIX(a0, p[0]); MIX(a1, p[1]); MIX(a2, p[2]); MIX(a3, p[3]);
		MIX(a0, p[4]); MIX(a1, p[5]); MIX(a2, p[6]); MIX(a3, p[7]);
	}
	a0 = (a0 ^ (a1 >> 29) ^ (a1 << 35)) * m; a0 ^= a0 >> 32;
	a2 = (a2 ^ (a3 >> 29) ^ (a3 << 35)) * m; a2 ^= a2 >> 32;
	a0 = (a0 ^ a2) * m;
	return a0 ^ (a0 >> 32);
}

struct both { struct scratch *scratch; struct state *state; };

// step advances by a block, or by a run of pages that is passed over. The state is in a
// map: on the stack the verifier would follow every value.
static long step(u32 i, struct both *c)
{
	struct walk *w = &c->scratch->walk;
	struct bio_vec v;
	u32 n = w->n;
	if (w->off >= w->size || w->off >= w->hi || n >= w->limit)
		return 1;
	if (READ(v, (void *)(w->vec + (u64)w->idx * sizeof(v))) || v.bv_len < w->done) {
		w->unreadable = 1;
		return 1;
	}
	u32 rest = v.bv_len - w->done;
	if (rest > w->size - w->off)
		rest = w->size - w->off;
	if (w->compare && !w->found && w->idx == w->part_idx) {
		w->found = 1;
		w->lo = (s64)w->off + w->part_done - w->done;
		w->hi = w->lo + w->part_size;
	}
	if (w->off + rest <= w->from) {
		w->off += rest;
		w->idx++;
		w->done = 0;
		return 0;
	}
	if (w->off < w->from) {
		w->done += w->from - w->off;
		rest -= w->from - w->off;
		w->off = w->from;
	}
	u64 va = address((u64)v.bv_page) + v.bv_offset + w->done;
	u32 len = PAGE - (va & (PAGE - 1));
	if (len > rest)
		len = rest;
	OPAQUE(len);
	if (len > PAGE || len == 0) {
		w->unreadable = 1;
		return 1;
	}
	if (!w->compare || (w->found && w->off + len > w->lo && w->off < w->hi)) {
		u32 last = (len - 1) / 64 * 8; // the end is padded with zeros
		OPAQUE(last);
		last &= PAGE / 8 - 8;
		__builtin_memset(c->scratch->block.word + last, 0, 64);
		if (read_kernel(&c->scratch->block, len, (void *)va)) {
			w->unreadable = 1;
			return 1;
		}
		u64 s = sum(&c->scratch->block, len);
		OPAQUE(n);
		if (n >= SLOTS)
			return 1;
		if (!w->compare) {
			c->state->sum[n] = s;
		} else if (c->state->sum[n] != s) {
			u64 bit = 1ULL << (n & 63);
			if (!(__sync_fetch_and_or(&c->state->changes[n / 64], bit) & bit))
				if (!__sync_fetch_and_add(&c->state->changed, 1))
					c->state->at = w->off;
		}
	}
	w->n++;
	w->off += len;
	w->done += len;
	if (w->done >= v.bv_len) {
		w->idx++;
		w->done = 0;
	}
	return 0;
}

// STEPS bounds the time of a walk, which may be in an interrupt: blocks that are looked
// at, and before them runs of pages that are passed over.
enum { STEPS = SLOTS + 1024 };

INLINE struct walk *walk_of(struct scratch *sc, struct state *s)
{
	struct walk *w = &sc->walk;
	__builtin_memset(w, 0, sizeof(*w));
	w->vec = s->vec;
	w->idx = s->idx;
	w->done = s->done;
	w->size = s->size;
	w->from = s->from;
	w->hi = 1LL << 40;
	// Memory that is not aligned to pages lies in one page more.
	w->limit = s->size / PAGE > most ? most : most + 1;
	return w;
}

INLINE void walk(struct scratch *sc, struct state *s)
{
	struct both c = { .scratch = sc, .state = s };
	loop(STEPS, step, &c, 0);
}

INLINE u64 head(u64 page)
{
	struct page *p = (void *)page;
	u64 info;
	if (HAS(p, compound_head))
		info = FIELD(p, compound_head);
	else
		info = FIELD((struct page___7 *)p, compound_info);
	if (!(info & 1))
		return page;
	// For a tail the rest is the head, or since 7.x a mask that gives the head.
	return (s64)info > -(1LL << 32) ? page & info & ~1ULL : info - 1;
}

// slab reports whether a page belongs to the kernel's slab allocator, which uses the
// field mapping for other things.
INLINE int slab(struct page *head)
{
	if (HAS_ENUM(enum pagetype, PGTY_slab))
		return FIELD(head, page_type) >> 24 == ENUM(enum pagetype, PGTY_slab);
	u64 flags = 0; // the first field, whatever its type
	READ(flags, head);
	return HAS_ENUM(enum pageflags, PG_slab) && flags >> ENUM(enum pageflags, PG_slab) & 1;
}

// memory_of returns the kind of memory of a bio, by its first page.
INLINE u32 memory_of(struct bio *bio, u64 page)
{
	u32 opf = bio->bi_opf, pinned = bio->bi_flags & bio_page_pinned;
	if (opf >> ENUM(enum req_flag_bits, __REQ_SWAP) & 1)
		return SWAP;
	if (opf >> ENUM(enum req_flag_bits, __REQ_META) & 1)
		return METADATA;
	struct page *first = (void *)head(page);
	if (!pinned && slab(first))
		return KERNEL_MEMORY;
	u64 mapping = (u64)FIELD(first, mapping);
	if (mapping & MAPPING_ANON)
		return ANONYMOUS;
	if (!mapping || mapping & MAPPING_MOVABLE)
		return pinned ? MAPPED : KERNEL_MEMORY;
	struct inode *host = FIELD((struct address_space *)mapping, host);
	u64 magic = FIELD(FIELD(host, i_sb), s_magic);
	if (magic == TMPFS || magic == HUGETLBFS)
		return SHARED;
	if (pinned)
		return MAPPED;
	return magic == BDEVFS ? METADATA : PAGE_CACHE;
}

// from_below reports whether a layer submits bio for another bio that was counted before:
// during the submission of that bio, or as a clone with the same table of pages, from a
// kernel thread or beside the first.
INLINE int from_below(struct bio *bio, struct task_struct *task)
{
	u64 vec = (u64)bio->bi_io_vec;
	if (task->bio_list)
		return 1;
	return bio->bi_flags & bio_cloned && (task->flags & PF_KTHREAD || lookup(&above, &vec));
}

INLINE int asked_for(struct task_struct *task, u32 dev)
{
	u32 tgid = task->tgid;
	if (by_device && !lookup(&devices, &dev))
		return 0;
	if (by_process && !(task->flags & PF_KTHREAD) && !lookup(&processes, &tgid))
		return 0;
	if (by_comm && !(task->flags & PF_KTHREAD)) {
		char comm[16];
		struct task_struct *leader = task->group_leader;
		READ(comm, &leader->comm);
		for (int i = 0; i < 16; i++) {
			if (comm[i] != only_comm[i])
				return 0;
			if (!comm[i])
				break;
		}
	}
	return 1;
}

INLINE void attribute(struct who *who, struct bio *bio, struct task_struct *task)
{
	struct task_struct *leader = task->group_leader;
	__builtin_memset(who, 0, sizeof(*who));
	who->tgid = task->tgid;
	who->started = leader->start_boottime;
	READ(who->comm, &leader->comm);
	// The pid of a kernel thread says nothing: one kworker writes for many.
	if (task->flags & PF_KTHREAD) {
		if (HAS(bio, bi_blkg) && bio->bi_blkg)
			who->cgroup = FIELD(FIELD(FIELD(FIELD(bio->bi_blkg, blkcg), css.cgroup), kn), id);
		who->tgid = 0;
		who->started = 0;
		__builtin_memset(who->comm, 0, sizeof(who->comm));
	}
}

// enter returns the scratch for an event, or 0 if a level before took the event.
INLINE struct scratch *enter(u32 kind, u32 level, u64 event)
{
	u32 program = kind * LEVELS + level;
	struct taken *t = level > 0 ? lookup(&takens, &kind) : 0;
	for (int i = 0; t && i < DEEP; i++) {
		if (t->event[i] != event)
			continue;
		if (level == LEVELS - 1)
			t->event[i] = 0;
		return 0;
	}
	return lookup(&scratches, &program);
}

// leave notes that an event was taken. Events in between take other places. A task that
// moves to another processor leaves its place taken, so a place may be overwritten.
INLINE void leave(u32 kind, u32 level, u64 event)
{
	struct taken *t = level < LEVELS - 1 ? lookup(&takens, &kind) : 0;
	for (int i = 0; t && i < DEEP; i++)
		if (!__sync_val_compare_and_swap(&t->event[i], 0, event))
			return;
	if (t)
		t->event[0] = event;
}

// PROGRAM defines a program of a tracepoint on all levels.
#define LEVEL(name, tracepoint, kind, level, event, body) \
	SEC("tp_btf/" tracepoint) int name(u64 *ctx) \
	{ \
		struct scratch *sc = enter(kind, level, event); \
		if (sc) { \
			body(ctx, sc); \
			leave(kind, level, event); \
		} \
		return 0; \
	}
#define PROGRAM(name, tracepoint, kind, event, body) \
	LEVEL(name, tracepoint, kind, 0, event, body) \
	LEVEL(name##_2, tracepoint, kind, 1, event, body) \
	LEVEL(name##_3, tracepoint, kind, 2, event, body)

// forget drops the state of a bio that had the same address and completed unseen. Its
// sums must not stay, even if the map cannot be changed now.
INLINE void forget(u64 key)
{
	struct state *s = lookup(&in_flight, &key);
	if (!s)
		return;
	s->vec = 0;
	delete(&in_flight, &key);
	COUNT(replaced);
}

// hand_down notes the table of a bio whose driver submits bios itself.
INLINE void hand_down(struct bio *bio)
{
	u64 key = (u64)bio, vec = (u64)bio->bi_io_vec;
	if (bio->bi_bdev->bd_disk->fops->submit_bio && update(&above, &vec, &key, 0))
		COUNT(no_room);
}

INLINE void queue(u64 *ctx, struct scratch *sc)
{
	struct bio *bio = (void *)ctx[0];
	u32 op = bio->bi_opf & OP_MASK, size = bio->bi_iter.bi_size;
	u64 key = (u64)bio, vec = (u64)bio->bi_io_vec;
	if ((op != OP_WRITE && op != OP_ZONE_APPEND) || !size || !vec || stopping)
		return;
	COUNT(seen);
	forget(key);
	struct task_struct *task = current_task();
	if (from_below(bio, task)) {
		COUNT(below);
		return;
	}
	hand_down(bio);
	u32 dev = bio->bi_bdev->bd_dev;
	if (!asked_for(task, dev))
		return;
	if (sample > 1 && prandom() % sample) {
		COUNT(unsampled);
		return;
	}
	struct state *s = &sc->state;
	struct bio_vec v;
	s->vec = vec;
	s->idx = bio->bi_iter.bi_idx;
	if (HAS(&bio->bi_iter, bi_bvec_done))
		s->done = bio->bi_iter.bi_bvec_done;
	else
		s->done = FIELD((struct bvec_iter___7 *)&bio->bi_iter, bi_offset);
	if (READ(v, (void *)(vec + (u64)s->idx * sizeof(v)))) {
		COUNT(unreadable);
		return;
	}
	u32 memory = memory_of(bio, (u64)v.bv_page);
	if (!every_kind && memory != ANONYMOUS && memory != MAPPED && memory != SHARED) {
		COUNT(other);
		return;
	}
	if ((by_process || by_comm) && task->flags & PF_KTHREAD) {
		if (memory == ANONYMOUS || memory == MAPPED || memory == SHARED)
			COUNT(nobody);
		return;
	}
	attribute(&s->who, bio, task);
	s->who.memory = memory;
	s->who.dev = dev;
	s->sector = bio->bi_iter.bi_sector;
	s->size = size;
	s->from = 0;
	// Do not always look at the first blocks of a large bio.
	u32 whole = size / PAGE;
	if (whole > most)
		s->from = prandom() % (whole - most + 1) * PAGE;
	struct walk *w = walk_of(sc, s);
	walk(sc, s);
	if (w->n >= w->limit && w->off < size && whole <= most && !w->unreadable) {
		s->from = prandom() % size; // the bio has many small pieces
		w = walk_of(sc, s);
		walk(sc, s);
	}
	if (w->unreadable || !w->n) {
		COUNT(unreadable);
		return;
	}
	s->looked = w->n;
	s->truncated = s->from > 0 || w->off < size;
	s->completed = s->changed = s->unreadable = 0;
	s->at = 0;
	__builtin_memset(s->changes, 0, sizeof(s->changes));
	if (stacks) {
		__builtin_memset(s->stack, 0, sizeof(s->stack));
		get_stack(ctx, s->stack, sizeof(s->stack), USER_STACK);
	}
	s->queued = ktime();
	if (update(&in_flight, &key, s, 0))
		COUNT(no_room);
	else
		COUNT(tracked);
}

PROGRAM(on_queue, "block_bio_queue", QUEUE, ctx[0], queue)

// finish counts a bio of which all parts completed.
INLINE void finish(struct state *s)
{
	u64 now = ktime();
	struct row *r = lookup(&rows, &s->who);
	if (!r) {
		struct row none = {};
		update(&rows, &s->who, &none, 1);
		r = lookup(&rows, &s->who);
	}
	if (!r) { // no room: count in the rows without a name that the loader made
		struct who nobody = { .memory = s->who.memory };
		COUNT(rows_full);
		r = lookup(&rows, &nobody);
	}
	if (!r)
		return;
	COUNT(finished);
	ADD(r->writes, 1);
	ADD(r->blocks, s->looked);
	if (s->truncated)
		ADD(r->truncated, 1);
	if (!s->changed)
		return;
	if (!r->first_changed)
		r->first_changed = now;
	ADD(r->blocks_changed, s->changed);
	if (__sync_fetch_and_add(&r->changed, 1) >= EXAMPLES)
		return;
	struct event *e = reserve(&events, sizeof(*e), 0);
	if (!e) {
		COUNT(events_lost);
		return;
	}
	e->who = s->who;
	e->in_flight = now - s->queued;
	e->sector = s->sector;
	e->at = s->at;
	e->size = s->size;
	e->blocks = s->looked;
	e->changed = s->changed;
	__builtin_memcpy(e->stack, s->stack, sizeof(e->stack));
	submit(e, 0);
}

// complete compares a part of a bio: size bytes from a position in its table.
INLINE void complete(u64 key, struct state *s, u32 idx, u32 done, u32 size, struct scratch *sc)
{
	struct walk *w = walk_of(sc, s);
	w->compare = 1;
	w->part_idx = idx;
	w->part_done = done;
	w->part_size = size;
	walk(sc, s);
	if (w->unreadable)
		s->unreadable = 1;
	if (__sync_fetch_and_add(&s->completed, size) + size < s->size)
		return; // the last part counts
	if (s->unreadable)
		COUNT(unreadable);
	else
		finish(s);
	s->vec = 0; // see forget
	delete(&in_flight, &key);
}

// For devices that take bios: dm, md, zram.
INLINE void bio_complete(u64 *ctx, struct scratch *sc)
{
	struct bio *bio = (void *)ctx[1];
	u32 op = bio->bi_opf & OP_MASK;
	u64 key = (u64)bio, vec = (u64)bio->bi_io_vec;
	if (op != OP_WRITE && op != OP_ZONE_APPEND)
		return;
	u64 *top = lookup(&above, &vec);
	if (top && *top == key)
		delete(&above, &vec);
	struct state *s = lookup(&in_flight, &key);
	if (s && s->vec == vec)
		complete(key, s, s->idx, s->done, s->size, sc);
}

PROGRAM(on_bio_complete, "block_bio_complete", BIO, ctx[1], bio_complete)

struct part { u64 bio; struct scratch *scratch; u32 left; };

// each_bio takes the part of a request that completed from its next bio.
static long each_bio(u32 i, struct part *p)
{
	struct bio *bio = (void *)p->bio;
	if (!bio || !p->left)
		return 1;
	u64 key = p->bio;
	u32 size = FIELD(bio, bi_iter.bi_size);
	p->bio = (u64)FIELD(bio, bi_next);
	if (size > p->left)
		size = p->left;
	p->left -= size;
	struct state *s = lookup(&in_flight, &key);
	if (!s && FIELD(bio, bi_flags) & bio_cloned) { // the front of a bio that was split
		key = (u64)FIELD(bio, bi_private);
		s = lookup(&in_flight, &key);
	}
	if (!s || !size || s->vec != (u64)FIELD(bio, bi_io_vec))
		return 0;
	u32 idx = FIELD(bio, bi_iter.bi_idx), done;
	if (HAS(&bio->bi_iter, bi_bvec_done))
		done = FIELD(bio, bi_iter.bi_bvec_done);
	else
		done = FIELD((struct bvec_iter___7 *)&bio->bi_iter, bi_offset);
	complete(key, s, idx, done, size, p->scratch);
	return 0;
}

// For devices that take requests.
INLINE void rq_complete(u64 *ctx, struct scratch *sc)
{
	struct request *rq = (void *)ctx[0];
	u32 op = rq->cmd_flags & OP_MASK;
	if (op != OP_WRITE && op != OP_ZONE_APPEND)
		return;
	struct part p = { .bio = (u64)rq->bio, .left = ctx[2], .scratch = sc };
	loop(1024, each_bio, &p, 0);
}

PROGRAM(on_rq_complete, "block_rq_complete", REQUEST, ctx[0], rq_complete)

// A process that is asked for starts others, which are then asked for, too.
SEC("tp_btf/sched_process_fork")
int on_fork(u64 *ctx)
{
	struct task_struct *parent = (void *)ctx[0], *child = (void *)ctx[1];
	u32 from = parent->tgid, to = child->tgid;
	u8 *asked = lookup(&processes, &from);
	if (asked && from != to)
		update(&processes, &to, asked, 0);
	return 0;
}

// The PID of a process that has no more threads may be used again.
SEC("tp_btf/sched_process_exit")
int on_exit(u64 *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	u32 tgid = task->tgid;
	if (!task->signal->live.counter)
		delete(&processes, &tgid);
	return 0;
}

// how_written looks for bios whose first page begins with the mark, and counts them by
// the kind of memory: found[ANONYMOUS..KERNEL_MEMORY].
SEC("tp_btf/block_bio_queue")
int how_written(u64 *ctx)
{
	struct bio *bio = (void *)ctx[0];
	u32 op = bio->bi_opf & OP_MASK;
	struct bio_vec v;
	u64 word[3];
	if ((op != OP_WRITE && op != OP_ZONE_APPEND) || !bio->bi_iter.bi_size || !bio->bi_io_vec || from_below(bio, current_task()))
		return 0;
	hand_down(bio);
	if (READ(v, (void *)((u64)bio->bi_io_vec + (u64)bio->bi_iter.bi_idx * sizeof(v))))
		return 0;
	if (READ(word, (void *)(address((u64)v.bv_page) + v.bv_offset)))
		return 0;
	if (word[0] != mark[0] || word[1] != mark[1] || word[2] != mark[2])
		return 0;
	u32 memory = memory_of(bio, (u64)v.bv_page);
	u64 *n = lookup(&found, &memory);
	if (n)
		*n += 1;
	return 0;
}

// Calibration: structs of pages that were given to our process.
struct pages { u32 n; u64 page[PAGES]; };
struct pages pages;

SEC("tp_btf/mm_page_alloc")
int on_alloc(u64 *ctx)
{
	if (current_pid_tgid() >> 32 != self || (u32)ctx[1] != 0)
		return 0;
	u32 n = __sync_fetch_and_add(&pages.n, 1);
	if (n < PAGES)
		pages.page[n] = ctx[0];
	return 0;
}

// A question of the loader to calibrate.
struct question {
	u64 page;         // struct of a page
	u64 frame;        // number of a page
	u64 begins[4];    // the first words of the page
	u32 tries;        // at how many multiples of 1 GiB memory may begin; 0: do both constants find page?
	u32 pid;          // answer: our process, by the kernel's number
	u64 index;        // answer: number of page in its mapping
	u64 answer;       // where memory begins, 0 if not found
};
struct trial { struct question *q; u64 base, answer; };

INLINE int begins(struct question *q, u64 at)
{
	u64 w[4];
	if (READ(w, (void *)at))
		return 0;
	return w[0] == q->begins[0] && w[1] == q->begins[1] && w[2] == q->begins[2] && w[3] == q->begins[3];
}

static long try(u32 i, struct trial *t)
{
	u64 base = t->base - ((u64)i << 30);
	if (!begins(t->q, base + t->q->frame * PAGE))
		return 0;
	t->answer = base;
	return 1;
}

// calibrate finds where in the address space memory begins: at a multiple of 1 GiB below
// a struct task, which is in memory.
SEC("syscall")
int calibrate(struct question *q)
{
	struct trial t = { .q = q, .base = current_task_address() & ~((1ULL << 30) - 1) };
	if (q->tries)
		loop(q->tries, try, &t, 0);
	else if (begins(q, address(q->page)))
		t.answer = direct_map;
	q->answer = t.answer;
	q->index = FIELD((struct folio *)q->page, index);
	q->pid = current_pid_tgid() >> 32;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

/*
 * A machine that changes its memory while its disk is being written: the BIOS of a
 * PC that has nothing else. It starts the disk's DMA (PIIX3 IDE, ATA-6 WRITE DMA)
 * from a buffer, and changes the buffer until the disk is done, over and over from
 * the begin of the disk to its end. Then it resets the machine, which ends QEMU with
 * -no-reboot; if the disk fails it ends QEMU by isa-debug-exit, at port 0x501.
 *
 * Made as a flat image of 64 KiB that ends at 4 GiB, where the processor begins.
 */
__asm__(
	".section .reset, \"ax\"\n"
	".code16\n"
	"	jmp start16\n"
	"	.balign 16, 0\n" /* the image ends here, 16 bytes after the reset vector */
	".section .boot, \"ax\"\n"
	"start16:\n"
	"	cli\n"
	"	cld\n"
	"	lgdtl %cs:0xff00 + table - start16\n"
	"	mov $1, %eax\n"
	"	mov %eax, %cr0\n" /* protected mode, no paging */
	"	ljmpl $8, $start32\n"
	".code32\n"
	"start32:\n"
	"	mov $16, %eax\n"
	"	mov %eax, %ds\n"
	"	mov %eax, %es\n"
	"	mov %eax, %ss\n"
	"	mov $0x80000, %esp\n"
	"	jmp run\n"
	".balign 8\n"
	"segments:\n"
	"	.quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff\n" /* flat: code, data */
	"table:\n"
	"	.word 23\n"
	"	.long segments\n"
	".text\n");

typedef unsigned char u8;
typedef unsigned int u32;

static void out8(int port, u8 v) { __asm__ volatile("outb %0, %w1" : : "a"(v), "Nd"(port)); }
static void out32(int port, u32 v) { __asm__ volatile("outl %0, %w1" : : "a"(v), "Nd"(port)); }

static u8 in8(int port)
{
	u8 v;
	__asm__ volatile("inb %w1, %0" : "=a"(v) : "Nd"(port));
	return v;
}


/* The IDE function of the PIIX3 is function 1 of device 1 on bus 0. */
static void configure(int reg, u32 v)
{
	out32(0xcf8, 0x80000000u | 1 << 11 | 1 << 8 | reg);
	out32(0xcfc, v);
}

enum {
	DISK = 0x1f0,	   /* the first channel */
	DMA = 0xc000,	   /* its bus master, where configure puts it */
	SECTORS = 128,	   /* of a write: 64 KiB, one entry of a table */
	BUFFER = 0x100000, /* in memory, like TABLE */
	TABLE = 0x10000,
};

static void wait_for_disk(void)
{
	while (in8(DISK + 7) & 0x80) /* BSY */
		;
}

static u32 sectors_of_disk(void)
{
	u32 n = 0;

	wait_for_disk();
	out8(DISK + 6, 0xe0);
	out8(DISK + 7, 0xf8); /* READ NATIVE MAX ADDRESS */
	wait_for_disk();
	n = (in8(DISK + 6) & 0xf) << 24 | in8(DISK + 5) << 16 | in8(DISK + 4) << 8 | in8(DISK + 3);
	return n + 1;
}

static void fill(u32 v)
{
	volatile u32 *p = (u32 *)BUFFER;
	int i;

	for (i = 0; i < SECTORS * 512 / 4; i++)
		p[i] = v;
}

/* Returns whether the disk wrote. */
static int write(u32 at)
{
	volatile u32 *table = (u32 *)TABLE;
	u32 v = 0;

	table[0] = BUFFER;
	table[1] = 0x80000000u; /* 64 KiB, the last entry */
	fill(at);
	wait_for_disk();
	out32(DMA + 4, TABLE);
	out8(DMA + 2, 6); /* clear what was before */
	out8(DISK + 6, 0xe0 | at >> 24);
	out8(DISK + 2, SECTORS);
	out8(DISK + 3, at);
	out8(DISK + 4, at >> 8);
	out8(DISK + 5, at >> 16);
	out8(DISK + 7, 0xca); /* WRITE DMA */
	out8(DMA, 1);
	while (in8(DMA + 2) & 1)
		fill(~v++);
	out8(DMA, 0);
	return !(in8(DISK + 7) & 0x21) && !(in8(DMA + 2) & 2);
}

__attribute__((used, noreturn)) static void run(void)
{
	u32 at, n;

	configure(0x20, DMA | 1); /* BAR 4 */
	configure(0x04, 5);	  /* I/O, bus master */
	out8(0x3f6, 2);		  /* no interrupts */
	n = sectors_of_disk();
	for (at = 0; at + SECTORS <= n; at += SECTORS)
		if (!write(at))
			out8(0x501, 1);
	out8(0x64, 0xfe); /* reset, by the keyboard's controller */
	for (;;)
		;
}

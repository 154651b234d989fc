/* RV32 in machine mode, the first hart of QEMU's virt: the timer of its CLINT, mstatus, semihosting. */
#include "board.h"

/* Of 64 bits, in halves. */
#define MTIMECMP ((volatile uint32_t *)0x02004000)
#define MTIME ((volatile uint32_t *)0x0200bff8)
#define TIME_PER_SECOND 10000000

enum { MIE = 8, MTIE = 1 << 7 };
static const uint32_t TIMER = UINT32_C(1) << 31 | 7;

/* From reset to C, and what a function may change around the handler. While that runs, interrupts are masked. */
__asm__(".pushsection .text.start, \"ax\"\n"
        ".global _start\n_start:\nla sp, stack_top\n"
        "la t0, bss_begin\nla t1, bss_end\n1: bgeu t0, t1, 2f\nsw zero, 0(t0)\naddi t0, t0, 4\nj 1b\n"
        "2: la t0, trap\ncsrw mtvec, t0\nj begin\n"
        ".balign 4\ntrap:\naddi sp, sp, -64\n"
        "sw ra, 0(sp)\nsw t0, 4(sp)\nsw t1, 8(sp)\nsw t2, 12(sp)\nsw t3, 16(sp)\nsw t4, 20(sp)\nsw t5, 24(sp)\nsw t6, 28(sp)\n"
        "sw a0, 32(sp)\nsw a1, 36(sp)\nsw a2, 40(sp)\nsw a3, 44(sp)\nsw a4, 48(sp)\nsw a5, 52(sp)\nsw a6, 56(sp)\nsw a7, 60(sp)\n"
        "csrr a0, mcause\ncall on_trap\n"
        "lw ra, 0(sp)\nlw t0, 4(sp)\nlw t1, 8(sp)\nlw t2, 12(sp)\nlw t3, 16(sp)\nlw t4, 20(sp)\nlw t5, 24(sp)\nlw t6, 28(sp)\n"
        "lw a0, 32(sp)\nlw a1, 36(sp)\nlw a2, 40(sp)\nlw a3, 44(sp)\nlw a4, 48(sp)\nlw a5, 52(sp)\nlw a6, 56(sp)\nlw a7, 60(sp)\n"
        "addi sp, sp, 64\nmret\n"
        ".popsection\n");

__attribute__((used)) static _Noreturn void begin(void) {
    board_exit(program());
}

static void next_tick(void) {
    /* This code's own hart reads and writes in peace: a tick is far longer. */
    uint32_t high, low;
    do {
        high = MTIME[1];
        low = MTIME[0];
    } while (high != MTIME[1]);
    uint64_t next = ((uint64_t)high << 32 | low) + TIME_PER_SECOND / TICKS_PER_SECOND;
    /* Never there with a new low half and the old high one, which may have passed. */
    MTIMECMP[1] = UINT32_MAX;
    MTIMECMP[0] = (uint32_t)next;
    MTIMECMP[1] = (uint32_t)(next >> 32);
}

__attribute__((used)) static void on_trap(uint32_t cause) {
    if (cause != TIMER) {
        static const char text[] = "a trap that nobody expects\n";
        board_write(text, sizeof text - 1);
        board_exit(3);
    }
    next_tick();
    on_tick();
}

void board_start_ticks(void) {
    next_tick();
    __asm__ volatile("csrs mie, %0" : : "r"(MTIE) : "memory");
}

uintptr_t board_mask(void) {
    uintptr_t before;
    __asm__ volatile("csrrci %0, mstatus, %1" : "=r"(before) : "i"(MIE) : "memory");
    return ~before & MIE;
}

void board_unmask(uintptr_t before) {
    if (before == 0) __asm__ volatile("csrsi mstatus, %0" : : "i"(MIE) : "memory");
}

void board_rest(void) {
    __asm__ volatile("wfi" : : : "memory");
}

/* What a function keeps for its caller. */
__asm__(".pushsection .text.board_switch, \"ax\"\n"
        ".global board_switch\nboard_switch:\naddi sp, sp, -64\n"
        "sw ra, 0(sp)\nsw s0, 4(sp)\nsw s1, 8(sp)\nsw s2, 12(sp)\nsw s3, 16(sp)\nsw s4, 20(sp)\nsw s5, 24(sp)\n"
        "sw s6, 28(sp)\nsw s7, 32(sp)\nsw s8, 36(sp)\nsw s9, 40(sp)\nsw s10, 44(sp)\nsw s11, 48(sp)\n"
        "sw sp, 0(a0)\nmv sp, a1\n"
        "lw ra, 0(sp)\nlw s0, 4(sp)\nlw s1, 8(sp)\nlw s2, 12(sp)\nlw s3, 16(sp)\nlw s4, 20(sp)\nlw s5, 24(sp)\n"
        "lw s6, 28(sp)\nlw s7, 32(sp)\nlw s8, 36(sp)\nlw s9, 40(sp)\nlw s10, 44(sp)\nlw s11, 48(sp)\n"
        "addi sp, sp, 64\nret\n"
        ".popsection\n");

void *board_first(void *top, void (*entry)(void)) {
    uintptr_t *end = (uintptr_t *)top - 16;
    end[0] = (uintptr_t)entry;
    return end;
}

/* The three instructions are the sign; they may not lie on two pages. */
__asm__(".pushsection .text.call_emulator, \"ax\"\n.option push\n.option norvc\n.balign 16\ncall_emulator:\n"
        "slli zero, zero, 0x1f\nebreak\nsrai zero, zero, 7\nret\n.option pop\n.popsection\n");
uintptr_t call_emulator(uintptr_t operation, const void *argument);

#include "semihosting.h"

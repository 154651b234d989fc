/* Cortex-M: vectors, SysTick, PRIMASK, semihosting. Nothing that a Cortex-M0 lacks. */
#include "board.h"

#ifndef FREQUENCY
#error "the processor's clock"
#endif

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define SYST_CSR REGISTER(0xe000e010)
#define SYST_RVR REGISTER(0xe000e014)
#define SYST_CVR REGISTER(0xe000e018)

extern uint32_t stack_top[], data_begin[], data_end[], data_stored[], bss_begin[], bss_end[];

/* The linker script has no other way into the program. */
_Noreturn void reset(void) {
    board_mask();
    for (uint32_t *to = data_begin, *from = data_stored; to < data_end;) *to++ = *from++;
    for (uint32_t *word = bss_begin; word < bss_end;) *word++ = 0;
    board_exit(program());
}

static void unexpected(void) {
    static const char text[] = "an exception that nobody expects\n";
    board_write(text, sizeof text - 1);
    board_exit(3);
}

__attribute__((section(".vectors"), used)) static const struct {
    void *stack;
    void (*handlers[15])(void);
} vectors = {stack_top,
             {reset, unexpected, unexpected, unexpected, unexpected, unexpected, 0, 0, 0, 0, unexpected,
              unexpected, 0, unexpected, on_tick}};

void board_start_ticks(void) {
    SYST_RVR = FREQUENCY / TICKS_PER_SECOND - 1;
    SYST_CVR = 0;
    SYST_CSR = 7;
}

uintptr_t board_mask(void) {
    uintptr_t before;
    __asm__ volatile("mrs %0, PRIMASK\n cpsid i" : "=r"(before) : : "memory");
    return before;
}

void board_unmask(uintptr_t before) {
    __asm__ volatile("msr PRIMASK, %0" : : "r"(before) : "memory");
}

void board_rest(void) {
    __asm__ volatile("wfi" : : : "memory");
}

/* What a function keeps for its caller. */
__asm__(".pushsection .text.board_switch, \"ax\"\n"
        ".global board_switch\n.type board_switch, %function\n.thumb_func\nboard_switch:\n"
        "push {r4-r7, lr}\nmov r4, r8\nmov r5, r9\nmov r6, r10\nmov r7, r11\npush {r4-r7}\n"
        "mov r2, sp\nstr r2, [r0]\nmov sp, r1\n"
        "pop {r4-r7}\nmov r8, r4\nmov r9, r5\nmov r10, r6\nmov r11, r7\npop {r4-r7, pc}\n"
        ".popsection\n");

void *board_first(void *top, void (*entry)(void)) {
    uintptr_t *end = (uintptr_t *)top - 10; /* one more than is taken: 8 bytes */
    end[8] = (uintptr_t)entry;
    return end;
}

static uintptr_t call_emulator(uintptr_t operation, const void *argument) {
    register uintptr_t r0 __asm__("r0") = operation;
    register const void *r1 __asm__("r1") = argument;
    __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
    return r0;
}

#include "semihosting.h"

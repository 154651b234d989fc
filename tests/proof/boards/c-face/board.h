/* What the program asks of a board: cortex_m.c, riscv.c. */
#ifndef BOARD_H
#define BOARD_H

#include <stdint.h>

/* Of interrupts, per second. */
#define TICKS_PER_SECOND 1000

/* The program, with interrupts masked and memory set up. Returns the exit code. */
int program(void);

/* The program's handler, for each interrupt of the timer. */
void on_tick(void);

/* The timer begins; the program unmasks. */
void board_start_ticks(void);

/* Masks interrupts; unmask takes what it returned. */
uintptr_t board_mask(void);
void board_unmask(uintptr_t before);

/* Sleeps until an interrupt comes, masked or not. */
void board_rest(void);

/* Goes on on the stack that ends at to, and stores in *from where this one ends. */
void board_switch(void **from, void *to);

/* The end of a stack on which board_switch finds a first call of entry. */
void *board_first(void *top, void (*entry)(void));

/* Ends the program. */
_Noreturn void board_exit(int code);

/* To the emulator, which has the text on its own standard output. */
void board_write(const char *text, uint32_t length);

#endif

/* The kernel of the board's program. */
#pragma once

#define configUSE_PREEMPTION 1
#define configUSE_TIME_SLICING 1
#define configTICK_RATE_HZ 1000
#define configTICK_TYPE_WIDTH_IN_BITS TICK_TYPE_WIDTH_32_BITS
#define configMAX_PRIORITIES 6
#define configMINIMAL_STACK_SIZE 128
#define configTOTAL_HEAP_SIZE (2 * 1024 * 1024)
#define configSUPPORT_DYNAMIC_ALLOCATION 1
#define configMAX_TASK_NAME_LEN 8
#define configSTACK_DEPTH_TYPE uint32_t
#define configUSE_IDLE_HOOK 0
#define configUSE_TICK_HOOK 0
#define configCHECK_FOR_STACK_OVERFLOW 2

/* What extram_freertos.h asks for. */
#define EXTRAM_TLS_INDEX 2 /* the first two are the program's */
#define configNUM_THREAD_LOCAL_STORAGE_POINTERS (EXTRAM_TLS_INDEX + 16)
#define configUSE_TASK_NOTIFICATIONS 1
#define configTASK_NOTIFICATION_ARRAY_ENTRIES 2
#define configUSE_TRACE_FACILITY 1
#define configRECORD_STACK_HIGH_ADDRESS 1
#define INCLUDE_xTaskGetSchedulerState 1
#define INCLUDE_xTaskGetCurrentTaskHandle 1
#define INCLUDE_vTaskDelay 1
#define INCLUDE_vTaskSuspend 1
#define INCLUDE_uxTaskPriorityGet 1
#if !defined(__ASSEMBLER__) && !defined(BOARD_BROKEN)
#include "extram_freertos.h"
#define traceTASK_DELETE(task) extram_freertos_deleted(task)
#endif

/* What the board's own cases need. */
#define INCLUDE_vTaskDelete 1
#define INCLUDE_vTaskPrioritySet 1
#define INCLUDE_uxTaskGetStackHighWaterMark 1

#ifdef __riscv
/* QEMU's virt. */
#define configCPU_CLOCK_HZ 10000000UL
#define configMTIME_BASE_ADDRESS 0x0200bff8UL
#define configMTIMECMP_BASE_ADDRESS 0x02004000UL
#define configISR_STACK_SIZE_WORDS 1024
#else
/* mps2-an385, as QEMU has it; handlers by the names of cortex-m-rt. */
#define configCPU_CLOCK_HZ 25000000UL
#define configKERNEL_INTERRUPT_PRIORITY 0xe0
#define configMAX_SYSCALL_INTERRUPT_PRIORITY 0x40
#define vPortSVCHandler SVCall
#define xPortPendSVHandler PendSV
#define xPortSysTickHandler SysTick
#endif

#ifndef __ASSEMBLER__
void board_broken_down(const char *what, int line);
#define configASSERT(x) \
    do { \
        if (!(x)) board_broken_down(__FILE__, __LINE__); \
    } while (0)
#endif

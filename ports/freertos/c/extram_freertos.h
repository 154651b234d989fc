/* extram under FreeRTOS: what tasks and handlers in C call, and what the port asks of the kernel.
 *
 * Compile extram_freertos.c with your kernel, by your FreeRTOSConfig.h, which has to say at least
 *
 *   configNUM_THREAD_LOCAL_STORAGE_POINTERS   16 (or EXTRAM_TLS_INDEX + 16)
 *   configTASK_NOTIFICATION_ARRAY_ENTRIES     2  (the last one is extram's, or EXTRAM_NOTIFICATION)
 *   INCLUDE_xTaskGetSchedulerState, INCLUDE_xTaskGetCurrentTaskHandle,
 *   INCLUDE_vTaskDelay, INCLUDE_vTaskSuspend  1
 *
 * With configUSE_TRACE_FACILITY and configRECORD_STACK_HIGH_ADDRESS the stacks of tasks are known, with
 * INCLUDE_uxTaskPriorityGet those who wait for an M are served by priority. */
#ifndef EXTRAM_FREERTOS_H
#define EXTRAM_FREERTOS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The calling task keeps its M between calls from now on. It never ends, or calls extram_freertos_exit
 * just before it deletes itself; nobody else deletes it. */
void extram_freertos_keep_ms(void);

/* The calling task's Ms go back to their pools. It enters no pool afterwards. For every task that keeps
 * its M and ends, and for one that ends inside a call. */
void extram_freertos_exit(void);

/* At the end of a handler in which anything of extram was called: if that has woken a task of higher
 * priority, it runs next. Without it that task runs at the next tick. */
void extram_freertos_handler_ends(void);

/* For the kernel, where tasks are deleted by others:
 *
 *   #define traceTASK_DELETE(task) extram_freertos_deleted(task)
 *
 * A task may be deleted while it waits for an M then. One that keeps its M and has not called
 * extram_freertos_exit fails an assertion. */
void extram_freertos_deleted(void *task);

#ifdef __cplusplus
}
#endif

#endif

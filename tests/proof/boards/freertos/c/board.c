/* The tasks that others make: by FreeRTOS' own functions, as a program in C does. */
#include "FreeRTOS.h"
#include "extram_freertos.h"
#include "task.h"

/* The runtime's exported function, as its header has it. 0 if the call got no M. */
int exported(int by);

/* A task of a library that knows nothing of extram: it calls, and deletes itself. */
static void calls_and_ends(void *report) {
    int *sum = report;
    for (int i = 0; i < 3; i++) {
        if (exported(1) == 0) break;
        vTaskDelay(1);
        *sum += 1;
    }
    vTaskDelete(NULL);
}

int board_calls_from_c(void) {
    static volatile int sum;
    sum = 0;
    if (xTaskCreate(calls_and_ends, "c", 512, (void *)&sum, 2, NULL) != pdPASS) return 0;
    for (int patience = 2000; sum < 3 && patience; patience--) vTaskDelay(1);
    vTaskDelay(2);
    return sum;
}

void *board_task(void (*run)(void *), void *arg, uint32_t priority) {
    TaskHandle_t task = NULL;
    xTaskCreate(run, "made", 1024, arg, priority, &task);
    return task;
}

void board_delete(void *task) { vTaskDelete((TaskHandle_t)task); }
void board_delay(uint32_t ticks) { vTaskDelay(ticks); }
void board_priority(uint32_t priority) { vTaskPrioritySet(NULL, priority); }
void *board_current(void) { return xTaskGetCurrentTaskHandle(); }
uint32_t board_stack_left(void) { return uxTaskGetStackHighWaterMark(NULL) * sizeof(StackType_t); }
void board_set_word(int index, void *value) { vTaskSetThreadLocalStoragePointer(NULL, index, value); }
void *board_word(int index) { return pvTaskGetThreadLocalStoragePointer(NULL, index); }

void board_run(void (*run)(void *)) {
    if (xTaskCreate(run, "main", 4096, NULL, 1, NULL) == pdPASS) vTaskStartScheduler();
    board_broken_down("the scheduler does not start", 0);
}

void vApplicationStackOverflowHook(TaskHandle_t task, char *name) {
    (void)task;
    board_broken_down(name, -1);
}

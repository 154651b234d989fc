/* What the port needs of FreeRTOS, in C, because there most of it is macros. */
#include "extram_freertos.h"
#include "FreeRTOS.h"
#include "task.h"
#include <stddef.h>

#ifndef EXTRAM_TLS_INDEX
#define EXTRAM_TLS_INDEX 0
#endif
#ifndef EXTRAM_NOTIFICATION
#define EXTRAM_NOTIFICATION (configTASK_NOTIFICATION_ARRAY_ENTRIES - 1)
#if configTASK_NOTIFICATION_ARRAY_ENTRIES < 2
#error "the only notification of a task is the program's: configTASK_NOTIFICATION_ARRAY_ENTRIES has to be 2"
#endif
#endif
#ifndef EXTRAM_TASK_PRIORITY /* of tasks that extram_freertos_start starts */
#define EXTRAM_TASK_PRIORITY (tskIDLE_PRIORITY + 1)
#endif

/* Thread-local pointers of each task: lib.rs divides them. */
#define WORDS 16
_Static_assert(configNUM_THREAD_LOCAL_STORAGE_POINTERS >= EXTRAM_TLS_INDEX + WORDS,
               "configNUM_THREAD_LOCAL_STORAGE_POINTERS is too small");

static BaseType_t started(void) { return xTaskGetSchedulerState() != taskSCHEDULER_NOT_STARTED; }

/* --- Handlers ------------------------------------------------------------------------------------------ */

#if defined(__ARM_ARCH_PROFILE) && __ARM_ARCH_PROFILE == 'M'
int extram_freertos_in_handler(void) {
    uint32_t exception;
    __asm volatile("mrs %0, ipsr" : "=r"(exception));
    return exception != 0;
}
#elif defined(__riscv)
/* Handlers have a stack of their own, and nothing else runs on it. */
int extram_freertos_in_handler(void) {
#ifndef configISR_STACK_SIZE_WORDS
#error "without configISR_STACK_SIZE_WORDS main and handlers share a stack, and nothing tells them apart"
#endif
    extern const StackType_t xISRStackTop;
    uintptr_t sp = (uintptr_t)__builtin_frame_address(0);
    return sp <= xISRStackTop && xISRStackTop - sp <= configISR_STACK_SIZE_WORDS * sizeof(StackType_t);
}
#else
#error "how does a handler know that it is one on this processor?"
#endif

/* A handler has woken a task of higher priority than the one that it interrupted. Not told to the kernel at
 * once: on RISC-V portYIELD_FROM_ISR makes another task the current one in the middle of the handler. */
static volatile BaseType_t switch_wanted;

void extram_freertos_handler_ends(void) {
    if (!extram_freertos_in_handler()) return;
    UBaseType_t mask = taskENTER_CRITICAL_FROM_ISR();
    BaseType_t wanted = switch_wanted;
    switch_wanted = pdFALSE;
    taskEXIT_CRITICAL_FROM_ISR(mask);
    (void)mask;
    portYIELD_FROM_ISR(wanted);
}

/* Interrupts from which the kernel's functions may be called are masked between the two. */
uint32_t extram_freertos_mask(void) {
    if (extram_freertos_in_handler()) return (uint32_t)taskENTER_CRITICAL_FROM_ISR();
    taskENTER_CRITICAL();
    return 0;
}

void extram_freertos_unmask(uint32_t mask) {
    if (extram_freertos_in_handler()) taskEXIT_CRITICAL_FROM_ISR((UBaseType_t)mask);
    else taskEXIT_CRITICAL();
    (void)mask;
}

/* --- The calling task ---------------------------------------------------------------------------------- */

/* main, before there are tasks. */
static void *words_of_main[WORDS];

static void **words_of(TaskHandle_t task) {
    return (void **)((char *)task + offsetof(StaticTask_t, pvDummy15)) + EXTRAM_TLS_INDEX;
}

/* The calling task's words, in a handler those of the task that it interrupted. Zero when the task was made,
 * gone with it. */
void **extram_freertos_words(void) {
    return started() ? words_of(xTaskGetCurrentTaskHandle()) : words_of_main;
}

/* StaticTask_t is laid out as the kernel's own structure: whether that is so. */
static int words_are_found(void) {
    void **last = extram_freertos_words() + WORDS - 1, *was = *last;
    vTaskSetThreadLocalStoragePointer(NULL, EXTRAM_TLS_INDEX + WORDS - 1, (void *)last);
    int found = *last == (void *)last;
    vTaskSetThreadLocalStoragePointer(NULL, EXTRAM_TLS_INDEX + WORDS - 1, was);
    return found;
}

/* 0 if the words are not where they should be. */
uint32_t extram_freertos_frequency(void) {
    static volatile int checked, wrong;
    if (!checked && started() && !extram_freertos_in_handler()) {
        wrong = !words_are_found();
        checked = 1;
    }
    return wrong ? 0 : (uint32_t)configTICK_RATE_HZ;
}

uintptr_t extram_freertos_number(void) { return started() ? (uintptr_t)xTaskGetCurrentTaskHandle() : 0; }

/* The calling task's stack; an empty one if the kernel does not say. */
void extram_freertos_stack(uintptr_t *low, uintptr_t *high) {
    *low = *high = 0;
#if configUSE_TRACE_FACILITY && configRECORD_STACK_HIGH_ADDRESS
    if (started() && !extram_freertos_in_handler()) {
        TaskStatus_t status;
        vTaskGetInfo(NULL, &status, pdFALSE, eRunning);
        *low = (uintptr_t)status.pxStackBase;
        *high = (uintptr_t)status.pxEndOfStack + sizeof(StackType_t);
    }
#endif
}

/* --- Time ---------------------------------------------------------------------------------------------- */

uint32_t extram_freertos_ticks(void) {
    return extram_freertos_in_handler() ? xTaskGetTickCountFromISR() : xTaskGetTickCount();
}

/* The highest count of ticks. */
uint32_t extram_freertos_last_tick(void) { return (uint32_t)portMAX_DELAY; }

void extram_freertos_delay(uint32_t ticks) {
    if (xTaskGetSchedulerState() == taskSCHEDULER_RUNNING) vTaskDelay((TickType_t)ticks);
}

void extram_freertos_yield(void) {
    if (xTaskGetSchedulerState() == taskSCHEDULER_RUNNING && !extram_freertos_in_handler()) taskYIELD();
}

/* --- Waiting ------------------------------------------------------------------------------------------- */

/* Who waits, by priority and then by age. Each is on its task's own stack, and its links are changed with
 * interrupts masked. */
struct waiter {
    const volatile uint32_t *word;
    TaskHandle_t task;
    UBaseType_t priority;
    struct waiter *next, *previous; /* next: the lower one */
    BaseType_t listed;
};

static struct waiter *highest, *lowest;

static void put(struct waiter *me) {
    struct waiter *above = lowest;
    while (above && above->priority < me->priority) above = above->previous;
    me->previous = above;
    me->next = above ? above->next : highest;
    *(me->next ? &me->next->previous : &lowest) = me;
    *(above ? &above->next : &highest) = me;
    me->listed = pdTRUE;
}

static void take(struct waiter *it) {
    *(it->previous ? &it->previous->next : &highest) = it->next;
    *(it->next ? &it->next->previous : &lowest) = it->previous;
    it->listed = pdFALSE;
}

/* Waits while *word == expected, for so many ticks; portMAX_DELAY is for ever. May end early. */
void extram_freertos_wait(const volatile uint32_t *word, uint32_t expected, uint32_t ticks) {
    if (xTaskGetSchedulerState() != taskSCHEDULER_RUNNING) return;
    struct waiter me = {.word = word, .task = xTaskGetCurrentTaskHandle()};
#if INCLUDE_uxTaskPriorityGet
    me.priority = uxTaskPriorityGet(NULL);
#endif
    /* What is left of an earlier wait, which was woken as its time was up. */
    xTaskNotifyStateClearIndexed(NULL, EXTRAM_NOTIFICATION);
    ulTaskNotifyValueClearIndexed(NULL, EXTRAM_NOTIFICATION, UINT32_MAX);
    taskENTER_CRITICAL();
    BaseType_t sleep = *word == expected;
    if (sleep) put(&me);
    taskEXIT_CRITICAL();
    if (!sleep) return;
    ulTaskNotifyTakeIndexed(EXTRAM_NOTIFICATION, pdTRUE, (TickType_t)ticks);
    taskENTER_CRITICAL();
    if (me.listed) take(&me);
    taskEXIT_CRITICAL();
}

/* The first who waits for the word, off the list; NULL if nobody does. */
static TaskHandle_t next_for(const volatile uint32_t *word) {
    uint32_t mask = extram_freertos_mask();
    struct waiter *at = highest;
    while (at && at->word != word) at = at->next;
    if (at) take(at);
    TaskHandle_t task = at ? at->task : NULL;
    extram_freertos_unmask(mask);
    return task;
}

/* Wakes so many who wait for the word, which is compared and not read. */
void extram_freertos_wake(const volatile uint32_t *word, uint32_t count) {
    TaskHandle_t task;
    if (!started()) return;
    if (extram_freertos_in_handler()) {
        while (count-- && (task = next_for(word))) {
            BaseType_t higher = pdFALSE;
            vTaskNotifyGiveIndexedFromISR(task, EXTRAM_NOTIFICATION, &higher);
            if (higher) switch_wanted = pdTRUE;
        }
        return;
    }
    /* No other task runs in here, so none that is off the list ends before it has been told. */
    vTaskSuspendAll();
    while (count-- && (task = next_for(word))) xTaskNotifyGiveIndexed(task, EXTRAM_NOTIFICATION);
    xTaskResumeAll();
}

/* The kernel deletes it, with interrupts masked. */
void extram_freertos_deleted(void *task) {
    /* lib.rs, keeps(). */
    configASSERT(words_of(task)[WORDS - 1] == NULL);
    struct waiter *at = highest;
    while (at && at->task != task) at = at->next;
    if (at) take(at);
}

/* --- Tasks of the port's own, which no pool needs ------------------------------------------------------- */

#if configSUPPORT_DYNAMIC_ALLOCATION
void *extram_freertos_alloc(size_t size) { return pvPortMalloc(size); }
void extram_freertos_free(void *memory) { vPortFree(memory); }

int extram_freertos_start(void (*run)(void *), void *arg, size_t stack) {
    size_t words = (stack + sizeof(StackType_t) - 1) / sizeof(StackType_t);
    if (words > (configSTACK_DEPTH_TYPE)-1) return 0;
    return xTaskCreate(run, "extram", (configSTACK_DEPTH_TYPE)words, arg, EXTRAM_TASK_PRIORITY, NULL) == pdPASS;
}

void extram_freertos_delete(void) { vTaskDelete(NULL); }
#endif

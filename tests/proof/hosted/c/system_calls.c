/* Which system calls a process makes, by FreeBSD's ktrace(2); elsewhere there is nothing here. */
#include "hosted.h"

#ifdef __FreeBSD__
#include <sys/param.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/ktrace.h>

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

int hosted_trace(const char *file)
{
    return ktrace(file, KTROP_SET, KTRFAC_SYSCALL, getpid()) == 0 ? 0 : errno;
}

/* One record: counted, if it is a system call. */
static int record(FILE *file, const struct ktr_header *header, unsigned *counts, unsigned size)
{
    struct ktr_syscall call;
    long body = header->ktr_len;
    if (header->ktr_type & KTR_DROP)
        return -1;
    if ((header->ktr_type & 0xff) == KTR_SYSCALL) {
        size_t head = offsetof(struct ktr_syscall, ktr_args);
        if (fread(&call, head, 1, file) != 1 || call.ktr_code < 0 || (unsigned)call.ktr_code >= size)
            return -1;
        counts[call.ktr_code]++;
        body -= (long)head;
    }
    return fseek(file, body, SEEK_CUR);
}

int hosted_traced(const char *name, unsigned *counts, unsigned size)
{
    struct ktr_header header;
    int failed = 0;
    FILE *file = fopen(name, "rb");
    if (file == NULL)
        return -1;
    while (!failed && fread(&header, sizeof header, 1, file) == 1)
        failed = record(file, &header, counts, size);
    failed |= ferror(file);
    fclose(file);
    return failed ? -1 : 0;
}
#else
typedef int hosted_nothing;
#endif

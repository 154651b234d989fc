#include "hosted.h"

#include <omp.h>

unsigned hosted_openmp(unsigned count, hosted_body body, void *arg)
{
    unsigned seen = 0;
    omp_set_dynamic(0);
    omp_set_max_active_levels(2);
#pragma omp parallel num_threads(count) reduction(+ : seen)
    {
        unsigned outer = (unsigned)omp_get_thread_num();
        body(arg, outer);
        seen += 1;
#pragma omp parallel num_threads(2) reduction(+ : seen)
        {
            body(arg, outer);
            seen += 1;
        }
    }
    return seen;
}

/* The foreign side: OpenMP regions, whose threads libgomp makes and keeps. */
#include <omp.h>
#include <stdint.h>

/* Exported by the Rust program. 0: done. */
extern int openmp_arrive(uint32_t threads);
extern int openmp_draw(uint32_t row);

/* Every thread of a region calls once. Returns how many threads there were, or 0 if a call failed. */
uint32_t region_of_all(uint32_t threads) {
  uint32_t team = 0;
  int failed = 0;
  omp_set_dynamic(0);
#pragma omp parallel num_threads(threads) reduction(| : failed)
  {
    uint32_t here = (uint32_t)omp_get_num_threads();
#pragma omp single
    team = here;
    failed |= openmp_arrive(here);
  }
  return failed ? 0 : team;
}

/* The rows of a picture, shared among the threads of a region. 0: done. */
int region_of_rows(uint32_t threads, uint32_t rows) {
  int failed = 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic) reduction(| : failed)
  for (uint32_t row = 0; row < rows; row++)
    failed |= openmp_draw(row);
  return failed;
}

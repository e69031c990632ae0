// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The OpenMP functions that the library uses. Without -fopenmp, a parallel region is one thread and no runtime is
// needed.

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace basin::threads {

#if defined(_OPENMP)
/// The number of the calling thread in its parallel region, from 0.
inline int mine() { return omp_get_thread_num(); }
/// The largest number of threads that the next parallel region of the calling thread may have.
inline int most() { return omp_get_max_threads(); }
inline void set_most(int count) { omp_set_num_threads(count); }
/// The number of threads of a parallel region here: one where it would be nested deeper than OpenMP allows.
inline int here() { return omp_get_active_level() >= omp_get_max_active_levels() ? 1 : omp_get_max_threads(); }
#else
inline int mine() { return 0; }
inline int most() { return 1; }
inline void set_most(int) {}
inline int here() { return 1; }
#endif

}  // namespace basin::threads

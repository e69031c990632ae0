// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The items of a study are independent, and one small model does not use several threads well. So every thread has its
// own copy of the model and computes whole items.

#include <omp.h>

#include <exception>
#include <vector>

#include "basin/core/coord.hpp"
#include "basin/nn/parameter.hpp"

namespace basin::study {

/// One copy of a model per thread.
///
/// Cost      memory: the parameters once more, and their gradients, for every thread but the first
/// Determinism  what `work` does for one item must depend on that item alone; then it is run_to_run, for any number of
///              threads
template <class Model>
class model_per_thread {
 public:
  explicit model_per_thread(Model& first) : lead(&first) {
    for (int n = 1; n < omp_get_max_threads(); ++n) copies.push_back(first.twin());
    for (auto& copy : copies) nn::copy_values(first.parameters(), copy.parameters()), copy.send();
  }

  /// Calls work(model, item) for every item below `count`, in any order; rethrows the exception of the lowest item
  /// that threw.
  template <class Work>
  void each(index_t count, Work const& work) {
    std::exception_ptr thrown;
    index_t thrown_by = count;
#pragma omp parallel for schedule(dynamic, 1) num_threads(static_cast<int>(copies.size()) + 1)
    for (index_t item = 0; item < count; ++item) {
      try {
        work(mine(), item);
      } catch (...) {
#pragma omp critical(basin_study_thread_error)
        if (item < thrown_by) thrown = std::current_exception(), thrown_by = item;
      }
    }
    if (thrown) std::rethrow_exception(thrown);
  }

 private:
  Model& mine() {
    auto const thread = static_cast<std::size_t>(omp_get_thread_num());
    return thread == 0 ? *lead : copies[thread - 1];
  }
  Model* lead;
  std::vector<Model> copies;
};

}  // namespace basin::study

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// In place of on_cuda.cpp where nvcc or cuBLASLt was not found.

#include "programs/without_cuda.hpp"
#include "study/examine.hpp"

basin::study::findings basin::study::run_study_on_cuda(study_options const&, std::string,
                                                       std::optional<report::locked_folder>&) {
  programs::refuse_cuda();
}

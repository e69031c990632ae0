// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// The study on a GPU.

#include "basin/lm/devices/cuda_device.hpp"
#include "study/examine.hpp"

basin::study::findings basin::study::run_study_on_cuda(study_options const& o, std::string command,
                                                       std::optional<report::locked_folder>& folder) {
  return run_study<lm::cuda_device>(o, std::move(command), folder);
}

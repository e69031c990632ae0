# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Every header of the library, by hand, floor by floor: what is not listed is not installed. The test
# static.headers_listed compares the lists with the folder.

set(basin_headers
  include/basin/config.hpp
  include/basin/version.hpp
  include/basin/core/coord.hpp
  include/basin/core/error.hpp
  include/basin/core/math.hpp
  include/basin/core/problem.hpp
  include/basin/core/random.hpp
  include/basin/core/simd.hpp
  include/basin/core/view.hpp
  include/basin/concepts/mask.hpp
  include/basin/concepts/normalizer.hpp
  include/basin/concepts/observation.hpp
  include/basin/concepts/observer.hpp
  include/basin/concepts/policy.hpp
  include/basin/concepts/pruner.hpp
  include/basin/concepts/scorer.hpp
  include/basin/normalize/length_scaled.hpp
  include/basin/normalize/softmax.hpp
  include/basin/normalize/sparsemax.hpp
  include/basin/normalize/top_k.hpp
  include/basin/mask/causal.hpp
  include/basin/mask/unmasked.hpp
  include/basin/prune/drop_keys.hpp
  include/basin/prune/keep_all.hpp
  include/basin/observe/entropy.hpp
  include/basin/observe/max_weight.hpp
  include/basin/observe/mean_received_attention.hpp
  include/basin/observe/received_attention.hpp
  include/basin/observe/together.hpp
  include/basin/observe/unobserved.hpp
  include/basin/score/scaled.hpp
  include/basin/attention.hpp
  include/basin/reference.hpp
  include/basin/cpu/backward.hpp
  include/basin/cpu/decode.hpp
  include/basin/cpu/forward.hpp
  include/basin/cpu/tuning.hpp
  include/basin/cpu/detail/gradients.hpp
  include/basin/cpu/detail/panel.hpp
  include/basin/cpu/detail/product.hpp
  include/basin/cpu/detail/tasks.hpp
  include/basin/cpu/detail/weigh.hpp
  include/basin/cpu/detail/workspace.hpp
  include/basin/sinks/ranking.hpp
  include/basin/sinks/rule.hpp
  include/basin/sinks/trajectory.hpp
  include/basin/theory/advice.hpp
  include/basin/theory/bounds.hpp
  include/basin/theory/decay.hpp
  include/basin/theory/distance.hpp
  include/basin/theory/distinguish.hpp
  include/basin/theory/expectation.hpp
  include/basin/theory/gram.hpp
  include/basin/theory/kolmogorov_smirnov.hpp
  include/basin/theory/observers.hpp
  include/basin/theory/row_limits.hpp
  include/basin/theory/saturation.hpp
  include/basin/theory/selection.hpp
  include/basin/theory/sensitivity.hpp
  include/basin/basin.hpp
)

# basin::nn adds oneDNN.
set(basin_nn_headers
  include/basin/nn/adamw.hpp
  include/basin/nn/cross_entropy.hpp
  include/basin/nn/embedding.hpp
  include/basin/nn/linear.hpp
  include/basin/nn/matmul.hpp
  include/basin/nn/parameter.hpp
  include/basin/nn/rms_norm.hpp
  include/basin/nn/rope.hpp
  include/basin/nn/rows.hpp
  include/basin/nn/schedule.hpp
  include/basin/nn/swiglu.hpp
  include/basin/nn/detail/lanes.hpp
)

# basin::cuda needs nvcc.
set(basin_cuda_headers
  include/basin/basin.cuh
)

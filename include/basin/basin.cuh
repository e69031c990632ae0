// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Host and CUDA: every policy of basin.hpp is __host__ __device__, so that it may be called from a kernel. Kernels of the
// library's own are still to come; until then a call from a kernel is a policy at a time.

#if !defined(__CUDACC__)
#error "basin: basin.cuh needs nvcc; a plain C++ compiler includes basin/basin.hpp"
#endif

#include "basin/attention.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/normalize/adaptive_temperature.hpp"
#include "basin/normalize/entmax.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/law/asentmax.hpp"
#include "basin/normalize/law/learned_ssmax.hpp"
#include "basin/normalize/law/position_steps.hpp"
#include "basin/normalize/law/su_log_n.hpp"
#include "basin/normalize/law/yarn.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/relu.hpp"
#include "basin/normalize/self_adjusted.hpp"
#include "basin/normalize/self_adjusted_plain.hpp"
#include "basin/normalize/sigmoid.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/softmax_n.hpp"
#include "basin/normalize/softpick.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/squared_relu.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/normalize/top_p.hpp"
#include "basin/observe/entropy.hpp"
#include "basin/observe/max_weight.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/observe/together.hpp"
#include "basin/observe/unobserved.hpp"
#include "basin/prune/drop_keys.hpp"
#include "basin/prune/keep_all.hpp"
#include "basin/score/scaled.hpp"
#include "basin/version.hpp"

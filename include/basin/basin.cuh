// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Host and CUDA: every policy of basin.hpp is __host__ __device__, so that it may be called from a kernel. Kernels of the
// library's own are still to come; until then a call from a kernel is a policy at a time.

#if !defined(__CUDACC__)
#error "basin: basin.cuh needs nvcc; a plain C++ compiler includes basin/basin.hpp"
#endif

#include "basin/attention.hpp"
#include "basin/mask/all_of.hpp"
#include "basin/mask/block_causal.hpp"
#include "basin/mask/causal.hpp"
#include "basin/mask/document_starts.hpp"
#include "basin/mask/documents.hpp"
#include "basin/mask/doubled_block_causal.hpp"
#include "basin/mask/key_padding.hpp"
#include "basin/mask/prefix.hpp"
#include "basin/mask/sliding_window.hpp"
#include "basin/mask/unmasked.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/softmax.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/observe/active_set_size.hpp"
#include "basin/observe/block_mass.hpp"
#include "basin/observe/entropy.hpp"
#include "basin/observe/log_sum_exp.hpp"
#include "basin/observe/max_weight.hpp"
#include "basin/observe/mean_received_attention.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/observe/together.hpp"
#include "basin/observe/top_mass.hpp"
#include "basin/observe/unobserved.hpp"
#include "basin/prune/all_of.hpp"
#include "basin/prune/block_sparse.hpp"
#include "basin/prune/drop_keys.hpp"
#include "basin/prune/heavy_hitters.hpp"
#include "basin/prune/keep_all.hpp"
#include "basin/prune/keep_keys.hpp"
#include "basin/prune/score_floor.hpp"
#include "basin/prune/window_with_sinks.hpp"
#include "basin/score/alibi.hpp"
#include "basin/score/scaled.hpp"
#include "basin/score/soft_cap.hpp"
#include "basin/version.hpp"

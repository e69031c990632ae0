// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// basin's entries on a GPU as C functions, for programs that load a library at run time (bench/peers/cuda_library.py)
// and for figures.cpp. All tensors are bf16. An entry returns 0, or 1 if basin refuses the call; basin_cuda_problem()
// then returns the reason.

#include <cstdint>

extern "C" {

/// The normalizer, or the mask; without either, softmax over all keys.
enum basin_cuda_policy : std::int32_t {
  basin_cuda_full,
  basin_cuda_causal,
  basin_cuda_top_k,
  basin_cuda_sparsemax,
  basin_cuda_entmax15,
  basin_cuda_own_normalizer,
  basin_cuda_policies
};

/// The observers, for full softmax only: received attention, or entropy and the largest weight.
enum basin_cuda_watch : std::int32_t { basin_cuda_nobody, basin_cuda_keys, basin_cuda_rows };

/// [batch, heads, length, dim] in device memory; strides count elements.
struct basin_cuda_tensor {
  void* memory;
  std::int64_t extents[4], strides[4];
};

/// Device memory of a call: its workspace, and where forward keeps its rows for backward (or null); and the stream.
/// Observers write received [batch, heads, keys], nats and heaviest [batch, heads, queries], dense.
struct basin_cuda_room {
  void* workspace;
  std::uint64_t bytes;
  void* saved;
  std::uint64_t saved_bytes;
  double *received, *nats, *heaviest;
  void* stream;
};

char const* basin_cuda_problem();

/// Bytes of workspace that suffice for every entry, for a call of this policy.
std::uint64_t basin_cuda_workspace(std::int32_t policy, basin_cuda_tensor const* q, basin_cuda_tensor const* k,
                                   basin_cuda_tensor const* v);

/// Bytes of the rows that forward keeps.
std::uint64_t basin_cuda_saved(std::int32_t policy, basin_cuda_tensor const* q, basin_cuda_tensor const* k,
                               basin_cuda_tensor const* v);

/// Dims of up to 256 for full softmax, 128 for all others and for gradients.
std::int32_t basin_cuda_forward(std::int32_t policy, std::int32_t watch, basin_cuda_tensor const* q,
                                basin_cuda_tensor const* k, basin_cuda_tensor const* v, basin_cuda_tensor const* out,
                                basin_cuda_room const* room);
/// Call it after a forward that kept its rows and wrote `out`.
std::int32_t basin_cuda_backward(std::int32_t policy, std::int32_t watch, basin_cuda_tensor const* q,
                                 basin_cuda_tensor const* k, basin_cuda_tensor const* v, basin_cuda_tensor const* out,
                                 basin_cuda_tensor const* dout, basin_cuda_tensor const* dq,
                                 basin_cuda_tensor const* dk, basin_cuda_tensor const* dv,
                                 basin_cuda_room const* room);
/// Full softmax only.
std::int32_t basin_cuda_decode(basin_cuda_tensor const* q, basin_cuda_tensor const* k, basin_cuda_tensor const* v,
                               basin_cuda_tensor const* out, basin_cuda_room const* room);

}  // extern "C"

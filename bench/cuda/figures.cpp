// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: how fast are the kernels on this GPU, and what do observers, user-defined normalizers and decode cost
// there? These figures, in bf16, need no other library: claim NAME VALUE. Compared calls are timed in turn, by events,
// on random numbers. Each round uses the next of several sets of inputs, so that no call finds its inputs in the cache.

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "cuda/library.hpp"

namespace {

void require(char const* what, cudaError_t status) {
  if (status != cudaSuccess)
    throw std::runtime_error(std::string("figures: ") + what + ": " + cudaGetErrorString(status));
}
void require(std::int32_t answer) {
  if (answer != 0) throw std::runtime_error(basin_cuda_problem());
}

struct device_bytes {
  void* memory = nullptr;
  explicit device_bytes(std::size_t count) { require("cudaMalloc", cudaMalloc(&memory, count)); }
  device_bytes(device_bytes const&) = delete;
  ~device_bytes() { cudaFree(memory); }
};

/// Numbers in [-1, 1) in bf16. Zeros would be faster.
struct device_tensor {
  basin_cuda_tensor t;
  device_bytes bytes;

  device_tensor(std::int64_t batch, std::int64_t heads, std::int64_t length, std::int64_t dim, std::uint32_t seed)
      : t{nullptr, {batch, heads, length, dim}, {heads * length * dim, length * dim, dim, 1}},
        bytes(static_cast<std::size_t>(batch * heads * length * dim) * 2) {
    t.memory = bytes.memory;
    std::vector<std::uint16_t> numbers(static_cast<std::size_t>(batch * heads * length * dim));
    std::uint64_t state = seed * 0x9E3779B97F4A7C15u + 1;
    for (std::uint16_t& x : numbers) {                           // sign, exponent for [1/8, 1), seven random bits
      state = state * 6364136223846793005u + 1442695040888963407u;
      auto const random = static_cast<std::uint32_t>(state >> 33);
      x = static_cast<std::uint16_t>((random & 0x807fu) | ((124u + (random >> 8) % 3u) << 7));
    }
    require("cudaMemcpy", cudaMemcpy(t.memory, numbers.data(), numbers.size() * 2, cudaMemcpyHostToDevice));
  }
};

/// The operands of one call; `sets` of inputs, used in turn by rounds.
struct operands {
  struct inputs {
    device_tensor q, k, v, dout;
  };
  std::vector<std::unique_ptr<inputs>> sets;
  device_tensor out, saved_out, dq, dk, dv;
  std::uint64_t workspace_bytes, saved_bytes;
  device_bytes workspace, saved, received, nats, heaviest;
  basin_cuda_room room, saving;
  std::size_t round = 0;

  operands(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads, std::int64_t queries, std::int64_t keys,
           std::int64_t dim, int count)
      : sets(made(batch, heads, kv_heads, queries, keys, dim, count)),
        out(batch, heads, queries, dim, 1),
        saved_out(batch, heads, queries, dim, 1),
        dq(batch, heads, queries, dim, 2),
        dk(batch, kv_heads, keys, dim, 3),
        dv(batch, kv_heads, keys, dim, 4),
        workspace_bytes(most(basin_cuda_workspace)),
        saved_bytes(most(basin_cuda_saved)),
        workspace(workspace_bytes + 16),
        saved(saved_bytes + 16),
        received(static_cast<std::size_t>(batch * heads * keys) * 8),
        nats(static_cast<std::size_t>(batch * heads * queries) * 8),
        heaviest(static_cast<std::size_t>(batch * heads * queries) * 8),
        room{workspace.memory,
             workspace_bytes,
             nullptr,
             0,
             static_cast<double*>(received.memory),
             static_cast<double*>(nats.memory),
             static_cast<double*>(heaviest.memory),
             nullptr},
        saving(room) {
    saving.saved = saved.memory, saving.saved_bytes = saved_bytes;
  }

  static std::vector<std::unique_ptr<inputs>> made(std::int64_t batch, std::int64_t heads, std::int64_t kv_heads,
                                                   std::int64_t queries, std::int64_t keys, std::int64_t dim,
                                                   int count) {
    std::vector<std::unique_ptr<inputs>> all;
    for (int n = 0; n < count; ++n) {
      auto const seed = static_cast<std::uint32_t>(10 * n);
      all.push_back(std::unique_ptr<inputs>(new inputs{{batch, heads, queries, dim, seed + 5},
                                                       {batch, kv_heads, keys, dim, seed + 6},
                                                       {batch, kv_heads, keys, dim, seed + 7},
                                                       {batch, heads, queries, dim, seed + 8}}));
    }
    return all;
  }
  template <class Bytes>
  std::uint64_t most(Bytes const& bytes) const {
    std::uint64_t found = 0;
    for (std::int32_t policy = 0; policy < basin_cuda_policies; ++policy)
      found = std::max(found, bytes(policy, &sets[0]->q.t, &sets[0]->k.t, &sets[0]->v.t));
    return found;
  }
  inputs const& now() const { return *sets[round % sets.size()]; }
  void forward(std::int32_t policy, std::int32_t watch) const {
    require(basin_cuda_forward(policy, watch, &now().q.t, &now().k.t, &now().v.t, &out.t, &room));
  }
  /// A forward that keeps its rows, and the backward that uses them; call them in this order on one set of inputs.
  void saving_forward(std::int32_t policy) const {
    require(basin_cuda_forward(policy, basin_cuda_nobody, &now().q.t, &now().k.t, &now().v.t, &saved_out.t, &saving));
  }
  void backward(std::int32_t policy, std::int32_t watch) const {
    require(basin_cuda_backward(policy, watch, &now().q.t, &now().k.t, &now().v.t, &saved_out.t, &now().dout.t, &dq.t,
                                &dk.t, &dv.t, &saving));
  }
  void decode() const { require(basin_cuda_decode(&now().q.t, &now().k.t, &now().v.t, &out.t, &room)); }
};

double median(std::vector<double> x) {
  std::ranges::sort(x);
  return x[x.size() / 2];
}

/// Times in milliseconds of calls that are measured in turn: times[call][round].
struct times {
  std::vector<std::vector<double>> of;

  double ms(std::size_t call) const { return median(of[call]); }
  /// The median over rounds of f(times of the round).
  template <class F>
  double over_rounds(F const& f) const {
    std::vector<double> all;
    for (std::size_t round = 0; round < of[0].size(); ++round)
      all.push_back(f([&](std::size_t call) { return of[call][round]; }));
    return median(all);
  }
  double ratio(std::size_t call, std::size_t to) const {
    return over_rounds([&](auto t) { return t(call) / t(to); });
  }
};

times in_turn(operands& data, int rounds, std::vector<std::function<void()>> const& calls) {
  cudaEvent_t start, stop;
  require("cudaEventCreate", cudaEventCreate(&start));
  require("cudaEventCreate", cudaEventCreate(&stop));
  times found{std::vector<std::vector<double>>(calls.size())};
  for (int round = -3; round < rounds; ++round, ++data.round)
    for (std::size_t n = 0; n < calls.size(); ++n) {
      require("cudaEventRecord", cudaEventRecord(start));
      calls[n]();
      require("cudaEventRecord", cudaEventRecord(stop));
      require("cudaEventSynchronize", cudaEventSynchronize(stop));
      float ms = 0;
      require("cudaEventElapsedTime", cudaEventElapsedTime(&ms, start, stop));
      if (round >= 0) found.of[n].push_back(static_cast<double>(ms));
    }
  cudaEventDestroy(start), cudaEventDestroy(stop);
  return found;
}

void print_claim(char const* name, double value) {
  std::printf("claim %s %.4g\n", name, value);
  std::fflush(stdout);
}

constexpr double product_of_8k = 2.0 * 2 * 16 * 8192 * 8192 * 128 * 1e-9;  // flop; over milliseconds: TFLOP/s

/// The costs of observers and of a user-defined normalizer, at d = 128 and 8k keys; batch 2 of 16 heads.
void measure_full(int rounds) {
  operands data(2, 16, 16, 8192, 8192, 128, 3);
  enum : std::size_t { full, keys, rows, own, saving, backward, backward_keys };
  times const t = in_turn(data, rounds,
                          {[&] { data.forward(basin_cuda_full, basin_cuda_nobody); },
                           [&] { data.forward(basin_cuda_full, basin_cuda_keys); },
                           [&] { data.forward(basin_cuda_full, basin_cuda_rows); },
                           [&] { data.forward(basin_cuda_own_normalizer, basin_cuda_nobody); },
                           [&] { data.saving_forward(basin_cuda_full); },
                           [&] { data.backward(basin_cuda_full, basin_cuda_nobody); },
                           [&] { data.backward(basin_cuda_full, basin_cuda_keys); }});
  double const training = t.over_rounds(
      [](auto ms) { return (ms(saving) + ms(backward_keys)) / (ms(saving) + ms(backward)); });
  print_claim("cuda_forward_bf16_d128_l8k_tflops", 2 * product_of_8k / t.ms(full));
  print_claim("cuda_backward_bf16_d128_l8k_tflops", 5 * product_of_8k / t.ms(backward));
  print_claim("cuda_received_attention_overhead", t.ratio(keys, full));
  print_claim("cuda_training_received_attention_overhead", training);
  print_claim("cuda_entropy_overhead", t.ratio(rows, full));
  print_claim("cuda_custom_normalizer_over_softmax", t.ratio(own, full));
  std::printf("# d 128, L 8k: forward %.4g ms, keeping rows %.4g, with received attention %.4g; "
              "backward %.4g, with received attention %.4g\n",
              t.ms(full), t.ms(saving), t.ms(keys), t.ms(backward), t.ms(backward_keys));
}

void measure_causal(int rounds) {
  operands data(2, 16, 16, 8192, 8192, 128, 3);
  times const t = in_turn(data, rounds,
                          {[&] { data.forward(basin_cuda_full, basin_cuda_nobody); },
                           [&] { data.saving_forward(basin_cuda_causal); },
                           [&] { data.backward(basin_cuda_causal, basin_cuda_nobody); }});
  print_claim("cuda_causal_over_full_d128_l8k", t.ratio(1, 0));
  print_claim("cuda_backward_causal_bf16_d128_l8k_tflops", 2.5 * product_of_8k / t.ms(2));
}

void measure_other_normalizers(int rounds) {
  operands data(2, 16, 16, 8192, 8192, 128, 3);
  struct {
    char const* name;
    std::int32_t policy;
  } const all[] = {{"top_k", basin_cuda_top_k}, {"sparsemax", basin_cuda_sparsemax}, {"entmax15", basin_cuda_entmax15}};
  std::vector<std::function<void()>> calls{[&] { data.forward(basin_cuda_full, basin_cuda_nobody); }};
  for (auto const& one : all) {
    calls.push_back([&] { data.saving_forward(one.policy); });
    calls.push_back([&] { data.backward(one.policy, basin_cuda_nobody); });
  }
  times const t = in_turn(data, rounds, calls);
  for (std::size_t n = 0; n < std::size(all); ++n) {
    print_claim((std::string("cuda_") + all[n].name + "_over_softmax_d128_l8k").c_str(), t.ratio(2 * n + 1, 0));
    std::printf("# %s: forward %.4g ms, backward %.4g (softmax forward %.4g)\n", all[n].name, t.ms(2 * n + 1),
                t.ms(2 * n + 2), t.ms(0));
  }
}

/// Bytes read and written per millisecond by a copy of a gibibyte on the device.
double copied_bytes_per_ms(int rounds) {
  std::size_t const count = std::size_t{1} << 30;
  device_bytes from(count), to(count);
  require("cudaMemset", cudaMemset(from.memory, 0x3c, count));
  operands none(1, 1, 1, 1, 1, 128, 1);
  auto const copy = [&] {
    require("cudaMemcpyAsync", cudaMemcpyAsync(to.memory, from.memory, count, cudaMemcpyDeviceToDevice, nullptr));
  };
  times const t = in_turn(none, rounds, {copy});
  return 2.0 * static_cast<double>(count) / t.ms(0);
}

/// One decoding step: batch 8, 32 query heads over 8 key heads, 64k keys. It reads each key and value once.
void measure_decode(int rounds) {
  operands data(8, 32, 8, 1, 65536, 128, 2);
  times const t = in_turn(data, rounds, {[&] { data.decode(); }});
  double const bytes = 2.0 * 8 * 8 * 65536 * 128 * 2, copied = copied_bytes_per_ms(rounds);
  print_claim("cuda_decode_bandwidth_share", bytes / t.ms(0) / copied);
  std::printf("# decode %.4g ms, %.4g GB/s; copy %.4g GB/s, read and written\n", t.ms(0), bytes / t.ms(0) * 1e-6,
              copied * 1e-6);
}

void measure_other_dims(int rounds) {
  for (int const dim : {64, 256}) {
    operands data(2, 2048 / dim, 2048 / dim, 8192, 8192, dim, 3);
    times const t = in_turn(data, rounds, {[&] { data.forward(basin_cuda_full, basin_cuda_nobody); }});
    std::string const name = "cuda_forward_bf16_d" + std::to_string(dim) + "_l8k_tflops";
    print_claim(name.c_str(), 4.0 * 2 * 2048 * 8192 * 8192 * 1e-9 / t.ms(0));
  }
}

}  // namespace

int main(int argc, char** argv) {
  int const rounds = argc > 1 ? std::atoi(argv[1]) : 30;
  if (rounds < 1) {
    std::fprintf(stderr, "figures: '%s' is no number of rounds; give 1 or more\n", argv[1]);
    return 2;
  }
  int failed = 0;
  for (auto const measure :
       {measure_full, measure_decode, measure_causal, measure_other_dims, measure_other_normalizers})
    try {
      measure(rounds);
    } catch (std::exception const& e) {                          // the other figures may still be measured
      std::fprintf(stderr, "%s\n", e.what());
      failed = 1;
    }
  return failed;
}

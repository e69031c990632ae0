// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception

#include "gpu/graph.hpp"

#include <cstring>
#include <vector>

#include "gpu/device_call.cuh"

namespace basin_test {

namespace {

using E = basin::bfloat16;

constexpr basin::problem whole{1, 4, 2, 100, 200, 64, 64}, step{2, 4, 2, 1, 2500, 64, 64};

struct stream_of_test {
  cudaStream_t handle = nullptr;
  stream_of_test() { require("cudaStreamCreate", cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking)); }
  stream_of_test(stream_of_test const&) = delete;
  ~stream_of_test() { cudaStreamDestroy(handle); }
  void wait() const { require("cudaStreamSynchronize", cudaStreamSynchronize(handle)); }
};

/// Numbers in [-1, 1), different for every seed.
std::vector<E> numbers(std::size_t count, std::uint32_t seed) {
  std::vector<E> all(count);
  for (E& x : all) x = E(static_cast<float>((seed = seed * 1664525u + 1013904223u) >> 8) * 0x1p-23f - 1.0f);
  return all;
}

/// All device memory of the calls.
struct calls {
  device_memory<E> q, k, v, dout, query, keys, values;
  device_memory<float> out, dq, dk, dv, stepped;
  device_memory<double> received;
  workspace space;

  static std::size_t size(basin::problem const& p, index_t heads, index_t length) {
    return static_cast<std::size_t>(p.batch * heads * length * p.dim);
  }
  auto use() const { return basin::attention<>{}.with(basin::causal{}); }
  auto watched_use() const {
    auto const sums = basin::contiguous(received.memory, whole.batch, whole.heads, whole.keys);
    return use().with(basin::received_attention{sums});
  }
  std::size_t bytes() const {
    return std::max({basin::forward_workspace(watched_use(), whole), basin::backward_workspace(use(), whole),
                     basin::decode_workspace(use(), step)});
  }
  calls()
      : q(size(whole, whole.heads, whole.queries)), k(size(whole, whole.kv_heads, whole.keys)), v(k.count),
        dout(q.count), query(size(step, step.heads, step.queries)), keys(size(step, step.kv_heads, step.keys)),
        values(keys.count), out(q.count), dq(q.count), dk(k.count), dv(k.count), stepped(query.count),
        received(static_cast<std::size_t>(whole.batch * whole.heads * whole.keys)), space(bytes()) {}

  void fill(std::uint32_t seed) {
    for (device_memory<E>* of : {&q, &k, &v, &dout, &query, &keys, &values})
      of->copy_from(numbers(of->count, ++seed).data());
  }
  void poison() {
    for (device_memory<float>* of : {&out, &dq, &dk, &dv, &stepped})
      require("cudaMemset", cudaMemset(of->memory, 0xff, of->count * sizeof(float)));
    require("cudaMemset", cudaMemset(received.memory, 0xff, received.count * sizeof(double)));
    require("cudaMemset", cudaMemset(space.on.memory, 0xff, space.on.count));
  }
  void run(cudaStream_t stream) const {
    auto const rows = [](auto* memory, basin::problem const& p, index_t heads, index_t length) {
      return basin::contiguous(memory, p.batch, heads, length, p.dim);
    };
    auto const of_queries = [&](auto* memory) { return rows(memory, whole, whole.heads, whole.queries); };
    auto const of_keys = [&](auto* memory) { return rows(memory, whole, whole.kv_heads, whole.keys); };
    auto const step_queries = [&](auto* memory) { return rows(memory, step, step.heads, step.queries); };
    auto const step_keys = [&](auto* memory) { return rows(memory, step, step.kv_heads, step.keys); };
    auto const read = [](device_memory<E> const& m) { return static_cast<E const*>(m.memory); };
    basin::forward<forward_of_dims<64>>(watched_use(), of_queries(read(q)), of_keys(read(k)), of_keys(read(v)),
                                        of_queries(out.memory), stream, space.span());
    basin::backward<backward_of_dims<64>>(use(), of_queries(read(q)), of_keys(read(k)), of_keys(read(v)),
                                          of_queries(read(dout)), of_queries(dq.memory), of_keys(dk.memory),
                                          of_keys(dv.memory), stream, space.span());
    basin::decode<forward_of_dims<64>>(use(), step_queries(read(query)), step_keys(read(keys)),
                                       step_keys(read(values)), step_queries(stepped.memory), stream, space.span());
  }
  std::vector<std::uint64_t> results() const {
    std::vector<std::uint64_t> all;
    for (device_memory<float> const* of : {&out, &dq, &dk, &dv, &stepped}) {
      std::vector<std::uint32_t> bits(of->count);
      of->copy_to(reinterpret_cast<float*>(bits.data()));
      for (std::uint32_t const x : bits) all.push_back(x == 0xffffffffu ? ~std::uint64_t{0} : x);
    }
    std::vector<double> sums(received.count);
    received.copy_to(sums.data());
    for (double const& x : sums) {
      all.emplace_back();
      std::memcpy(&all.back(), &x, sizeof(x));
    }
    return all;
  }
};

std::size_t free_bytes() {
  std::size_t free = 0, all = 0;
  require("cudaMemGetInfo", cudaMemGetInfo(&free, &all));
  return free;
}

std::size_t kernels_of_hopper(cudaGraph_t graph, std::size_t count) {
  std::vector<cudaGraphNode_t> nodes(count);
  require("cudaGraphGetNodes", cudaGraphGetNodes(graph, nodes.data(), &count));
  std::size_t found = 0;
  for (cudaGraphNode_t const node : nodes) {
    cudaKernelNodeParams launch{};
    found += cudaGraphKernelNodeGetParams(node, &launch) == cudaSuccess && launch.blockDim.x > 256;
  }
  return found;
}

cudaStreamCaptureMode mode_of(capture_mode mode) {
  return mode == capture_mode::global ? cudaStreamCaptureModeGlobal : cudaStreamCaptureModeRelaxed;
}

}  // namespace

replay replay_in_graph(capture_mode mode) {
  calls c;
  stream_of_test const stream;
  auto const directly = [&](std::uint32_t seed) {
    c.fill(seed), c.poison();
    require("cudaDeviceSynchronize", cudaDeviceSynchronize());
    c.run(stream.handle);
    stream.wait();
    return c.results();
  };
  // These calls also load the kernels before the capture.
  std::vector<std::uint64_t> const expected[] = {directly(100), directly(200)};

  replay found;
  std::size_t const before = free_bytes();
  cudaGraph_t graph = nullptr;
  require("cudaStreamBeginCapture", cudaStreamBeginCapture(stream.handle, mode_of(mode)));
  c.run(stream.handle);
  require("cudaStreamEndCapture", cudaStreamEndCapture(stream.handle, &graph));
  std::size_t const after = free_bytes();
  found.bytes_allocated = before > after ? before - after : 0;
  require("cudaGraphGetNodes", cudaGraphGetNodes(graph, nullptr, &found.nodes));
  found.of_hopper = kernels_of_hopper(graph, found.nodes);
  cudaGraphExec_t run = nullptr;
  require("cudaGraphInstantiate", cudaGraphInstantiate(&run, graph, 0));
  for (std::uint32_t const n : {0u, 1u}) {
    c.fill(100 * (n + 1)), c.poison();
    require("cudaDeviceSynchronize", cudaDeviceSynchronize());
    require("cudaGraphLaunch", cudaGraphLaunch(run, stream.handle));
    stream.wait();
    auto const got = c.results();
    for (std::size_t i = 0; i < got.size(); ++i) {
      ++found.numbers;
      found.differing += got[i] != expected[n][i];
      found.unwritten += got[i] == ~std::uint64_t{0};
    }
  }
  cudaGraphExecDestroy(run), cudaGraphDestroy(graph);
  return found;
}

bool is_hopper() {
  int device = 0, major = 0;
  require("cudaGetDevice", cudaGetDevice(&device));
  require("cudaDeviceGetAttribute", cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device));
  return major == 9;
}

bool capture_refuses_allocation() {
  stream_of_test const stream;
  require("cudaStreamBeginCapture", cudaStreamBeginCapture(stream.handle, cudaStreamCaptureModeGlobal));
  void* memory = nullptr;
  bool const refused = cudaMalloc(&memory, 1 << 20) != cudaSuccess;
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(stream.handle, &graph);
  if (graph != nullptr) cudaGraphDestroy(graph);
  cudaFree(memory);
  cudaGetLastError();                                            // clears the expected error
  return refused;
}

}  // namespace basin_test

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Question: how fast do stored tensors become floats, beside a copy of floats?

#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "basin/core/half.hpp"
#include "basin/core/random.hpp"
#include "basin/core/threads.hpp"
#include "basin/lm/io/stored_tensor.hpp"
#include "support/suite.hpp"

namespace {

namespace lm = basin::lm;
using basin::index_t;

/// A matrix of random bytes, whose halves are finite: the second byte of each pair has exponent bits 01xxx.
struct stored_matrix {
  std::vector<std::byte> bytes;
  lm::stored_tensor tensor;

  stored_matrix(lm::storage_type type, index_t rows, index_t columns)
      : tensor{std::string(lm::facts(type).name), type, {rows, columns}, {}} {
    basin::philox rng(static_cast<std::uint64_t>(type));
    bytes.resize(static_cast<std::size_t>(*lm::storage_size(type, tensor.shape)));
    for (auto& byte : bytes) byte = static_cast<std::byte>(256 * basin::uniform(rng));
    for (std::size_t i = 1; i < bytes.size(); i += 2) bytes[i] = (bytes[i] & std::byte{0x9f}) | std::byte{0x20};
    tensor.bytes = bytes;
  }
  stored_matrix(stored_matrix const&) = delete;
};

/// Q8_0 and Q4_1 by their definitions, one value at a time.
bool follows_definition(lm::stored_tensor const& tensor, std::span<float const> found) {
  auto const at = [&](std::size_t i) { return std::to_integer<int>(tensor.bytes[i]); };
  auto const half = [&](std::size_t i) {
    basin::float16 h;
    h.bits = static_cast<std::uint16_t>(at(i) | at(i + 1) << 8);
    return static_cast<float>(h);
  };
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::size_t const block = i / 32, j = i % 32;
    float const expected = tensor.type == lm::storage_type::q8_0
        ? half(block * 34) * static_cast<float>(static_cast<std::int8_t>(at(block * 34 + 2 + j)))
        : half(block * 20) * static_cast<float>((at(block * 20 + 4 + j % 16) >> (j / 16 * 4)) & 15) +
              half(block * 20 + 2);
    if (found[i] != expected) return false;
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  bench::suite suite{argc, argv, bench::clock::one_thread,
                     "How fast do stored tensors become floats? 4096 x 1024 values, one thread; flop: values"};
  basin::threads::set_most(1);
  index_t const rows = suite.how() == bench::mode::dry ? 16 : 4096, columns = 1024;
  std::size_t const values = static_cast<std::size_t>(rows * columns);
  std::vector<float> floats(values, 1.0f), to(values);
  for (auto const type : {lm::storage_type::q8_0, lm::storage_type::q4_1}) {
    stored_matrix const matrix(type, 16, columns);
    suite.expect(matrix.tensor.name + " has the values of its definition", [&] {
      std::span<float> const some = std::span(to).first(static_cast<std::size_t>(16 * columns));
      lm::to_floats(matrix.tensor, some);
      return follows_definition(matrix.tensor, some);
    });
  }
  std::vector<std::unique_ptr<stored_matrix>> matrices;
  auto const count = static_cast<double>(values);
  std::vector<bench::contender> contenders{
      {"copy of floats", count, [&] { std::memcpy(to.data(), floats.data(), values * sizeof(float)); }, 16}};
  for (auto const& one : lm::storage_types) {
    if (!lm::has_floats(one.type)) continue;
    auto const& matrix = matrices.emplace_back(std::make_unique<stored_matrix>(one.type, rows, columns));
    contenders.push_back({std::string(one.name), count, [&to, m = matrix.get()] { lm::to_floats(m->tensor, to); }, 8});
  }
  auto const timed = suite.alternate(contenders);
  for (std::size_t i = 1; i < timed.size(); ++i)
    suite.note("storage_" + timed[i].name + "_over_copy", "time over that of a copy of as many floats",
               bench::ratios(timed[i].seconds, timed[0].seconds));
  return suite.report();
}

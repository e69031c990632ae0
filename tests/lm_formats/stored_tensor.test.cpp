// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/stored_tensor.hpp, storage_type.hpp and mapped_file.hpp

#include <sys/stat.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/half.hpp"
#include "basin/core/threads.hpp"
#include "basin/lm/io/files.hpp"
#include "basin/lm/io/mapped_file.hpp"
#include "basin/lm/io/stored_tensor.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using namespace basin_test;

namespace {

template <class T>
lm::stored_tensor over(std::vector<T> const& values, std::vector<basin::index_t> shape) {
  return {"a", lm::storage_of<T>(), std::move(shape), std::as_bytes(std::span{values})};
}

lm::tensor_store store_of(std::vector<std::string> const& names) {
  std::vector<lm::stored_tensor> tensors;
  for (auto const& name : names) tensors.push_back({name, lm::storage_type::f32, {0}, {}});
  return {"x.bin", std::move(tensors), {}};
}

}  // namespace

TEST_CASE("every half and every bfloat16 is read as the float it is, wherever it lies", "[unit][stored_tensor]") {
  std::vector<std::uint16_t> bits(65536 + 1);
  std::iota(bits.begin(), bits.end(), std::uint16_t{0});
  std::vector<float> found(65536);
  auto const begin = GENERATE(std::size_t{0}, std::size_t{1});     // an odd address in the second case
  std::vector<std::byte> bytes(65536 * 2 + 1);
  std::memcpy(bytes.data() + begin, bits.data(), 65536 * 2);
  auto const tensor = [&](lm::storage_type type) {
    return lm::stored_tensor{"a", type, {65536}, std::span{bytes}.subspan(begin, 65536 * 2)};
  };
  lm::to_floats(tensor(lm::storage_type::f16), found);
  for (std::size_t i = 0; i < found.size(); ++i) {
    double const fraction = static_cast<double>(i % 1024) / 1024, sign = i < 32768 ? 1 : -1;
    int const exponent = static_cast<int>(i / 1024 % 32);
    double expected = exponent == 0 ? std::ldexp(fraction, -14) : std::ldexp(1 + fraction, exponent - 15);
    if (exponent == 31) expected = fraction == 0 ? INFINITY : NAN;
    CAPTURE(i, found[i]);
    REQUIRE((found[i] == static_cast<float>(sign * expected) || (std::isnan(expected) && std::isnan(found[i]))));
  }
  lm::to_floats(tensor(lm::storage_type::bf16), found);
  for (std::size_t i = 0; i < found.size(); ++i) {
    std::uint32_t got = 0;
    std::memcpy(&got, &found[i], sizeof got);
    REQUIRE(got == static_cast<std::uint32_t>(i) << 16);
  }
}

TEST_CASE("any number of values is read, and the same bits by any number of threads", "[unit][stored_tensor]") {
  auto const count = GENERATE(0, 1, 63, 64, 65, 127, 200'001);
  CAPTURE(count);
  std::vector<double> values(static_cast<std::size_t>(count));
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0 / static_cast<double>(i + 3);
  std::vector<float> found(values.size() + 1, -7.0f), again = found;
  auto const tensor = over(values, {count});
  int const threads = basin::threads::most();
  lm::to_floats(tensor, std::span{found}.first(values.size()));
  basin::threads::set_most(3);
  lm::to_floats(tensor, std::span{again}.first(values.size()));
  basin::threads::set_most(threads);
  for (std::size_t i = 0; i < values.size(); ++i) REQUIRE(found[i] == static_cast<float>(values[i]));
  REQUIRE(found.back() == -7.0f);
  REQUIRE(found == again);
}

TEST_CASE("a span of another size, or bytes that are not those of the shape, are refused and nothing is written",
          "[unit][stored_tensor]") {
  std::vector<float> const values{1, 2, 3, 4, 5, 6};
  std::vector<float> room(7, 9.0f);
  auto const tensor = over(values, {2, 3});
  REQUIRE_THROWS_WITH(lm::to_floats(tensor, room),
                      ContainsSubstring("6 values of tensor 'a' were asked for; there is room for 7"));
  auto wrong = tensor;
  wrong.shape = {2, 4};
  REQUIRE_THROWS_WITH(lm::to_floats(wrong, room), ContainsSubstring("of shape [2, 4] and type F32 has 24 bytes; it "
                                                                    "needs 32"));
  wrong.shape.assign(3, basin::index_t{1} << 40);
  REQUIRE_THROWS_AS(lm::to_floats(wrong, room), basin::shape_error);
  auto const two = std::span{room}.first(3);
  REQUIRE_THROWS_WITH(lm::rows_to_floats(tensor, 1, 2, std::span{room}.first(6)),
                      ContainsSubstring("rows 1 to 1 + 2 of tensor 'a' were asked for; it has 2"));
  REQUIRE_THROWS_AS(lm::row_to_floats(tensor, 2, two), basin::value_error);
  REQUIRE_THROWS_AS(lm::row_to_floats(tensor, -1, two), basin::value_error);
  REQUIRE_THROWS_AS(lm::rows_to_floats(tensor, 0, std::numeric_limits<basin::index_t>::max(), two),
                    basin::value_error);
  REQUIRE_THROWS_AS(lm::row_to_floats(tensor, 0, room), basin::shape_error);
  REQUIRE(room == std::vector<float>(7, 9.0f));
}

TEST_CASE("rows of any rank are those of the innermost axis", "[unit][stored_tensor]") {
  std::vector<float> const values{1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<float> row(2), one(1);
  lm::row_to_floats(over(values, {2, 2, 2}), 3, row);
  REQUIRE(row == std::vector<float>{7, 8});
  lm::row_to_floats(over(values, {8, 1}), 4, one);
  REQUIRE(one.front() == 5);
  lm::row_to_floats(over(std::vector<float>{6}, {}), 0, one);
  REQUIRE(one.front() == 6);
  REQUIRE_THROWS_AS(lm::row_to_floats(over(std::vector<float>{}, {3, 0}), 0, std::span<float>{}), basin::value_error);
}

TEST_CASE("a missing tensor is named with those whose names are near", "[unit][stored_tensor]") {
  auto const store = store_of({"model.norm.weight", "model.layers.0.mlp.up_proj.weight", "lm_head.weight"});
  REQUIRE(store.find("lm_head.weight") == &store.at("lm_head.weight"));
  REQUIRE(store.find("lm_head.weigh") == nullptr);
  REQUIRE_THROWS_WITH(store.at("norm.weight"), ContainsSubstring("x.bin has no tensor 'norm.weight'; did you mean ") &&
                                                   !ContainsSubstring("up_proj"));
  REQUIRE_THROWS_WITH(store.at("model.norm.weigth"), ContainsSubstring("did you mean 'model.norm.weight'?"));
  REQUIRE_THROWS_WITH(store.at("zzz"), ContainsSubstring("has no tensor 'zzz'; is it a checkpoint of this model?"));
  std::vector<basin::index_t> const shape{4, 2};
  REQUIRE_THROWS_WITH(store.expect("lm_head.weight", shape),
                      ContainsSubstring("tensor 'lm_head.weight' has shape [0]; this model needs [4, 2]"));
  REQUIRE_THROWS_WITH(store_of({"b", "a", "b"}), ContainsSubstring("two tensors called 'b'"));
  REQUIRE_THROWS_WITH(store_of({std::string(100'000'000, 'x') + "yy"}).at("yy"), !ContainsSubstring("did you mean"));
}

TEST_CASE("a copy of a store keeps its bytes", "[unit][stored_tensor]") {
  auto values = std::make_shared<std::vector<float>>(3, 2.5f);
  std::weak_ptr<std::vector<float>> const watched = values;
  std::optional<lm::tensor_store> store{
      lm::tensor_store{"x", {over(*values, {3})}, {std::shared_ptr<void const>{values}}}};
  values.reset();
  auto copy = std::make_unique<lm::tensor_store>(*store);
  REQUIRE(&copy->at("a") == &store->at("a"));
  store.reset();
  std::vector<float> read(3);
  lm::to_floats(copy->at("a"), read);
  REQUIRE(read == std::vector<float>(3, 2.5f));
  copy.reset();
  REQUIRE(watched.expired());
}

TEST_CASE("a mapped file has the bytes of the file it was opened with", "[unit][mapped_file]") {
  scratch const folder;
  lm::write_atomically(folder / "note", lm::bytes_of("first"));
  lm::mapped_file file{folder / "note"};
  lm::write_atomically(folder / "note", lm::bytes_of("second"));
  auto moved = std::move(file);
  REQUIRE(file.bytes().empty());
  REQUIRE(std::ranges::equal(moved.bytes(), lm::bytes_of("first")));
  moved = lm::mapped_file{folder / "note"};
  REQUIRE(std::ranges::equal(moved.bytes(), lm::bytes_of("second")));
  lm::write_atomically(folder / "empty", {});
  REQUIRE(lm::mapped_file{folder / "empty"}.bytes().empty());
}

TEST_CASE("what cannot be mapped is named", "[unit][mapped_file][hostile]") {
  scratch const folder;
  REQUIRE_THROWS_WITH(lm::mapped_file{folder / "missing"}, ContainsSubstring("missing") &&
                                                               ContainsSubstring("No such file"));
  REQUIRE_THROWS_WITH(lm::mapped_file{folder.path}, ContainsSubstring("not a regular file"));
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  REQUIRE_THROWS_WITH(lm::mapped_file{folder / "pipe"}, ContainsSubstring("not a regular file"));
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers core/problem.hpp and every validate(): invalid arguments are refused with a clear message, and nothing is
// written.
#include <functional>

#include "support/calls.hpp"

namespace basin_test {

namespace {

using view = basin::view<float, 4>;
using sizes = std::array<index_t, 4>;

/// The views of one valid call; each test makes some of them invalid.
struct views {
  view q, k, v, dout, out, dq, dk, dv;
};

shape const good{2, 4, 2, 5, 9, 8, 3, layout::length_first, layout::length_first};

enum class fault { shape, value };
enum class by { all, forward, backward };

/// The kind and the message of the error that `run` throws; empty if it throws neither a shape_error nor a value_error.
std::pair<std::string, std::string> thrown_by(std::function<void()> const& run) {
  try {
    run();
  } catch (basin::shape_error const& e) {
    return {"shape", e.what()};
  } catch (basin::value_error const& e) {
    return {"value", e.what()};
  }
  return {};
}

/// Runs the engines on views that `spoil` has changed. Each must throw the right kind of error, with all `words` in its
/// message, and leave all outputs unchanged.
template <class Attention = basin::attention<>>
void require_refused(by whom, std::vector<std::string> const& words, std::function<void(views&)> const& spoil,
                     Attention const& use = {}, fault kind = fault::shape) {
  call<float> c(good);
  views at{c.q.v, c.k.v, c.v.v, c.dout.v, c.out.v, c.dq.v, c.dk.v, c.dv.v};
  spoil(at);
  std::vector<std::pair<std::string, std::function<void()>>> engines;
  if (whom != by::backward) {
    engines.emplace_back("basin::reference::forward",
                         [&] { basin::reference::forward(use, at.q, at.k, at.v, at.out); });
    engines.emplace_back("basin::cpu::forward", [&] { basin::cpu::forward(use, at.q, at.k, at.v, at.out); });
    engines.emplace_back("basin::cpu::decode", [&] { basin::cpu::decode(use, at.q, at.k, at.v, at.out); });
  }
  if (whom != by::forward) {
    engines.emplace_back("basin::reference::backward",
                         [&] { basin::reference::backward(use, at.q, at.k, at.v, at.dout, at.dq, at.dk, at.dv); });
    engines.emplace_back("basin::cpu::backward",
                         [&] { basin::cpu::backward(use, at.q, at.k, at.v, at.dout, at.dq, at.dk, at.dv); });
  }
  for (auto const& [name, run] : engines) {
    auto const [kind_of_error, said] = thrown_by(run);
    INFO(name << " threw: " << said);
    CHECK(kind_of_error == (kind == fault::shape ? "shape" : "value"));
    if (kind == fault::shape && std::is_same_v<Attention, basin::attention<>>) CHECK(said.rfind(name + ": ", 0) == 0);
    for (auto const& word : words) {
      CAPTURE(word);
      CHECK(said.find(word) != std::string::npos);
    }
    for (auto const output : {&call<float>::out, &call<float>::dq, &call<float>::dk, &call<float>::dv})
      CHECK((c.*output).untouched());
  }
}

view resized(view const& v, int axis, index_t extent) {
  sizes extents{}, strides{};
  for (int r = 0; r < 4; ++r)
    extents[static_cast<std::size_t>(r)] = v.extent(r), strides[static_cast<std::size_t>(r)] = v.stride(r);
  extents[static_cast<std::size_t>(axis)] = extent;
  return basin::strided(v.data_handle(), extents, strides);
}

view restrided(view const& v, int axis, index_t stride) {
  sizes extents{}, strides{};
  for (int r = 0; r < 4; ++r)
    extents[static_cast<std::size_t>(r)] = v.extent(r), strides[static_cast<std::size_t>(r)] = v.stride(r);
  strides[static_cast<std::size_t>(axis)] = stride;
  return basin::strided(v.data_handle(), extents, strides);
}

view moved(view const& v, float* pointer) {
  sizes extents{}, strides{};
  for (int r = 0; r < 4; ++r)
    extents[static_cast<std::size_t>(r)] = v.extent(r), strides[static_cast<std::size_t>(r)] = v.stride(r);
  return basin::strided(pointer, extents, strides);
}

/// Every engine must refuse the parameters of this normalizer.
template <class N>
void require_value_refused(N const& n, std::vector<std::string> const& words) {
  require_refused(by::all, words, [](views&) {}, basin::attention<>{}.with(n), fault::value);
}

}  // namespace

TEST_CASE("a valid call does not throw", "[unit][errors]") {
  call<float> c(good);
  REQUIRE_NOTHROW(basin::cpu::forward(basin::attention<>{}, c.q.v, c.k.v, c.v.v, c.out.v));
  REQUIRE_NOTHROW(basin::cpu::backward(basin::attention<>{}, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v));
}

TEST_CASE("inputs whose shapes do not match are refused by name and number", "[unit][errors]") {
  require_refused(by::all, {"batch of k", "1", "2", "equal"}, [](views& at) { at.k = resized(at.k, 0, 1); });
  require_refused(by::all, {"batch of v", "1", "2"}, [](views& at) { at.v = resized(at.v, 0, 1); });
  require_refused(by::all, {"heads of v", "1", "2"}, [](views& at) { at.v = resized(at.v, 1, 1); });
  require_refused(by::all, {"length of v", "8", "9"}, [](views& at) { at.v = resized(at.v, 2, 8); });
  require_refused(by::all, {"dim of k", "7", "8"}, [](views& at) { at.k = resized(at.k, 3, 7); });
  require_refused(by::all, {"4 heads", "k has 3", "multiple"}, [](views& at) {
    at.k = resized(at.k, 1, 3);
    at.v = resized(at.v, 1, 3);
  });
  require_refused(by::all, {"2 heads", "k has 4", "multiple"}, [](views& at) {
    at.q = resized(at.q, 1, 2);
    at.k = resized(at.k, 1, 4);
    at.v = resized(at.v, 1, 4);
  });
}

TEST_CASE("an extent of zero is refused for every tensor and axis", "[unit][errors]") {
  char const* const axes[] = {"batch", "heads", "length", "dim"};
  for (int axis = 0; axis < 4; ++axis) {
    std::string const zero = std::string(axes[axis]) + " 0";
    require_refused(by::all, {"q has " + zero, "at least 1"}, [&](views& at) { at.q = resized(at.q, axis, 0); });
    require_refused(by::all, {"k has " + zero}, [&](views& at) { at.k = resized(at.k, axis, 0); });
    require_refused(by::all, {"v has " + zero}, [&](views& at) { at.v = resized(at.v, axis, 0); });
    require_refused(by::forward, {"out has " + zero}, [&](views& at) { at.out = resized(at.out, axis, 0); });
    require_refused(by::backward, {"dout has " + zero}, [&](views& at) { at.dout = resized(at.dout, axis, 0); });
    require_refused(by::backward, {"dq has " + zero}, [&](views& at) { at.dq = resized(at.dq, axis, 0); });
  }
}

TEST_CASE("a view with a null pointer is refused", "[unit][errors]") {
  require_refused(by::all, {"q points to no memory"}, [](views& at) { at.q = moved(at.q, nullptr); });
  require_refused(by::forward, {"out points to no memory"}, [](views& at) { at.out = moved(at.out, nullptr); });
  require_refused(by::backward, {"dv points to no memory"}, [](views& at) { at.dv = moved(at.dv, nullptr); });
}

TEST_CASE("outputs whose shape does not match the inputs are refused", "[unit][errors]") {
  char const* const axes[] = {"batch", "heads", "length", "dim"};
  for (int axis = 0; axis < 4; ++axis) {
    auto const shrink = [axis](view& v) { v = resized(v, axis, v.extent(axis) - 1); };
    require_refused(by::forward, {axes[axis], "out"}, [&](views& at) { shrink(at.out); });
    require_refused(by::backward, {axes[axis], "dq"}, [&](views& at) { shrink(at.dq); });
    require_refused(by::backward, {axes[axis], "dk"}, [&](views& at) { shrink(at.dk); });
    require_refused(by::backward, {axes[axis], "dv"}, [&](views& at) { shrink(at.dv); });
    require_refused(by::backward, {"dout"}, [&](views& at) { shrink(at.dout); });
  }
}

TEST_CASE("outputs with negative, zero or overlapping strides are refused", "[unit][errors]") {
  for (int axis = 0; axis < 4; ++axis) {
    std::string const where = "axis " + std::to_string(axis);
    for (index_t const stride : {index_t{-1}, index_t{0}}) {
      std::string const value = "stride " + std::to_string(stride);
      require_refused(by::forward, {"output out", value, where, "positive"},
                      [&](views& at) { at.out = restrided(at.out, axis, stride); });
      require_refused(by::backward, {"output dk", value, where, "positive"},
                      [&](views& at) { at.dk = restrided(at.dk, axis, stride); });
    }
  }
  // heads of 3 numbers, rows of 12
  require_refused(by::forward, {"output out", "stride 2", "share"},
                  [](views& at) { at.out = restrided(at.out, 1, 2); });
  require_refused(by::forward, {"output out", "stride 11", "share"},
                  [](views& at) { at.out = restrided(at.out, 2, 11); });
  require_refused(by::backward, {"output dq", "stride 1", "share"}, [](views& at) { at.dq = restrided(at.dq, 0, 1); });
}

TEST_CASE("outputs that overlap inputs or each other are refused", "[unit][errors]") {
  require_refused(by::forward, {"output out overlaps q"},
                  [](views& at) { at.out = moved(at.out, at.q.data_handle()); });
  require_refused(by::forward, {"output out overlaps k"},
                  [](views& at) { at.out = moved(at.out, at.k.data_handle() + 5); });
  require_refused(by::forward, {"output out overlaps v"},
                  [](views& at) { at.v = moved(at.v, at.out.data_handle() + 1); });
  require_refused(by::backward, {"output dq overlaps q"}, [](views& at) { at.dq = moved(at.dq, at.q.data_handle()); });
  require_refused(by::backward, {"output dk overlaps k"}, [](views& at) { at.dk = moved(at.dk, at.k.data_handle()); });
  require_refused(by::backward, {"output dv overlaps v"}, [](views& at) { at.dv = moved(at.dv, at.v.data_handle()); });
  require_refused(by::backward, {"output dv overlaps dout"},
                  [](views& at) { at.dv = moved(at.dv, at.dout.data_handle()); });
  require_refused(by::backward, {"dq", "dk", "overlaps"}, [](views& at) { at.dq = moved(at.dq, at.dk.data_handle()); });
  require_refused(by::backward, {"dk", "dv", "overlaps"}, [](views& at) { at.dv = moved(at.dv, at.dk.data_handle()); });
  require_refused(by::backward, {"dq", "dv", "overlaps"},
                  [](views& at) { at.dv = moved(at.dv, at.dq.data_handle() + 3); });
}

TEST_CASE("an overlap of an output and an input with equal strides is detected", "[unit][errors]") {
  index_t const heads = 2, length = 6, dim = 4, row = heads * dim;
  std::vector<float> memory(static_cast<std::size_t>((length + 2) * row), 1.0f), apart(1000), before = memory;
  sizes const extents{1, heads, length, dim}, strides{(length + 1) * row, dim, row, 1};
  auto const q = basin::strided(memory.data(), extents, strides);
  auto const k = basin::strided(apart.data(), extents, strides),
             v = basin::strided(apart.data() + 500, extents, strides);
  SECTION("head 0 of the output is head 1 of q") {
    auto const out = basin::strided(memory.data() + dim, extents, strides);
    CHECK_THROWS_AS(basin::cpu::forward(basin::attention<>{}, q, k, v, out), basin::shape_error);
  }
  SECTION("the gradient of a single key head lies in the second query head") {
    auto const one_head = [&](float* at) { return basin::strided(at, sizes{1, 1, length, dim}, strides); };
    auto const dq = basin::strided(apart.data() + 200, extents, strides),
               dout = basin::strided(apart.data() + 300, extents, strides);
    CHECK_THROWS_AS(basin::cpu::backward(basin::attention<>{}, q, one_head(apart.data()), one_head(apart.data() + 500),
                                         dout, dq, one_head(memory.data() + dim), one_head(apart.data() + 700)),
                    basin::shape_error);
  }
  SECTION("an output of a single row lies in a row of k") {
    auto const single = basin::strided(apart.data(), sizes{1, 1, 1, dim}, sizes{1000, 1000, 1000, 1});
    auto const keys = basin::strided(memory.data(), sizes{1, 1, length, dim}, strides);
    auto const out = basin::strided(memory.data() + 2 * row, sizes{1, 1, 1, dim}, sizes{1000, 1000, 1000, 1});
    CHECK_THROWS_AS(basin::cpu::forward(basin::attention<>{}, single, keys, keys, out), basin::shape_error);
  }
  CHECK(memory == before);
}

TEST_CASE("an output that overlaps an input with negative strides is refused", "[unit][errors]") {
  std::vector<float> memory(64, 1.0f), apart(64, 1.0f);
  auto const q = basin::strided(memory.data() + 31, sizes{1, 1, 4, 8}, sizes{-32, -32, -8, -1});
  auto const k = basin::contiguous(apart.data(), 1, 1, 4, 8);
  auto const inside = basin::contiguous(memory.data(), 1, 1, 4, 7),
             behind = basin::contiguous(memory.data() + 32, 1, 1, 4, 8);
  CHECK_THROWS_AS(basin::cpu::forward(basin::attention<>{}, q, k, basin::contiguous(apart.data(), 1, 1, 4, 7), inside),
                  basin::shape_error);
  CHECK(memory == std::vector<float>(64, 1.0f));
  CHECK_NOTHROW(basin::cpu::forward(basin::attention<>{}, q, k, k, behind));
}

TEST_CASE("an axis of one element may have any stride, in outputs as in inputs", "[unit][errors]") {
  std::vector<float> memory(200, 1.0f);
  for (index_t const stride : {index_t{0}, index_t{-5}, index_t{1}, index_t{100000}}) {
    auto const at = [&](index_t first, index_t length) {
      return basin::strided(memory.data() + first, sizes{1, 1, length, 4}, sizes{stride, stride, 4, 1});
    };
    CAPTURE(stride);
    CHECK_NOTHROW(basin::cpu::forward(basin::attention<>{}, at(0, 3), at(20, 5), at(40, 5), at(60, 3)));
    CHECK_NOTHROW(basin::cpu::backward(basin::attention<>{}, at(0, 3), at(20, 5), at(40, 5), at(60, 3), at(80, 3),
                                       at(100, 5), at(120, 5)));
  }
}

TEST_CASE("q, k, v and out may interleave in one buffer", "[unit][errors]") {
  index_t const length = 7, heads = 2, dim = 4, row = 4 * heads * dim;
  std::vector<float> packed(static_cast<std::size_t>(length * row), 0.5f);
  auto const part = [&](int n) {
    return basin::strided(packed.data() + n * heads * dim, sizes{1, heads, length, dim},
                          sizes{length * row, dim, row, 1});
  };
  REQUIRE_NOTHROW(basin::cpu::forward(basin::attention<>{}, part(0), part(1), part(2), part(3)));
  for (index_t i = 0; i < length; ++i)
    for (index_t d = 0; d < row; ++d)
      REQUIRE(packed[static_cast<std::size_t>(i * row + d)] == 0.5f);  // the mean of 0.5s
}

TEST_CASE("a normalizer refuses parameters out of range, with the value in the message", "[unit][errors]") {
  for (double const temperature : {0.0, -1.0, nan, inf}) {
    CAPTURE(temperature);
    require_value_refused(basin::softmax{temperature},
                          {"softmax", "temperature is " + basin::message(temperature), "positive"});
    require_value_refused(basin::length_scaled<basin::softmax>{{temperature}, {}}, {"softmax", "temperature"});
  }
  for (int const k : {0, -3}) {
    require_value_refused(basin::top_k{k}, {"top_k", "k is " + std::to_string(k), "at least one"});
    require_value_refused(basin::length_scaled<basin::top_k>{{k}, {}}, {"top_k", "k is"});
  }
  for (double const s : {0.0, -0.43, nan, inf})
    require_value_refused(basin::length_scaled<basin::softmax>{{}, {s}}, {"ssmax", "s is"});
  for (double const n : {1.0, 0.0, -5.0, nan})
    require_value_refused(basin::length_scaled<basin::sparsemax, basin::log_n>{{}, {n}}, {"log_n", "trained"});
}

TEST_CASE("a temperature whose inverse overflows single precision is refused or gives finite outputs",
          "[unit][errors]") {
  call<float> c(good);
  for (double const temperature : {1e-40, 1e-300, 1e38}) {
    CAPTURE(temperature);
    try {
      basin::cpu::forward(basin::attention<>{}.with(basin::softmax{temperature}), c.q.v, c.k.v, c.v.v, c.out.v);
      CHECK(std::isfinite(largest(c.out)));
      c.out.each([](float& x, auto...) { REQUIRE(std::isfinite(x)); });
    } catch (basin::value_error const&) {
    }
  }
}

TEST_CASE("observers and pruners whose shape does not match the call are refused by name", "[unit][errors]") {
  std::vector<double> memory(2 * 4 * 9);
  std::vector<std::uint8_t> bytes(2 * 4 * 9);
  auto const doubles = [&](index_t b, index_t h, index_t n) { return basin::contiguous(memory.data(), b, h, n); };
  auto const sets = [&](index_t b, index_t h, index_t n) {
    return basin::contiguous(std::as_const(bytes).data(), b, h, n);
  };
  auto const use = basin::attention<>{};
  auto const nothing = [](views&) {};
  auto const forward_refuses = [&](auto const& observed, std::vector<std::string> const& words) {
    call<float> c(good);
    std::string said;
    for (int engine = 0; engine < 3; ++engine) try {
        said.clear();
        if (engine == 0) basin::reference::forward(observed, c.q.v, c.k.v, c.v.v, c.out.v);
        if (engine == 1) basin::cpu::forward(observed, c.q.v, c.k.v, c.v.v, c.out.v);
        if (engine == 2) basin::cpu::decode(observed, c.q.v, c.k.v, c.v.v, c.out.v);
        CHECK(engine < 0);                                       // not reached: the engine throws
      } catch (basin::shape_error const& e) {
        said = e.what();
        for (auto const& word : words) CHECK(said.find(word) != std::string::npos);
        CHECK(c.out.untouched());
      }
  };
  forward_refuses(use.with(basin::received_attention{}), {"received_attention"});
  forward_refuses(use.with(basin::received_attention{doubles(2, 2, 9)}),
                  {"received_attention", "[2, 2, 9]", "[2, 4, 9]"});
  forward_refuses(use.with(basin::received_attention{doubles(2, 4, 5)}), {"received_attention", "[2, 4, 5]"});
  forward_refuses(use.with(basin::entropy{doubles(2, 4, 9)}), {"entropy", "[2, 4, 9]", "[2, 4, 5]"});
  forward_refuses(use.with(basin::entropy{doubles(2, 2, 5)}), {"entropy", "[2, 2, 5]", "[2, 4, 5]"});
  double* const nowhere = nullptr;
  forward_refuses(use.with(basin::entropy{basin::contiguous(nowhere, 2, 4, 5)}), {"entropy"});
  forward_refuses(use.with(basin::received_attention{basin::contiguous(nowhere, 2, 4, 9)}), {"received_attention"});
  forward_refuses(use.with(basin::received_attention{doubles(1, 4, 9)}), {"received_attention", "[1, 4, 9]"});
  forward_refuses(use.with(basin::max_weight{doubles(1, 4, 5)}), {"max_weight", "[1, 4, 5]"});
  forward_refuses(use.with(basin::together(basin::entropy{doubles(2, 4, 5)}, basin::max_weight{})), {"max_weight"});
  for (auto const& dropped : {sets(1, 4, 9), sets(2, 2, 9), sets(2, 4, 8), basin::view<std::uint8_t const, 3>{},
                             basin::contiguous(static_cast<std::uint8_t const*>(nullptr), 2, 4, 9)})
    require_refused(by::all, {"drop_keys", "[2, 4, 9]"}, nothing, use.with(basin::drop_keys{dropped}));
  std::vector<std::uint8_t> longer(2 * 4 * 30);
  CHECK_NOTHROW(basin::validate(basin::drop_keys{basin::contiguous(std::as_const(longer).data(), 2, 4, 30)}, good));
}

TEST_CASE("an output that extends from its part of a packed row into the next row is refused", "[unit][errors]") {
  index_t const length = 7, row = 16;
  std::vector<float> packed(static_cast<std::size_t>((length + 1) * row), 0.5f),
      values(static_cast<std::size_t>(length * 6), 0.5f);
  auto const part = [&](index_t first, index_t dim) {
    return basin::strided(packed.data() + first, sizes{1, 1, length, dim}, sizes{length * row, row, row, 1});
  };
  auto const v = basin::contiguous(values.data(), 1, 1, length, 6);
  CHECK_THROWS_AS(basin::cpu::forward(basin::attention<>{}, part(0, 4), part(4, 4), v, part(12, 6)),
                  basin::shape_error);
  CHECK_NOTHROW(basin::cpu::forward(basin::attention<>{}, part(0, 4), part(4, 4), v, part(10, 6)));
}

TEST_CASE("an observer's memory with overlapping or negative strides is refused", "[unit][errors]") {
  std::vector<double> memory(2 * 4 * 9);
  using three = std::array<index_t, 3>;
  auto const use = basin::attention<>{};
  call<float> c(good);
  auto const run = [&](auto const& observer) { basin::cpu::forward(use.with(observer), c.q.v, c.k.v, c.v.v, c.out.v); };
  CHECK_THROWS_AS(run(basin::received_attention{basin::strided(memory.data(), three{2, 4, 9}, three{36, 0, 1})}),
                  basin::shape_error);
  CHECK_THROWS_AS(run(basin::received_attention{basin::strided(memory.data(), three{2, 4, 9}, three{36, 5, 1})}),
                  basin::shape_error);
  CHECK_THROWS_AS(run(basin::entropy{basin::strided(memory.data(), three{2, 4, 5}, three{20, 5, 0})}),
                  basin::shape_error);
  CHECK_THROWS_AS(run(basin::max_weight{basin::strided(memory.data() + 39, three{2, 4, 5}, three{-20, -5, -1})}),
                  basin::shape_error);
  CHECK(c.out.untouched());
}

TEST_CASE("a tuning out of range is refused by every host entry that takes one", "[unit][errors]") {
  basin::cpu::tuning const bad[] = {{.keys_per_block = -1}, {.keys_per_step = 0}, {.panels_together = 0},
                                    {.panel_bytes = 0},     {.kept_bytes = 0},    {.tasks = 0}};
  for (auto const& cut : bad) {
    call<float> c(good);
    CHECK_THROWS_AS(basin::cpu::forward(basin::attention<>{}, c.q.v, c.k.v, c.v.v, c.out.v, cut), basin::value_error);
    CHECK_THROWS_AS(basin::cpu::decode(basin::attention<>{}, c.q.v, c.k.v, c.v.v, c.out.v, cut), basin::value_error);
    CHECK_THROWS_AS(
        basin::cpu::backward(basin::attention<>{}, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v, cut),
        basin::value_error);
    CHECK((c.out.untouched() && c.dq.untouched() && c.dk.untouched() && c.dv.untouched()));
  }
}

}  // namespace basin_test

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers validate() of every file of mask/, prune/, score/ and observe/: invalid policies are refused with a clear
// message, and nothing is written.
#include "basin/observe/active_set_size.hpp"
#include "basin/observe/block_mass.hpp"
#include "basin/observe/log_sum_exp.hpp"
#include "basin/observe/mean_received_attention.hpp"
#include "basin/observe/top_mass.hpp"
#include "support/calls.hpp"
#include "support/catalogue.hpp"

namespace basin_test {

namespace {

shape const good{2, 4, 2, 5, 9, 8, 3, layout::length_first, layout::length_first};

enum class fault { shape, value };

/// `run` must throw this kind of error, with all `words` in its message.
template <class Run>
void require_thrown(fault kind, std::vector<std::string> const& words, Run&& run) {
  std::string said;
  bool as_expected = false;
  try {
    run();
  } catch (basin::shape_error const& e) {
    said = e.what(), as_expected = kind == fault::shape;
  } catch (basin::value_error const& e) {
    said = e.what(), as_expected = kind == fault::value;
  }
  INFO("threw: " << said);
  CHECK(as_expected);
  for (auto const& word : words) {
    CAPTURE(word);
    CHECK(said.find(word) != std::string::npos);
  }
}

/// Every engine must refuse these policies and leave all outputs unchanged.
void require_refused(fault kind, std::vector<std::string> const& words, any_mask const& mask,
                     any_pruner const& prune = {}, any_scorer const& score = {}) {
  auto const use = basin::attention<>{}.with(mask).with(prune).with(score);
  call<float> c(good);
  require_thrown(kind, words, [&] { basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v); });
  require_thrown(kind, words, [&] { basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v); });
  require_thrown(kind, words, [&] { basin::cpu::decode(use, c.q.v, c.k.v, c.v.v, c.out.v); });
  require_thrown(kind, words,
                 [&] { basin::reference::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v); });
  require_thrown(kind, words,
                 [&] { basin::cpu::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v); });
  for (auto const output : {&call<float>::out, &call<float>::dq, &call<float>::dk, &call<float>::dv})
    CHECK((c.*output).untouched());
}

void require_refused(fault kind, std::vector<std::string> const& words, any_pruner const& prune) {
  require_refused(kind, words, {}, prune);
}
void require_refused(fault kind, std::vector<std::string> const& words, any_scorer const& score) {
  require_refused(kind, words, {}, {}, score);
}

template <class Observer>
void require_unwatched(fault kind, std::vector<std::string> const& words, Observer const& o) {
  require_thrown(kind, words, [&] { basin::validate(basin::attention<>{}.with(o), good); });
  require_thrown(kind, words, [&] { basin::validate(basin::attention<>{}.with(basin::together(o)), good); });
}

}  // namespace

TEST_CASE("a mask refuses parameters out of range, with the value in the message", "[unit][errors]") {
  require_refused(fault::value, {"sliding_window", "left is -1", "at least 0"}, any_mask{basin::sliding_window{-1, 0}});
  require_refused(fault::value, {"sliding_window", "right is -5", "at least 0"},
                  any_mask{basin::sliding_window{3, -5}});
  require_refused(fault::value, {"prefix", "length is -2", "at least 0"}, any_mask{basin::prefix{-2}});
  require_refused(fault::value, {"block_causal", "block is 0", "at least 1"}, any_mask{basin::block_causal{0}});
  require_refused(fault::value, {"doubled_block_causal", "block is -1", "at least 1"},
                  any_mask{basin::doubled_block_causal{-1, 4}});
  require_refused(fault::value, {"doubled_block_causal", "length is 0", "at least 1"},
                  any_mask{basin::doubled_block_causal{2, 0}});
  require_refused(fault::shape, {"doubled_block_causal", "9 keys", "length is 4", "each of that length"},
                  any_mask{basin::doubled_block_causal{2, 4}});
}

TEST_CASE("a mask refuses lists whose shape does not match the call", "[unit][errors]") {
  std::int32_t const numbers[40] = {};
  std::int32_t const* const nowhere = nullptr;
  require_refused(fault::shape, {"key_padding", "3 lengths", "batch 2"},
                  any_mask{basin::key_padding{basin::contiguous(numbers, 3)}});
  require_refused(fault::shape, {"key_padding", "0 lengths"}, any_mask{basin::key_padding{}});
  require_refused(fault::shape, {"key_padding", "0 lengths"},
                  any_mask{basin::key_padding{basin::contiguous(nowhere, 2)}});
  require_refused(fault::shape, {"documents", "[2, 8]", "[2, 9]"},
                  any_mask{basin::documents{basin::contiguous(numbers, 2, 8)}});
  require_refused(fault::shape, {"documents", "[1, 9]", "[2, 9]"},
                  any_mask{basin::documents{basin::contiguous(numbers, 1, 9)}});
  require_refused(fault::shape, {"documents", "[2, 9]"}, any_mask{basin::documents{basin::contiguous(nowhere, 2, 9)}});
  require_refused(fault::shape, {"document_starts", "[1, 4]", "batch 2"},
                  any_mask{basin::document_starts{basin::contiguous(numbers, 1, 4)}});
  require_refused(fault::shape, {"document_starts", "[2, 1]"},
                  any_mask{basin::document_starts{basin::contiguous(numbers, 2, 1)}});
  require_refused(fault::shape, {"document_starts"},
                  any_mask{basin::document_starts{basin::contiguous(nowhere, 2, 4)}});
  require_refused(fault::shape, {"key_padding", "3 lengths"},
                  any_mask{basin::all_of(basin::key_padding{basin::contiguous(numbers, 3)}, basin::causal{})});
  CHECK_NOTHROW(basin::validate(basin::documents{basin::contiguous(numbers, 2, 20)}, good));
}

TEST_CASE("a pruner refuses parameters out of range and sets whose shape does not match the call", "[unit][errors]") {
  std::uint8_t const bytes[200] = {};
  std::uint8_t const* const nowhere = nullptr;
  require_refused(fault::value, {"window_with_sinks", "sinks is -1"}, any_pruner{basin::window_with_sinks{-1, 5, 0}});
  require_refused(fault::value, {"window_with_sinks", "recent is 0", "its own key"},
                  any_pruner{basin::window_with_sinks{4, 0, 0}});
  require_refused(fault::value, {"window_with_sinks", "ahead is -2"}, any_pruner{basin::window_with_sinks{4, 5, -2}});
  require_refused(fault::value, {"score_floor", "least is nan"},
                  any_pruner{basin::score_floor{static_cast<float>(nan)}});
  require_refused(fault::value, {"score_floor", "least is inf"},
                  any_pruner{basin::score_floor{std::numeric_limits<float>::infinity()}});
  require_refused(fault::value, {"block_sparse", "block is 0"},
                  any_pruner{basin::block_sparse{basin::contiguous(bytes, 2, 4, 3, 3), 0}});
  require_refused(fault::value, {"heavy_hitters", "recent is -1"},
                  any_pruner{basin::heavy_hitters{basin::contiguous(bytes, 2, 4, 9), -1}});
  require_refused(fault::value, {"window_with_sinks", "recent"},
                  any_pruner{basin::all_of(basin::window_with_sinks{4, 0, 0}, basin::score_floor{})});
  for (auto const& set : {basin::contiguous(bytes, 1, 4, 9), basin::contiguous(bytes, 2, 2, 9),
                          basin::contiguous(bytes, 2, 4, 8), basin::contiguous(nowhere, 2, 4, 9)}) {
    require_refused(fault::shape, {"keep_keys", "[2, 4, 9]"}, any_pruner{basin::keep_keys{set}});
    require_refused(fault::shape, {"heavy_hitters", "[2, 4, 9]"}, any_pruner{basin::heavy_hitters{set, 3}});
  }
  for (auto const& set : {basin::contiguous(bytes, 1, 4, 3, 3), basin::contiguous(bytes, 2, 3, 3, 3),
                          basin::contiguous(bytes, 2, 4, 2, 3), basin::contiguous(bytes, 2, 4, 3, 2),
                          basin::contiguous(nowhere, 2, 4, 3, 3)})
    require_refused(fault::shape, {"block_sparse", "[2, 4, 3, 3]", "blocks of 4"},
                    any_pruner{basin::block_sparse{set, 4}});
}

TEST_CASE("a score function refuses parameters out of range and slopes whose number is not that of the heads",
          "[unit][errors]") {
  for (double const cap : {0.0, -1.0, nan, inf})
    require_refused(fault::value, {"soft_cap", "cap is " + basin::message(static_cast<float>(cap)), "positive"},
                    any_scorer{basin::soft_cap{static_cast<float>(cap)}});
  for (float const scale : {static_cast<float>(nan), static_cast<float>(inf), -static_cast<float>(inf)}) {
    require_refused(fault::value, {"basin::scaled", "scale is " + basin::message(scale), "finite"},
                    any_scorer{basin::scaled{scale}});
    require_refused(fault::value, {"soft_cap", "scale is " + basin::message(scale), "finite"},
                    any_scorer{basin::soft_cap{50, scale}});
  }
  float const slopes[8] = {};
  require_refused(fault::shape, {"alibi", "3 slopes", "4 query heads"},
                  any_scorer{basin::alibi<basin::scaled>{basin::contiguous(slopes, 3), {}}});
  require_refused(fault::shape, {"alibi", "0 slopes"}, any_scorer{basin::alibi<basin::scaled>{}});
  require_refused(fault::value, {"soft_cap", "cap is 0"},
                  any_scorer{basin::alibi<basin::soft_cap>{basin::contiguous(slopes, 4), {0.0f}}});
}

TEST_CASE("with() refuses to drop the numbers of a policy, and replace() exchanges them", "[unit][errors]") {
  auto const warm = basin::attention<>{}.with(basin::softmax{0.5f});
  CHECK_THROWS_AS(warm.with(basin::top_k{4}), basin::value_error);
  CHECK_THROWS_AS(basin::attention<>{}.with(basin::scaled{2.0f}).with(basin::soft_cap{30.0f}), basin::value_error);
  CHECK(warm.replace(basin::top_k{4}).normalize.k == 4);
}

TEST_CASE("every engine of the host checks the numbers that a policy points to", "[unit][errors]") {
  for (std::int32_t const bad : {-3, 10, 99}) {
    std::int32_t const lengths[] = {9, bad};
    require_refused(fault::value,
                    {"key_padding", "batch element 1", basin::message("is ", bad), "from 0 to the 9 keys"},
                    any_mask{basin::key_padding{basin::contiguous(lengths, 2)}});
    require_refused(fault::value, {"key_padding", basin::message("is ", bad)},
                    any_mask{basin::all_of(basin::key_padding{basin::contiguous(lengths, 2)}, basin::causal{})});
  }
  std::int32_t const starts[] = {0, 4, 9, 0, 7, 6};
  require_refused(fault::value,
                  {"document_starts", "start 2 of batch element 1 is 6", "follows 7", "must not decrease"},
                  any_mask{basin::document_starts{basin::contiguous(starts, 2, 3)}});
  for (float const bad : {static_cast<float>(nan), static_cast<float>(inf), -static_cast<float>(inf)}) {
    float const slopes[] = {0.5f, 0.25f, bad, 0.1f};
    auto const of_heads = basin::contiguous(slopes, 4);
    require_refused(fault::value, {"alibi", "slope of head 2 is " + basin::message(bad), "finite"},
                    any_scorer{basin::alibi<basin::scaled>{of_heads, {}}});
    require_refused(fault::value, {"soft_cap", "scale is"},
                    any_scorer{basin::alibi<basin::soft_cap>{of_heads, {1.0f, bad}}});
  }
}

TEST_CASE("an observer refuses parameters out of range and memory whose shape does not match the call",
          "[unit][errors]") {
  std::vector<double> memory(2 * 4 * 9 * 9);
  auto const of = [&](index_t b, index_t h, index_t n) { return basin::contiguous(memory.data(), b, h, n); };
  auto const shared = basin::strided(memory.data(), std::array<index_t, 3>{2, 4, 5}, std::array<index_t, 3>{20, 5, 0});
  require_unwatched(fault::shape, {"mean_received_attention", "[2, 4, 5]", "[2, 4, 9]"},
                    basin::mean_received_attention{of(2, 4, 5)});
  require_unwatched(fault::shape, {"mean_received_attention"}, basin::mean_received_attention{});
  require_unwatched(fault::shape, {"log_sum_exp", "[2, 4, 9]", "[2, 4, 5]"}, basin::log_sum_exp{of(2, 4, 9)});
  auto const overlapping =
      basin::strided(memory.data(), std::array<index_t, 3>{2, 4, 5}, std::array<index_t, 3>{20, 4, 1});
  require_unwatched(fault::shape, {"log_sum_exp", "share"}, basin::log_sum_exp{overlapping});
  require_unwatched(fault::shape, {"top_mass", "[1, 4, 5]"}, basin::top_mass{of(1, 4, 5), 3});
  require_unwatched(fault::shape, {"top_mass", "stride 0"}, basin::top_mass{shared, 3});
  require_unwatched(fault::value, {"top_mass", "largest is 0", "at least one"}, basin::top_mass{of(2, 4, 5), 0});
  require_unwatched(fault::shape, {"active_set_size", "[2, 2, 5]"}, basin::active_set_size{of(2, 2, 5)});
  require_unwatched(fault::value, {"active_set_size", "above is nan"}, basin::active_set_size{of(2, 4, 5), nan});
  require_unwatched(fault::value, {"block_mass", "block is 0"},
                    basin::block_mass{basin::contiguous(memory.data(), 2, 4, 5, 3), 0});
  require_unwatched(fault::shape, {"block_mass", "[2, 4, 5, 2]", "[2, 4, 5, 3]"},
                    basin::block_mass{basin::contiguous(memory.data(), 2, 4, 5, 2), 4});
  require_unwatched(fault::shape, {"block_mass", "[2, 4, 9, 3]"},
                    basin::block_mass{basin::contiguous(memory.data(), 2, 4, 9, 3), 4});
  require_unwatched(fault::shape, {"block_mass"}, basin::block_mass{});
}

TEST_CASE("the policies inside a policy are validated, and their views are listed", "[unit][errors]") {
  auto const nested = [](index_t block) {
    return basin::all_of(basin::causal{}, basin::all_of(basin::block_causal{block}));
  };
  CHECK_NOTHROW(basin::validate(nested(1)));
  CHECK_THROWS_AS(basin::validate(nested(0)), basin::value_error);
  std::vector<std::string> listed;
  basin::for_each_view(basin::alibi<basin::alibi<basin::scaled>>{},
                       [&](char const*, char const* name, auto const&) { listed.emplace_back(name); });
  basin::for_each_view(basin::together(basin::entropy{}, basin::together(basin::received_attention{})),
                       [&](char const*, char const* name, auto const&) { listed.emplace_back(name); });
  CHECK(listed == std::vector<std::string>{"slopes", "slopes", "nats", "sums"});
}

}  // namespace basin_test

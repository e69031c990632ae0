// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers footprint and overlap of core/problem.hpp and check_policies of attention.hpp: memory that a policy points to
// may not overlap memory that a call writes.
#include <functional>

#include "basin/normalize/entmax.hpp"
#include "basin/normalize/law/asentmax.hpp"
#include "basin/normalize/law/learned_ssmax.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/sink_logit.hpp"
#include "basin/observe/active_set_size.hpp"
#include "basin/observe/block_mass.hpp"
#include "basin/observe/log_sum_exp.hpp"
#include "basin/observe/mean_received_attention.hpp"
#include "basin/observe/top_mass.hpp"
#include "support/calls.hpp"
#include "support/catalogue.hpp"

namespace basin_test {

namespace {

shape const good{1, 2, 2, 5, 6, 4, 4};

/// Every engine must refuse the call, with all `words` in the message, before anything is written.
template <class Use>
void require_refused(std::vector<std::string> const& words, std::function<Use(call<float>&)> const& make) {
  for (int engine = 0; engine < 3; ++engine) {
    call<float> c(good);
    Use const use = make(c);
    std::string said;
    try {
      if (engine == 0) basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
      if (engine == 1) basin::cpu::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
      if (engine == 2) basin::cpu::decode(use, c.q.v, c.k.v, c.v.v, c.out.v);
    } catch (basin::shape_error const& e) {
      said = e.what();
    }
    for (auto const& word : words) {
      CAPTURE(engine, said, word);
      CHECK(said.find(word) != std::string::npos);
    }
    CHECK(c.out.untouched());
  }
}

double* as_doubles(float* memory) {
  return reinterpret_cast<double*>((reinterpret_cast<std::uintptr_t>(memory) + 7) / 8 * 8);
}

}  // namespace

TEST_CASE("an observer's memory that overlaps a tensor of the call is refused by name", "[unit][errors]") {
  using attention_type = decltype(basin::attention<>{}.with(basin::entropy{}));
  auto const inside = [](auto tensor) {
    return [tensor](call<float>& c) {
      return basin::attention<>{}.with(
          basin::entropy{basin::contiguous(as_doubles((c.*tensor).v.data_handle()), 1, 2, 5)});
    };
  };
  require_refused<attention_type>({"output nats of basin::entropy overlaps out", "memory of its own"},
                                  inside(&call<float>::out));
  require_refused<attention_type>({"output nats of basin::entropy overlaps q"}, inside(&call<float>::q));
  require_refused<attention_type>({"output nats of basin::entropy overlaps k"}, inside(&call<float>::k));
  require_refused<attention_type>({"output nats of basin::entropy overlaps v"}, inside(&call<float>::v));
}

TEST_CASE("two observers whose memory overlaps are refused, and two that interleave are not", "[unit][errors]") {
  std::vector<double> memory(20);
  auto const both = [&](index_t stride, index_t apart) {
    auto const at = [&](index_t first) {
      return basin::strided(memory.data() + first, std::array<index_t, 3>{1, 2, 5},
                            std::array<index_t, 3>{10 * stride, 5 * stride, stride});
    };
    return basin::attention<>{}.with(basin::together(basin::entropy{at(0)}, basin::max_weight{at(apart)}));
  };
  using attention_type = decltype(both(1, 0));
  require_refused<attention_type>({"output weights of basin::max_weight overlaps nats of basin::entropy"},
                                  [&](auto&) { return both(1, 0); });
  require_refused<attention_type>({"output weights of basin::max_weight overlaps nats of basin::entropy"},
                                  [&](auto&) { return both(1, 9); });
  call<float> c(good);
  CHECK_NOTHROW(basin::cpu::forward(both(1, 10), c.q.v, c.k.v, c.v.v, c.out.v));
  CHECK_NOTHROW(basin::cpu::forward(both(2, 1), c.q.v, c.k.v, c.v.v, c.out.v));
}

TEST_CASE("a view that a policy reads may not overlap an output", "[unit][errors]") {
  using pruned = decltype(basin::attention<>{}.with(any_mask{}).with(any_pruner{}).with(any_scorer{}));
  auto const bytes = [](call<float>& c) { return reinterpret_cast<std::uint8_t const*>(c.out.v.data_handle()); };
  auto const with = [](any_mask const& m, any_pruner const& p, any_scorer const& s) {
    return basin::attention<>{}.with(m).with(p).with(s);
  };
  require_refused<pruned>({"output out overlaps kept of basin::keep_keys"}, [&](auto& c) {
    return with({}, {basin::keep_keys{basin::contiguous(bytes(c), 1, 2, 6)}}, {});
  });
  require_refused<pruned>({"output out overlaps blocks of basin::block_sparse"}, [&](auto& c) {
    return with({}, {basin::block_sparse{basin::contiguous(bytes(c), 1, 2, 3, 3), 2}}, {});
  });
  require_refused<pruned>({"output out overlaps slopes of basin::alibi"}, [&](auto& c) {
    return with({}, {}, {basin::alibi<basin::scaled>{basin::contiguous(std::as_const(c.out).v.data_handle(), 2), {}}});
  });
}

TEST_CASE("every view that a policy holds is checked against the outputs of a call", "[unit][errors]") {
  std::vector<double> memory(400);
  basin::problem const p{1, 2, 2, 5, 6, 4, 4};
  auto const out = basin::contiguous(reinterpret_cast<float*>(memory.data()), 1, 2, 5, 4);
  std::vector<float> apart(200);
  auto const in = [&](index_t length) { return basin::contiguous(std::as_const(apart).data(), 1, 2, length, 4); };
  auto const tensors = basin::operands_of_forward(in(5), in(6), in(6), out);
  auto const require_seen = [&](auto const& policy, std::string const& view) {
    CAPTURE(view);
    CHECK_THROWS_WITH(basin::check_policies("engine", basin::attention<>{}.with(policy), p, tensors),
                      ContainsSubstring(view) && ContainsSubstring("overlaps"));
  };
  auto const* const ints = reinterpret_cast<std::int32_t const*>(memory.data());
  auto const bytes = basin::contiguous(reinterpret_cast<std::uint8_t const*>(memory.data()), 1, 2, 6);
  auto const of_heads = basin::contiguous(reinterpret_cast<float const*>(memory.data()), 2);
  auto const rows = basin::contiguous(memory.data(), 1, 2, 5), keys = basin::contiguous(memory.data(), 1, 2, 6);
  basin::parameter_gradients const one{basin::contiguous(memory.data(), 1, 1, 2, 5)},
      two{basin::contiguous(memory.data(), 2, 1, 2, 5)};
  require_seen(basin::key_padding{basin::contiguous(ints, 1)}, "lengths of basin::key_padding");
  require_seen(basin::documents{basin::contiguous(ints, 1, 6)}, "ids of basin::documents");
  require_seen(basin::document_starts{basin::contiguous(ints, 1, 3)}, "starts of basin::document_starts");
  require_seen(basin::drop_keys{bytes}, "dropped of basin::drop_keys");
  require_seen(basin::keep_keys{bytes}, "kept of basin::keep_keys");
  require_seen(basin::heavy_hitters{bytes, 2}, "kept of basin::heavy_hitters");
  require_seen(basin::alibi<basin::soft_cap>{of_heads, {}}, "slopes of basin::alibi");
  require_seen(basin::sink_logit{{0, of_heads}}, "logit of basin::sink_logit");
  require_seen(basin::sink_logit{{}, one}, "gradients of basin::sink_logit");
  require_seen(basin::entmax{{1.5, of_heads}}, "alpha of basin::entmax");
  require_seen(basin::entmax{{1.5}, one}, "gradients of basin::entmax");
  require_seen(basin::length_scaled<basin::softmax, basin::learned_ssmax>{{}, {{0, of_heads}}},
               "s of basin::learned_ssmax");
  require_seen(basin::length_scaled<basin::softmax, basin::learned_ssmax>{{}, {{0.5}, one}},
               "gradients of basin::learned_ssmax");
  require_seen(basin::length_scaled<basin::softmax, basin::asentmax>{{}, {1, {0, of_heads}}},
               "beta of basin::asentmax");
  require_seen(basin::length_scaled<basin::softmax, basin::asentmax>{{}, {1, {0.5}, {0, of_heads}}},
               "gamma of basin::asentmax");
  require_seen(basin::length_scaled<basin::softmax, basin::asentmax>{{}, {1, {0.5}, {0}, two}},
               "gradients of basin::asentmax");
  require_seen(basin::active_set_size{rows}, "counts of basin::active_set_size");
  require_seen(basin::block_mass{basin::contiguous(memory.data(), 1, 2, 5, 3), 2}, "masses of basin::block_mass");
  require_seen(basin::entropy{rows}, "nats of basin::entropy");
  require_seen(basin::log_sum_exp{rows}, "values of basin::log_sum_exp");
  require_seen(basin::max_weight{rows}, "weights of basin::max_weight");
  require_seen(basin::top_mass{rows, 2}, "mass of basin::top_mass");
  require_seen(basin::mean_received_attention{keys}, "means of basin::mean_received_attention");
  require_seen(basin::received_attention{keys}, "sums of basin::received_attention");
}

TEST_CASE("gradients of learned parameters that overlap the gradients of a backward call are refused",
          "[unit][errors]") {
  call<float> c(good);
  basin::parameter_gradients const inside{basin::contiguous(as_doubles(c.dq.v.data_handle()), 1, 1, 2, 5)};
  auto const use = basin::attention<>{}.with(basin::sink_logit{{0.5}, inside});
  auto const run = [&](auto backward) { backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v); };
  CHECK_THROWS_WITH(run([](auto const&... x) { basin::cpu::backward(x...); }),
                    ContainsSubstring("gradients of basin::sink_logit overlaps dq"));
  CHECK_THROWS_WITH(run([](auto const&... x) { basin::reference::backward(x...); }),
                    ContainsSubstring("gradients of basin::sink_logit overlaps dq"));
  CHECK((c.dq.untouched() && c.dk.untouched() && c.dv.untouched()));
}

TEST_CASE("a tensor whose address is not aligned to its elements is refused", "[unit][errors]") {
  call<float> c(good);
  auto const askew = reinterpret_cast<float*>(reinterpret_cast<char*>(c.q.v.data_handle()) + 2);
  auto const q = basin::contiguous(askew, 1, 2, 4, 4);
  CHECK_THROWS_WITH(basin::cpu::forward(basin::attention<>{}, q, c.k.v, c.v.v, c.out.v),
                    ContainsSubstring("q begins 2 bytes past a multiple of 4"));
  CHECK(c.out.untouched());
}

}  // namespace basin_test

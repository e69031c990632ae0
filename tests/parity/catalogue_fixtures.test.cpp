// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers mask/, prune/, score/ and observe/ on every engine against PyTorch (fixtures/make_catalogue.py).
#include <fstream>
#include <nlohmann/json.hpp>

#include "basin/observe/active_set_size.hpp"
#include "basin/observe/block_mass.hpp"
#include "basin/observe/log_sum_exp.hpp"
#include "basin/observe/mean_received_attention.hpp"
#include "basin/observe/top_mass.hpp"
#include "parity/compare.hpp"
#include "support/catalogue.hpp"
#include "support/rows.hpp"

namespace basin_test {

namespace {

using json = nlohmann::json;

/// The numbers of nested lists in order; null is -inf.
template <class T>
std::vector<T> flat(json const& from) {
  std::vector<T> out;
  if (from.is_array())
    for (auto const& part : from)
      for (T const x : flat<T>(part)) out.push_back(x);
  else if constexpr (std::is_same_v<T, double>) out.push_back(from.is_null() ? -inf : from.get<double>());
  else out.push_back(from.get<T>());
  return out;
}

template <class T>
void read(tensor<T> const& to, json const& from) {
  std::size_t n = 0;
  to.each([&](T& x, auto...) { x = static_cast<T>(from.at(n++).get<double>()); });
  REQUIRE(n == from.size());
}

/// The policies of a case and the memory that they point to.
struct policies {
  std::vector<std::int32_t> lengths, ids, starts;
  std::vector<std::uint8_t> bytes, blocks;
  std::vector<float> slopes;
  any_mask mask, other_mask;                                     // the same mask by other means, where there are any
  any_pruner prune;
  any_scorer score;

  explicit policies(json const& j) : slopes(basin::alibi_slopes(3)) {
    auto const list = [&]<class T>(char const* name, std::vector<T>& to) {
      if (j.contains(name)) to = flat<T>(j[name]);
    };
    list("lengths", lengths), list("ids", ids), list("starts", starts), list("bytes", bytes), list("blocks", blocks);
    mask = other_mask = chosen(j);
    if (!starts.empty()) other_mask = {basin::document_starts{basin::contiguous(std::as_const(starts).data(), 2, 5)}};
    choose_pruner(j);
    choose_scorer(j);
  }
  policies(policies const&) = delete;
  policies& operator=(policies const&) = delete;

  any_mask chosen(json const& j) const {
    std::string const kind = j.at("mask");
    basin::key_padding const padded{basin::contiguous(lengths.data(), 2)};
    if (kind == "sliding_window") return {basin::sliding_window{j.at("left"), j.at("right")}};
    if (kind == "prefix") return {basin::prefix{j.at("length")}};
    if (kind == "block_causal") return {basin::block_causal{j.at("block")}};
    if (kind == "doubled_block_causal") return {basin::doubled_block_causal{j.at("block"), 6}};
    if (kind == "key_padding") return {padded};
    if (kind == "padded_causal") return {basin::all_of(padded, basin::causal{})};
    if (kind == "documents") return {basin::documents{basin::contiguous(ids.data(), 2, 12)}};
    REQUIRE(kind == "unmasked");
    return {};
  }
  void choose_pruner(json const& j) {
    std::string const kind = j.value("prune", "keep_all");
    auto const set = basin::contiguous(std::as_const(bytes).data(), 2, 3, 12);
    if (kind == "keep_keys") prune = {basin::keep_keys{set}};
    else if (kind == "window_with_sinks")
      prune = {basin::window_with_sinks{j.at("sinks"), j.at("recent"), j.at("ahead")}};
    else if (kind == "block_sparse")
      prune = {basin::block_sparse{basin::contiguous(std::as_const(blocks).data(), 2, 3, 3, 3), j.at("block")}};
    else if (kind == "heavy_hitters") prune = {basin::heavy_hitters{set, j.at("recent")}};
    else if (kind == "score_floor") prune = {basin::score_floor{j.at("least")}};
    else REQUIRE(kind == "keep_all");
  }
  void choose_scorer(json const& j) {
    std::string const kind = j.value("score", "scaled");
    auto const of_heads = basin::contiguous(std::as_const(slopes).data(), 3);
    if (kind == "soft_cap") score = {basin::soft_cap{j.at("cap"), j.at("scale")}};
    else if (kind == "alibi") score = {basin::alibi<basin::scaled>{of_heads, {}}};
    else if (kind == "alibi_of_soft_cap")
      score = {basin::alibi<basin::soft_cap>{of_heads, {j.at("cap"), j.at("scale")}}};
    else REQUIRE(kind == "scaled");
  }
};

/// The reports of the observers of the catalogue.
struct reports_of_catalogue {
  shape s;
  index_t block, blocks;
  std::vector<double> means, logs, top, active, masses;

  reports_of_catalogue(shape const& at, index_t mass_block)
      : s(at),
        block(mass_block),
        blocks((s.keys + block - 1) / block),
        means(static_cast<std::size_t>(s.batch * s.heads * s.keys), nan),
        logs(static_cast<std::size_t>(s.batch * s.heads * s.queries), nan),
        top(logs.size(), nan),
        active(logs.size(), nan),
        masses(logs.size() * static_cast<std::size_t>(blocks), nan) {}
  auto watch(json const& j) {
    auto const rows = [&](std::vector<double>& in) {
      return basin::contiguous(in.data(), s.batch, s.heads, s.queries);
    };
    return basin::together(
        basin::mean_received_attention{basin::contiguous(means.data(), s.batch, s.heads, s.keys)},
        basin::log_sum_exp{rows(logs)},
        basin::together(basin::top_mass{rows(top), j.at("top")}, basin::active_set_size{rows(active), j.at("above")}),
        basin::block_mass{basin::contiguous(masses.data(), s.batch, s.heads, s.queries, blocks), block});
  }
};

void compare_reports(reports_of_catalogue const& seen, json const& j, call_tolerances const& allowed) {
  double const keys = static_cast<double>(seen.s.keys);
  CHECK(distance(seen.means, flat<double>(j.at("mean_received"))) <= allowed.received);
  // |dL| <= max |ds|, plus the error of a logarithm
  CHECK(distance(seen.logs, flat<double>(j.at("log_sum_exp"))) <= 2 * allowed.max_weight);
  CHECK(distance(seen.top, flat<double>(j.at("top_mass"))) <= keys * allowed.max_weight);
  CHECK(distance(seen.masses, flat<double>(j.at("block_mass"))) <= keys * allowed.max_weight);
  CHECK(seen.active == flat<double>(j.at("active")));            // no weight is within 1e-5 of the threshold
}

template <class T, class Forward, class Backward>
void compare_with_fixture(json const& j, any_mask const& mask, policies const& with, Forward forward,
                          Backward backward) {
  auto const n = flat<index_t>(j.at("shape"));
  shape const s{n[0], n[1], n[2], n[3], n[4], n[5], n[6], layout::length_first, layout::length_first};
  call<T> c(s);
  call<double> exact(s);
  for (auto [to, from] : {std::pair{&c.q, "q"}, {&c.k, "k"}, {&c.v, "v"}, {&c.dout, "dout"}}) read(*to, j.at(from));
  for (auto [to, from] : {std::pair{&exact.out, "out"}, {&exact.dq, "dq"}, {&exact.dk, "dk"}, {&exact.dv, "dv"}})
    read(*to, j.at(from));
  auto const use = basin::attention<>{}.with(mask).with(with.prune).with(with.score);
  reports_of_catalogue seen(s, j.at("mass_block"));
  forward(use.with(seen.watch(j)), c);
  backward(use, c);
  auto m = c.magnitudes();
  m.bend = j.contains("score") ? 3 * m.q_norm * m.k_norm + 12 : 0;  // scales up to 1.5; 12 positions
  m.steep = j.contains("score") ? 3 : 1;                         // scale over 1/sqrt(dim) = 1/2
  auto allowed = tolerances_of<T>(s, m);
  for (double* bound : {&allowed.out, &allowed.dq, &allowed.dk, &allowed.dv, &allowed.received, &allowed.max_weight})
    *bound += 1e-12;
  CHECK(distance(c.out, exact.out) <= allowed.out);
  compare_backward_results(c, exact, allowed);
  compare_reports(seen, j, allowed);
}

template <class T, class Forward, class Backward>
void compare_with_all_fixtures(Forward forward, Backward backward) {
  static json const cases = json::parse(std::ifstream(BASIN_FIXTURES "/catalogue.json"));
  CHECK(cases.size() == 18);
  for (auto const& j : cases) {
    INFO(j.at("mask") << " " << j.value("prune", "") << " " << j.value("score", ""));
    policies const with(j);
    for (any_mask const& mask : {with.mask, with.other_mask}) compare_with_fixture<T>(j, mask, with, forward, backward);
  }
}

inline constexpr auto reference_forward = [](auto const& use, auto& c) {
  basin::reference::forward(use, c.q.v, c.k.v, c.v.v, c.out.v);
};
inline constexpr auto reference_backward = [](auto const& use, auto& c) {
  basin::reference::backward(use, c.q.v, c.k.v, c.v.v, c.dout.v, c.dq.v, c.dk.v, c.dv.v);
};

}  // namespace

TEST_CASE("the reference agrees with PyTorch on the catalogue", "[parity][reference]") {
  compare_with_all_fixtures<double>(reference_forward, reference_backward);
}
TEST_CASE("the cpu engine agrees with PyTorch on the catalogue", "[parity][cpu]") {
  compare_with_all_fixtures<float>(cpu_forward, cpu_backward);
}
TEST_CASE("a stream of key blocks agrees with PyTorch on the catalogue", "[parity][cpu]") {
  compare_with_all_fixtures<float>(cpu_stream, cpu_backward_in_small_cuts);
}
TEST_CASE("decode agrees with PyTorch on the catalogue", "[parity][cpu]") {
  compare_with_all_fixtures<double>(cpu_decode, cpu_backward);
}

}  // namespace basin_test

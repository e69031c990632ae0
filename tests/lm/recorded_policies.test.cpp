// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/recorded_policies.hpp, and how checkpoints and trainers use it

#include <string>
#include <type_traits>

#include "basin/core/error.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/io/recorded_policies.hpp"
#include "basin/lm/training/trainer.hpp"
#include "basin/mask/sliding_window.hpp"
#include "basin/normalize/entmax.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/score/soft_cap.hpp"
#include "hostile.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using basin::attention, basin::causal;
using basin_test::ContainsSubstring;
using basin_test::scratch;

namespace {

/// A normalizer of a user's: softmax, sharper.
struct sharp_softmax : basin::softmax {};

using softmax_model = lm::llama<decltype(attention<>{}.with(causal{}))>;
using sparse = decltype(attention<>{}.with(causal{}).with(basin::entmax15{}));
using chosen = decltype(attention<>{}.with(causal{}).with(basin::top_k{}));
template <class Attention>
using trainer_of = lm::trainer<lm::llama<Attention>, lm::next_token>;

/// Trains a little and leaves a checkpoint in `folder`.
template <class Attention>
void train_into(std::filesystem::path const& folder, lm::run_options const& options, lm::run_data const& data,
                Attention use = {}) {
  trainer_of<Attention> run{options, data, use};
  while (run.steps_done() < options.steps) run.step();
  run.save(folder, "train");
}

}  // namespace

template <>
struct basin::lm::described<sharp_softmax> {
  static constexpr std::string_view name = "sharp_softmax";
  static void numbers(auto& p, auto const& f) { f("temperature", p.temperature); }
};

TEST_CASE("a record names every policy that decides the output, with its numbers", "[unit][checkpoint]") {
  auto const plain = lm::layer_record(attention<>{});
  REQUIRE(
      plain.dump() ==
      R"({"normalizer":{"name":"softmax","temperature":1.0},"mask":{"name":"unmasked"},"pruner":{"name":"keep_all"},)"
      R"("scorer":{"name":"scaled","scale":0.0}})");
  auto const other = lm::layer_record(attention<>{}
                                              .with(basin::top_k{.k = 8})
                                              .with(basin::sliding_window{.left = 3})
                                              .with(basin::soft_cap{.cap = 0.1f}));
  REQUIRE(lm::policy_in_words(other["normalizer"]) == "top_k(k=8)");
  REQUIRE(lm::policy_in_words(other["mask"]) == "sliding_window(left=3, right=0)");
  REQUIRE(lm::policy_in_words(other["scorer"]) == "soft_cap(cap=0.1, scale=0.0)");
  REQUIRE(lm::policy_in_words(lm::record_of(basin::length_scaled<basin::entmax>{})) ==
          "length_scaled(normalizer=entmax(alpha=1.5, learned=true), law=ssmax(s=0.43))");
  REQUIRE(lm::policy_in_words(lm::record_of(sharp_softmax{})) == "sharp_softmax(temperature=1.0)");
}

TEST_CASE("a policy without a name, or with numbers that a checkpoint does not have, is refused when a run begins",
          "[unit][checkpoint]") {
  struct nameless : basin::softmax {};
  STATIC_REQUIRE_FALSE(basin::lm::has_description<nameless>);
  STATIC_REQUIRE(basin::lm::has_description<basin::softmax>);
  float const alphas[] = {1.5f};
  auto const use = attention<>{}.with(causal{}).with(basin::entmax{.alpha = {.values = basin::contiguous(alphas, 1)}});
  auto const options = basin_test::tiny_run();
  lm::run_data const data{options};
  REQUIRE_THROWS_WITH((trainer_of<std::remove_const_t<decltype(use)>>{options, data, use}),
                      ContainsSubstring("entmax has one alpha a head"));
}

TEST_CASE("a model trained with entmax15 is not read back as softmax, and evaluates as before with entmax15",
          "[unit][checkpoint]") {
  scratch const folder;
  std::string words;
  for (int i = 0; words.size() < 2000; ++i) words += "line " + std::to_string(i * i) + "\n";
  lm::write_atomically(folder / "words", lm::bytes_of(words));
  auto options = basin_test::tiny_run();
  options.text = (folder / "words").string();
  options.steps = 20;
  options.learning_rate = 1e-2;
  lm::run_data const data{options};
  train_into<sparse>(folder / "c", options, data);
  auto const words_of_refusal = ContainsSubstring(
      "layer 0 was trained with the normalizer 'entmax15', and would be run with 'softmax(temperature=1.0)'");
  REQUIRE_THROWS_WITH(lm::load_model(folder / "c"), ContainsSubstring("c/model.safetensors") && words_of_refusal);
  REQUIRE_THROWS_WITH(lm::load_training(folder / "c"),
                      ContainsSubstring("c/training.safetensors") && words_of_refusal);
  REQUIRE_THROWS_WITH(lm::restore<softmax_model>(lm::load_model(folder / "c", sparse{})),
                      words_of_refusal);
  auto const saved = lm::load_training(folder / "c", sparse{});
  REQUIRE_THROWS_WITH((lm::trainer<softmax_model, lm::next_token>{options, data, saved}), words_of_refusal);
  auto const figures = trainer_of<sparse>{options, data, saved}.evaluate(lm::short_look);
  auto model = lm::restore<lm::llama<sparse>>(lm::load_model(folder / "c", sparse{}));
  auto const windows = data.validation_windows(lm::short_look.windows);
  int const count = static_cast<int>(windows.size()) / options.length;
  auto const nll = [&](auto& judged) {
    return lm::next_token_nll(judged, windows, count, options.length, lm::begin_id).mean;
  };
  REQUIRE(nll(model) == figures["nll_per_byte"].get<double>());
  softmax_model softmaxed(model.config());
  lm::read_weights(lm::load_model(folder / "c", sparse{}).tensors, softmaxed.parameters());
  REQUIRE(nll(softmaxed) != nll(model));                     // the same weights give another loss with softmax
}

TEST_CASE("numbers of policies are those of the run, and others are refused", "[unit][checkpoint]") {
  scratch const folder;
  auto const options = basin_test::tiny_run();
  lm::run_data const data{options};
  auto const eight = attention<>{}.with(causal{}).with(basin::top_k{.k = 8});
  train_into<chosen>(folder / "c", options, data, eight);
  auto const saved = lm::load_training(folder / "c", eight);
  REQUIRE(saved.config["attention"][0]["normalizer"]["k"] == 8);
  REQUIRE_THROWS_WITH((trainer_of<chosen>{options, data, saved}),
                      ContainsSubstring("'top_k(k=8)', and would be run with 'top_k(k=64)'"));
  trainer_of<chosen> const again{options, data, saved, eight};
  REQUIRE(again.steps_done() == options.steps);
}

TEST_CASE("checkpoints that record no attention are softmax: causal for ar, unmasked for mdlm", "[unit][checkpoint]") {
  scratch const folder;
  basin_test::tiny_model("ar").write(folder / "ar");
  basin_test::tiny_model("mdlm").write(folder / "mdlm");
  auto const ar = lm::load_model(folder / "ar"), mdlm = lm::load_model(folder / "mdlm");
  REQUIRE(lm::trained_attention(ar.config, "x") ==
          lm::attention_record(lm::layer_record(attention<>{}.with(causal{})), 1));
  REQUIRE(lm::trained_attention(mdlm.config, "x") ==
          lm::attention_record(lm::layer_record(attention<>{}), 1));
  REQUIRE_NOTHROW(lm::restore<softmax_model>(ar));
  REQUIRE_NOTHROW(lm::restore<lm::llama<attention<>>>(mdlm));
  REQUIRE_THROWS_WITH(lm::restore<softmax_model>(mdlm),
                      ContainsSubstring("the mask 'unmasked', and would be run with 'causal'"));
}

TEST_CASE("a record that is damaged is refused", "[unit][checkpoint][hostile]") {
  auto const with = [](nlohmann::ordered_json const& record) {
    scratch const folder;
    auto model = basin_test::tiny_model();
    model.config["attention"] = record;
    model.write(folder.path);
    lm::load_model(folder.path);
  };
  auto const layer = lm::layer_record(attention<>{}.with(causal{}));
  REQUIRE_NOTHROW(with(nlohmann::ordered_json::array({layer})));
  auto more = layer, less = layer, unnamed = layer, other = layer, numbers = layer;
  more["gates"] = "elementwise";
  less.erase("pruner");
  unnamed["mask"] = "causal";
  other["normalizer"]["name"] = "sotfmax";
  numbers["normalizer"]["temperature"] = "warm";
  auto const rule = ContainsSubstring(
      "it must be a list of 1 layers, each with the names of its normalizer, mask, pruner and scorer");
  REQUIRE_THROWS_WITH(with(5), rule);
  REQUIRE_THROWS_WITH(with(nlohmann::ordered_json::array()), rule);
  REQUIRE_THROWS_WITH(with(nlohmann::ordered_json::array({layer, layer})), rule);
  for (auto const& damaged : {more, less, unnamed})
    REQUIRE_THROWS_WITH(with(nlohmann::ordered_json::array({damaged})), rule);
  REQUIRE_THROWS_WITH(with(nlohmann::ordered_json::array({other})), ContainsSubstring("'sotfmax(temperature=1.0)'"));
  REQUIRE_THROWS_WITH(with(nlohmann::ordered_json::array({numbers})), ContainsSubstring("temperature=\"warm\""));
}

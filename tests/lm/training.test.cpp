// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/training/ (trainer, run_options, run_data) and lm/evaluation/word_problem_answers.hpp

#include <cmath>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/training/trainer.hpp"
#include "programs/normalizers_by_name.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
namespace programs = basin::programs;
using basin_test::ContainsSubstring;
using basin_test::scratch;

namespace {

lm::registry const& known = programs::normalizers_by_name();

lm::run_options small_run(std::string const& objective) {
  return {.objective = objective,
          .steps = 12,
          .batch = 3,
          .dim = 16,
          .layers = 2,
          .heads = 2,
          .kv_heads = 1,
          .hidden = 24,
          .warmup = 2};
}

template <class Trainer>
std::vector<float> weights(Trainer& run) {
  std::vector<float> all;
  for (auto const& p : run.model().parameters()) all.insert(all.end(), p.values.begin(), p.values.end());
  return all;
}

bool same_bits(std::vector<float> const& a, std::vector<float> const& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

template <class Trainer>
void advance(Trainer& run, int steps) {
  for (int i = 0; i < steps; ++i) run.step();
}

}  // namespace

TEMPLATE_TEST_CASE("a run that is saved and resumed ends with the same bits", "[unit][train]",
                   lm::autoregressive_trainer, lm::diffusion_trainer) {
  scratch const folder;
  auto options = small_run(std::is_same_v<TestType, lm::diffusion_trainer> ? "mdlm" : "ar");
  bool const text = GENERATE(false, true);
  int const cut = GENERATE(1, 6, 11);
  CAPTURE(text, cut);
  if (text) {
    std::string words;
    for (int i = 0; words.size() < 2000; ++i) words += "line " + std::to_string(i * i) + "\n";
    lm::write_atomically(folder / "words", lm::bytes_of(words));
    options.text = (folder / "words").string();
  }
  lm::run_data const data{options};
  TestType whole{options, data, known}, first{options, data, known};
  advance(whole, 12);
  advance(first, cut);
  first.save(folder / "c", "train");
  auto const saved = lm::load_training(folder / "c", programs::normalizers_by_name());
  REQUIRE(lm::options_of(saved.config) == options);
  TestType second{lm::options_of(saved.config), data, saved, known};
  REQUIRE(second.steps_done() == cut);
  advance(second, 12 - cut);
  REQUIRE(same_bits(weights(whole), weights(second)));
  whole.save(folder / "whole", "train");
  second.save(folder / "second", "train");
  for (char const* const name : {"model.safetensors", "training.safetensors", "config.json"})
    REQUIRE(basin_test::text_of(folder / "whole" / name) == basin_test::text_of(folder / "second" / name));
}

TEST_CASE("a run with any normalizer, in layers and heads, resumes with the same bits and its learned numbers",
          "[unit][train]") {
  auto names = known.names();
  for (char const* const more :
       {"sink_logit:learned", "entmax:learned,alpha=1.4", "ssmax:learned", "asentmax:learned",
        "top_k:k=3*log_n:trained=8", "softmax; layer 1: entmax15; layer 0 head 1: sink_logit:learned",
        "entmax15; layer 1: sliding_window:left=20; soft_cap:cap=30; layer 0: alibi; head_gate; layer 1: qk_norm"})
    names.push_back(more);
  for (auto const& name : names) {
    CAPTURE(name);
    scratch const folder;
    auto options = small_run("ar");
    options.layers = 2;
    options.attention = name;
    if (name.find("gate") != std::string::npos) options.norm = "layer_norm", options.mlp = "gelu";
    lm::run_data const data{options};
    lm::autoregressive_trainer whole{options, data, known}, first{options, data, known};
    advance(whole, 6), advance(first, 3);
    first.save(folder / "c", "train");
    auto const saved = lm::load_training(folder / "c", known);
    lm::autoregressive_trainer second{lm::options_of(saved.config), data, saved, known};
    advance(second, 3);
    REQUIRE(same_bits(weights(whole), weights(second)));
    auto const fresh = lm::autoregressive_trainer{options, data, known}.model().parameters();
    auto const trained = whole.model().parameters();
    for (std::size_t p = 0; p < trained.size(); ++p)               // what is learned moves
      if (trained[p].name.find(".attention.") != std::string::npos && trained[p].shape.size() == 1)
        REQUIRE(!same_bits({trained[p].values.begin(), trained[p].values.end()},
                           {fresh[p].values.begin(), fresh[p].values.end()}));
    if (name != "softmax")
      REQUIRE_THROWS_WITH(lm::load_training(folder / "c"), ContainsSubstring("was trained with the normalizer"));
  }
}

TEST_CASE("training lowers the loss, and seeds differ", "[unit][train]") {
  std::string const objective = GENERATE("ar", "mdlm");
  auto options = small_run(objective);
  options.steps = 60, options.learning_rate = 1e-2;
  auto other = options;
  other.seed = 2;
  lm::run_data const data{options};
  auto const losses = [&](auto&& run) {
    double const first = run.step();
    advance(run, 58);
    return std::pair{first, run.step()};
  };
  if (objective == "ar") {
    auto const [first, last] = losses(lm::autoregressive_trainer{options, data, known});
    REQUIRE(std::abs(first - std::log(258.0)) < 0.2);  // fresh weights know nothing: the entropy of 258 ids
    REQUIRE(last < 0.6 * first);
    REQUIRE(losses(lm::autoregressive_trainer{other, data, known}).first != first);
  } else {
    auto const [first, last] = losses(lm::diffusion_trainer{options, data, known});
    REQUIRE(std::abs(first - std::log(258.0)) < 0.2);
    REQUIRE(last < 0.7 * first);
  }
}

TEST_CASE("learned tokens are the answer of a problem and all of a text", "[unit][train]") {
  lm::run_data const problems{small_run("ar")};
  auto const marks = problems.learned(2);
  REQUIRE(marks.size() == 128);
  for (std::size_t i = 0; i < marks.size(); ++i) REQUIRE((marks[i] != 0) == (i % 64 >= 40));
  auto const first = lm::run_data::test_problems(3), again = lm::run_data::test_problems(5);
  for (std::size_t i = 0; i < first.size(); ++i) REQUIRE(first[i].prompt == again[i].prompt);
}

TEST_CASE("accuracy counts final numbers", "[unit][train]") {
  auto const problems = lm::run_data::test_problems(4);
  std::vector<int> answers;
  for (auto const& p : problems) {
    auto const ids = lm::encode(p);
    answers.insert(answers.end(), ids.begin() + lm::prompt_length, ids.end());
  }
  REQUIRE(lm::accuracy(problems, answers).mean == 1);
  answers[static_cast<std::size_t>(lm::answer_length) - 1] = 'x';  // no longer an answer
  auto const e = lm::accuracy(problems, answers);
  REQUIRE(e.mean == 0.75);
  REQUIRE(e.standard_error == std::sqrt(0.75 * 0.25 / 4));
}

TEST_CASE("the learning rate rises, and falls to a twentieth", "[unit][train]") {
  auto options = small_run("ar");
  options.steps = 100, options.warmup = 10, options.learning_rate = 1;
  options.schedule = GENERATE("cosine", "wsd");
  REQUIRE(lm::learning_rate(options, 0) == basin_test::Approx(0.1));
  REQUIRE(lm::learning_rate(options, 9) == basin_test::Approx(1));
  REQUIRE(lm::learning_rate(options, 99) == basin_test::Approx(0.05));
  REQUIRE(lm::learning_rate(options, 79) ==
          basin_test::Approx(options.schedule == "wsd" ? 1.0 : 0.05 + 0.95 * 0.5 * (1 + std::cos(M_PI * 69 / 89))));
}

TEST_CASE("warm-up takes a tenth of the steps and at most 100, unless it is given", "[unit][train]") {
  lm::run_options options;
  REQUIRE(options.warmup_steps() == 100);
  options.steps = 50;
  REQUIRE(options.warmup_steps() == 5);
  REQUIRE_NOTHROW(validate(options));
  options.steps = 1;
  REQUIRE(options.warmup_steps() == 0);
  options.warmup = 1;
  REQUIRE(options.warmup_steps() == 1);
  REQUIRE(to_json(options)["warmup"] == 1);
}

TEST_CASE("options that make no run are refused, each by name", "[unit][train]") {
  auto const refused = [](auto change) {
    auto options = small_run("ar");
    change(options);
    try {
      validate(options);
    } catch (basin::value_error const& why) {
      return std::string{why.what()};
    }
    return std::string{"accepted"};
  };
  REQUIRE(refused([](auto&) {}) == "accepted");
  REQUIRE_THAT(refused([](auto& o) { o.objective = "gan"; }), ContainsSubstring("--objective is 'gan'"));
  REQUIRE_THAT(refused([](auto& o) { o.schedule = "none"; }), ContainsSubstring("--schedule is 'none'"));
  REQUIRE_THAT(refused([](auto& o) { o.steps = 0; }), ContainsSubstring("--steps is 0"));
  REQUIRE_THAT(refused([](auto& o) { o.batch = -1; }), ContainsSubstring("--batch is -1"));
  REQUIRE_THAT(refused([](auto& o) { o.learning_rate = NAN; }), ContainsSubstring("--learning-rate is nan"));
  REQUIRE_THAT(refused([](auto& o) { o.warmup = 13; }),
               ContainsSubstring("--warmup is 13; it must be a whole number from 0 to the number of steps, 12"));
  REQUIRE_THAT(refused([](auto& o) { o.dim = 18; }), ContainsSubstring("dim must be a multiple of 2 x heads = 4"));
  REQUIRE_THAT(refused([](auto& o) { o.kv_heads = 3; }), ContainsSubstring("multiple of kv_heads"));
  REQUIRE_THAT(refused([](auto& o) { o.length = 32; }), ContainsSubstring("--length is 32"));
}

TEST_CASE("a run is not resumed on another text or from a damaged configuration", "[unit][train]") {
  scratch const folder;
  auto options = small_run("ar");
  lm::write_atomically(folder / "a", lm::bytes_of(std::string(1000, 'a')));
  lm::write_atomically(folder / "b", lm::bytes_of(std::string(1000, 'b')));
  options.text = (folder / "a").string();
  lm::run_data const data{options};
  lm::autoregressive_trainer run{options, data, known};
  run.step();
  run.save(folder / "c", "train");
  auto saved = lm::load_training(folder / "c");
  auto other = options;
  other.text = (folder / "b").string();
  lm::run_data const wrong{other};
  REQUIRE_THROWS_WITH(
      (lm::autoregressive_trainer{other, wrong, saved, known}),
      ContainsSubstring("is not the one that the run of ") && ContainsSubstring("c/training.safetensors began with"));
  auto const damaged = [&](auto change) {
    auto config = saved.config;
    change(config);
    lm::options_of(config);
  };
  REQUIRE_NOTHROW(damaged([](auto&) {}));
  REQUIRE_THROWS_AS(damaged([](auto& c) { c.erase("training"); }), basin::file_error);
  auto const refused_entry = [&](char const* name, nlohmann::ordered_json const& value, std::string const& words) {
    CAPTURE(name);
    REQUIRE_THROWS_WITH(damaged([&](auto& c) { c["training"][name] = value; }),
                        ContainsSubstring(std::string("'training.") + name + "' = " + words));
  };
  refused_entry("steps", "many", "'many'; it must be a whole number");
  refused_entry("batch", -4, "-4; it must be a whole number from 1 to 65536");
  refused_entry("batch", 4294967298, "4294967298; it must be a whole number from 1 to 65536");
  refused_entry("warmup", 1.9, "1.9; it must be a whole number from 0 to 12");
  refused_entry("warmup", 13, "13; it must be a whole number from 0 to 12");
  refused_entry("seed", -1, "-1; it must be a whole number from 0 to 18446744073709551615");
  refused_entry("problems", nullptr, "null; it must be a whole number");
  refused_entry("length", 64.0, "64.0; it must be a whole number");
  refused_entry("learning_rate", "1e-3", "'1e-3'; it must be a finite number");
  refused_entry("weight_decay", 1e300, "1e+300; it must be a finite number from 0 to 10");
  refused_entry("schedule", "both", "'both'; it must be 'cosine' or 'wsd'");
  refused_entry("text", 5, "5; it must be a text");
  REQUIRE_THROWS_WITH(damaged([](auto& c) { c["training"] = 5; }),
                      ContainsSubstring("'training' = 5; it must be an object"));
  REQUIRE_THROWS_WITH(damaged([](auto& c) { c["objective"] = 3; }),
                      ContainsSubstring("'objective' = 3; it must be 'ar' or 'mdlm'"));
  REQUIRE_THROWS_AS(damaged([](auto& c) { c["architecture"]["vocabulary"] = 300; }), basin::file_error);
}

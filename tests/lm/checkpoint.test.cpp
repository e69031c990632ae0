// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/checkpoint.hpp

#include <filesystem>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/random.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/nn/parameter.hpp"
#include "scratch.hpp"
#include "small_disk.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using basin_test::ContainsSubstring;
using basin_test::scratch;
using basin_test::text_of;

namespace {

/// Two parameters that need no model.
struct two_tensors {
  explicit two_tensors(float first) : a{first, first + 1, first + 2, first + 3}, b{-first} {}

  std::vector<basin::nn::parameter<float>> parameters() {
    return {{"layer.a", {2, 2}, a, gradient_a}, {"layer.b", {1}, b, gradient_b}};
  }
  lm::training_state state() const {
    lm::training_state s;
    s.step = 3;
    s.data = basin::philox{11, 12345678901};
    s.masks = basin::philox{13, 14};
    s.moments = {3, {a[0] * 2, 1, 2, 3, 4}, {5, 6, 7, 8, 9}};
    return s;
  }
  std::vector<float> a, b, gradient_a = std::vector<float>(4), gradient_b = std::vector<float>(1);
};

lm::checkpoint model_in(std::filesystem::path const& folder) {
  return lm::open_checkpoint(folder / lm::model_file);
}
lm::checkpoint training_in(std::filesystem::path const& folder) {
  return lm::open_checkpoint(folder / lm::training_file);
}

void save(std::filesystem::path const& folder, two_tensors& model) {
  lm::save_checkpoint(folder, {{"objective", "ar"}, {"first", model.a[0]}}, model.parameters(), model.state());
}

}  // namespace

TEST_CASE("a checkpoint gives back every bit of the weights and of the run", "[unit][checkpoint]") {
  scratch const folder;
  two_tensors saved{5}, loaded{0}, resumed{0};
  save(folder / "c", saved);
  auto const model = model_in(folder / "c");
  lm::read_weights(model.tensors, loaded.parameters());
  REQUIRE(loaded.a == saved.a);
  REQUIRE(loaded.b == saved.b);
  REQUIRE(model.config["objective"] == "ar");
  auto const training = training_in(folder / "c");
  auto const state = lm::read_training(training.tensors, resumed.parameters());
  REQUIRE(resumed.a == saved.a);
  REQUIRE(resumed.b == saved.b);
  REQUIRE(state.step == 3);
  REQUIRE(state.moments.steps == 3);
  REQUIRE(state.moments.first == saved.state().moments.first);
  REQUIRE(state.moments.second == saved.state().moments.second);
  REQUIRE((state.data.seed() == 11 && state.data.position() == 12345678901));
  REQUIRE((state.masks.seed() == 13 && state.masks.position() == 14));
  REQUIRE(nlohmann::ordered_json::parse(text_of(folder / "c/config.json")) == model.config);
  REQUIRE(training.config == model.config);
}

TEST_CASE("saving again replaces all files, and nothing else stays in the folder", "[unit][checkpoint]") {
  scratch const folder;
  two_tensors first{5}, second{6}, loaded{0};
  save(folder / "c", first);
  save(folder / "c", second);
  lm::read_weights(model_in(folder / "c").tensors, loaded.parameters());
  REQUIRE(loaded.a == second.a);
  REQUIRE(basin_test::files_in(folder / "c") == 3);
}

TEST_CASE("a disk that fills at any file leaves the whole old checkpoint", "[unit][checkpoint]") {
  scratch const folder;
  two_tensors first{5}, second{6}, loaded{0};
  save(folder / "c", first);
  auto const before = text_of(folder / "c/training.safetensors") + text_of(folder / "c/model.safetensors") +
                      text_of(folder / "c/config.json");
  auto const largest = std::filesystem::file_size(folder / "c/training.safetensors");
  for (std::size_t room = 0; room < largest; room += 16) {
    CAPTURE(room);
    {
      basin_test::small_disk const disk{room};
      REQUIRE_THROWS_AS(save(folder / "c", second), basin::file_error);
    }
    REQUIRE(before == text_of(folder / "c/training.safetensors") + text_of(folder / "c/model.safetensors") +
                          text_of(folder / "c/config.json"));
    REQUIRE(basin_test::files_in(folder / "c") == 3);
  }
}

TEST_CASE("after a crash between two renames each file is still of one step", "[unit][checkpoint]") {
  scratch const folder;
  two_tensors first{5}, second{6}, loaded{0}, resumed{0};
  save(folder / "old", first);
  save(folder / "new", second);
  std::filesystem::create_directory(folder / "c");
  std::filesystem::copy_file(folder / "new/training.safetensors", folder / "c/training.safetensors");
  std::filesystem::copy_file(folder / "old/model.safetensors", folder / "c/model.safetensors");
  std::filesystem::copy_file(folder / "old/config.json", folder / "c/config.json");
  auto const model = model_in(folder / "c");
  lm::read_weights(model.tensors, loaded.parameters());
  REQUIRE((loaded.a == first.a && model.config["first"] == 5));
  auto const training = training_in(folder / "c");
  lm::read_training(training.tensors, resumed.parameters());
  REQUIRE((resumed.a == second.a && training.config["first"] == 6));
}

TEST_CASE("a checkpoint of another model is refused and the weights stay", "[unit][checkpoint]") {
  scratch const folder;
  two_tensors saved{5}, loaded{1};
  auto const before = loaded.a;
  save(folder / "c", saved);
  auto const model = model_in(folder / "c");
  auto const training = training_in(folder / "c");
  auto fewer = loaded.parameters(), other = loaded.parameters(), renamed = loaded.parameters();
  fewer.pop_back();
  other[1].shape = {1, 1};
  renamed[1].name = "layer.c";
  REQUIRE_THROWS_WITH(lm::read_weights(model.tensors, fewer),
                      ContainsSubstring("has 2 tensors; this model knows 1"));
  REQUIRE_THROWS_WITH(lm::read_weights(model.tensors, other),
                      ContainsSubstring("has shape [1]; this model needs [1, 1]"));
  REQUIRE_THROWS_WITH(lm::read_weights(model.tensors, renamed), ContainsSubstring("has no tensor 'layer.c'"));
  REQUIRE_THROWS_WITH(lm::read_training(training.tensors, fewer),
                      ContainsSubstring("has 7 tensors; this model knows 4"));
  REQUIRE_THROWS_WITH(lm::read_training(training.tensors, other), ContainsSubstring("this model needs [1, 1]"));
  REQUIRE_THROWS_AS(lm::read_training(model.tensors, loaded.parameters()), basin::file_error);
  REQUIRE_THROWS_AS(lm::read_weights(training.tensors, loaded.parameters()), basin::file_error);
  REQUIRE(loaded.a == before);
}

TEST_CASE("a file that is no checkpoint is refused by name", "[unit][checkpoint]") {
  scratch const folder;
  REQUIRE_THROWS_WITH(model_in(folder / "missing"),
                      ContainsSubstring("missing/model.safetensors") && ContainsSubstring("No such file"));
  std::vector<float> const one{1};
  auto const write = [&](lm::text_map const& metadata) {
    lm::write_safetensors(folder / "model.safetensors", {lm::tensor_of<float>("a", {1}, one)}, metadata);
    return model_in(folder.path);
  };
  REQUIRE_THROWS_WITH(write({}), ContainsSubstring("has no 'config'"));
  REQUIRE_THROWS_WITH(write({{"config", "{"}}),
                      ContainsSubstring("'config' is no JSON in UTF-8") && !ContainsSubstring("json.exception"));
  REQUIRE_THROWS_WITH(write({{"config", R"({"a": 1, "a": 2})"}}), ContainsSubstring("'config' names 'a' twice"));
  REQUIRE_THROWS_WITH(write({{"config", R"({"a": )" + std::string(100'000, '[')}}),
                      ContainsSubstring("'config' is nested too deeply"));
  REQUIRE_THROWS_WITH(write({{"config", R"({"a": 1e999})"}}), ContainsSubstring("a number that no type holds"));
  REQUIRE_THROWS_WITH(write({{"config", "[]"}}), ContainsSubstring("no JSON object"));
  REQUIRE_THROWS_WITH(write({{"config", "{}"}}), ContainsSubstring("its 'format' is not 'basin checkpoint 1'"));
  REQUIRE_THROWS_WITH(write({{"config", "{\"format\": 1}"}}), ContainsSubstring("its 'format' is not"));
}

TEST_CASE("an entry of a configuration is what its rule says, or refused with file, entry, value, rule and remedy",
          "[unit][checkpoint]") {
  nlohmann::ordered_json const config{
      {"dim", 128},          {"text", "128"},  {"half", 0.5}, {"minus", -1},         {"huge", 18446744073709551615u},
      {"wraps", 4294967298}, {"list", {1, 2}}, {"yes", true}, {"deep", {{"dim", 7}}}};
  lm::config_entries const entries{config, "x.safetensors"};
  auto const whole = [&](char const* name) { return entries.number(name, lm::from_to(1, 1 << 20)); };
  REQUIRE(whole("dim") == 128);
  REQUIRE(entries.number("dim", lm::from_to(128, 128)) == 128);
  REQUIRE(entries.number("huge", lm::any_number<std::uint64_t>()) == 18446744073709551615u);
  REQUIRE(entries.number("half", lm::above(0.0)) == 0.5);
  REQUIRE(entries.number("dim", lm::above(0.0)) == 128);
  REQUIRE(entries.section("deep").number("dim", lm::at_least(1)) == 7);
  REQUIRE_THROWS_WITH(
      entries.number("dim", lm::from_to(1, 127)),
      ContainsSubstring(
          "x.safetensors: its configuration has 'dim' = 128; it must be a whole number from 1 to 127: make"));
  for (char const* const name : {"text", "half", "minus", "huge", "wraps", "list", "yes", "deep", "absent"}) {
    CAPTURE(name);
    REQUIRE_THROWS_WITH(whole(name),
                        ContainsSubstring(name) && ContainsSubstring("must be a whole number from 1 to 1048576"));
  }
  REQUIRE_THROWS_WITH(entries.number("minus", lm::any_number<std::uint64_t>()),
                      ContainsSubstring("'minus' = -1; it must be a whole number from 0"));
  REQUIRE_THROWS_WITH(entries.number("text", lm::any_number<double>()),
                      ContainsSubstring("must be a finite number"));
  REQUIRE_THROWS_WITH(entries.number("yes", lm::any_number<double>()), ContainsSubstring("'yes' = true"));
  REQUIRE_THROWS_WITH(entries.section("deep").text("dim"), ContainsSubstring("'deep.dim' = 7; it must be a text"));
  REQUIRE_THROWS_WITH(entries.section("list"), ContainsSubstring("'list' = a list of 2; it must be an object"));
  REQUIRE_THROWS_WITH(entries.choice("text", {"ar", "mdlm"}),
                      ContainsSubstring("'text' = '128'; it must be 'ar' or 'mdlm'"));
  REQUIRE_THROWS_WITH(entries.text("absent"), ContainsSubstring("has no 'absent'; it must be a text"));
}

TEST_CASE("an architecture survives its configuration, and a bad one is refused", "[unit][checkpoint]") {
  lm::llama_config const c{.vocabulary = 258,
                                     .dim = 128,
                                     .layers = 4,
                                     .heads = 4,
                                     .kv_heads = 2,
                                     .hidden = 344,
                                     .context = 64,
                                     .rope_base = 12345.5f,
                                     .norm_epsilon = 1e-6f,
                                     .head = lm::output_head::tied};
  nlohmann::ordered_json config{{"architecture", lm::architecture_json(c)}};
  REQUIRE(lm::architecture_of(nlohmann::ordered_json::parse(config.dump())) == c);
  auto const with = [&](char const* name, nlohmann::ordered_json const& value) {
    auto changed = config;
    changed["architecture"][name] = value;
    return lm::architecture_of(changed, "x");
  };
  REQUIRE_THROWS_WITH(with("layers", 1000000000),
                      ContainsSubstring("x: its configuration has 'architecture.layers' = 1000000000"));
  REQUIRE_THROWS_WITH(with("dim", -128), ContainsSubstring("'architecture.dim' = -128"));
  REQUIRE_THROWS_WITH(with("dim", "128"), ContainsSubstring("'architecture.dim' = '128'"));
  REQUIRE_THROWS_WITH(with("heads", 3), ContainsSubstring("x: its configuration makes no transformer") &&
                                            ContainsSubstring("multiple of 2 x heads = 6"));
  REQUIRE_THROWS_WITH(with("rope_base", nullptr),
                      ContainsSubstring("'architecture.rope_base' = null; it must be a finite number from 1 to 1e+09"));
  REQUIRE_THROWS_WITH(
      with("rope_base", 1e308),
      ContainsSubstring("'architecture.rope_base' = 1e+308; it must be a finite number from 1 to 1e+09"));
  REQUIRE_THROWS_WITH(with("head", "both"),
                      ContainsSubstring("'architecture.head' = 'both'; it must be 'tied' or 'untied'"));
  REQUIRE_THROWS_WITH(lm::architecture_of({{"architecture", 1}}),
                      ContainsSubstring("'architecture' = 1; it must be an object"));
}

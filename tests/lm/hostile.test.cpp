// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers load_model, load_training and restore of basin/lm/io/checkpoint.hpp with damaged and hostile files

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/lm/io/checkpoint.hpp"
#include "basin/lm/training/trainer.hpp"
#include "basin/mask/causal.hpp"
#include "hostile.hpp"
#include "programs/normalizers_by_name.hpp"
#include "scratch.hpp"
#include "support/catch.hpp"
#include "support/skip.hpp"

namespace lm = basin::lm;
namespace programs = basin::programs;
using basin_test::ContainsSubstring;
using basin_test::scratch;

namespace {

/// What loading a model and making it ready to run says; "accepted" if nothing.
std::string said_of(std::filesystem::path const& folder) {
  try {
    lm::restore<lm::autoregressive_model>(lm::load_model(folder), programs::normalizers_by_name());
  } catch (basin::file_error const& why) {
    return why.what();
  }
  return "accepted";
}

std::string said_of_spoiled(std::function<void(basin_test::spoiled_model&)> const& spoil) {
  scratch const folder;
  auto model = basin_test::tiny_model();
  spoil(model);
  model.write(folder.path);
  return said_of(folder.path);
}

long peak_kilobytes() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_maxrss;
}

}  // namespace

TEST_CASE("a model whose weights are finite and whose configuration fits is accepted", "[unit][checkpoint][hostile]") {
  REQUIRE(said_of_spoiled([](auto&) {}) == "accepted");
}

TEST_CASE("a weight that is no finite number is refused with its tensor and its place", "[unit][checkpoint][hostile]") {
  float const wrong = GENERATE(NAN, INFINITY, -INFINITY);
  auto const said = said_of_spoiled([&](auto& m) { m.tensors[2].values[19] = wrong; });
  REQUIRE_THAT(said, ContainsSubstring("model.safetensors: tensor 'layers.0.attention.query.weight' is ") &&
                         ContainsSubstring(" at [2, 3]") && ContainsSubstring("must be finite"));
}

TEST_CASE("a learned number of another shape, or without its tensor, is refused before a model is made",
          "[unit][checkpoint][hostile]") {
  auto const said = [](std::vector<basin::index_t> const& shape) -> std::string {
    scratch const folder;
    auto model = basin_test::tiny_model();
    auto layer = lm::layer_record(basin::attention<>{}.with(basin::causal{}));
    layer["normalizer"] = {{"name", "sink_logit"}, {"logit", 0.0}, {"learned", true}};
    model.config["attention"] = nlohmann::ordered_json::array({layer});
    if (!shape.empty())
      model.tensors.push_back({"layers.0.attention.sink_logit.logit", shape,
                               std::vector<float>(static_cast<std::size_t>(shape.front()), 0.5f)});
    model.write(folder.path);
    try {
      auto const& known = programs::normalizers_by_name();
      lm::restore<lm::autoregressive_model>(lm::load_model(folder.path, known), known);
    } catch (basin::file_error const& why) {
      return why.what();
    }
    return "accepted";
  };
  REQUIRE(said({1}) == "accepted");
  REQUIRE_THAT(said({3}), ContainsSubstring(
                              "tensor 'layers.0.attention.sink_logit.logit' has shape [3]; this model needs [1]"));
  REQUIRE_THAT(said({}), ContainsSubstring("has no tensor 'layers.0.attention.sink_logit.logit'"));
}

TEST_CASE("a training state that is not finite is refused, and nothing is changed", "[unit][checkpoint][hostile]") {
  scratch const folder;
  auto const options = basin_test::tiny_run();
  lm::run_data const data{options};
  lm::autoregressive_trainer run{options, data, programs::normalizers_by_name()};
  run.step();
  auto state = lm::training_state{.step = 1, .data = {}, .masks = {}, .moments = {}};
  std::size_t const count = static_cast<std::size_t>(basin::nn::parameter_count(run.model().parameters()));
  state.moments = {1, std::vector<float>(count), std::vector<float>(count)};
  std::string const part = GENERATE("first.", "second.");
  (part == "first." ? state.moments.first : state.moments.second)[0] = NAN;
  lm::save_checkpoint(folder / "c", basin_test::tiny_model().config, run.model().parameters(), state);
  auto const saved = lm::load_training(folder / "c");
  REQUIRE_THROWS_WITH(
      (lm::autoregressive_trainer{options, data, saved, programs::normalizers_by_name()}),
      ContainsSubstring("training.safetensors: tensor '" + part + "embedding.weight' is nan at [0, 0]"));
}

TEST_CASE("a configuration that claims more than its file has is refused before anything of that size is allocated",
          "[unit][checkpoint][hostile]") {
  long const before = peak_kilobytes();
  auto const said = said_of_spoiled([](auto& m) {
    m.config["architecture"]["dim"] = 4096;
    m.config["architecture"]["layers"] = 8;
  });
  REQUIRE_THAT(said,
               ContainsSubstring(
                   "model.safetensors: tensor 'embedding.weight' has shape [258, 8]; this model needs [258, 4096]"));
  REQUIRE(peak_kilobytes() - before < 64 * 1024);
  REQUIRE_THAT(said_of_spoiled([](auto& m) { m.config["architecture"]["layers"] = 256; }),
               ContainsSubstring("has no tensor 'layers.1.attention_norm.weight'"));
  REQUIRE_THAT(said_of_spoiled([](auto& m) { m.config["architecture"]["context"] = 1 << 20; }),
               ContainsSubstring("'architecture.context' = 1048576"));
  REQUIRE_THAT(said_of_spoiled([](auto& m) {
                 m.config["architecture"]["vocabulary"] = 100;
                 m.tensors[0].shape[0] = 100;
                 m.tensors[0].values.resize(800);
               }),
               ContainsSubstring("'architecture.vocabulary' = 100; it must be at least 258"));
  REQUIRE_THAT(said_of_spoiled([](auto& m) {
                 m.tensors.push_back({"more", {1}, {0}});
               }),
               ContainsSubstring("is it a checkpoint of another model?"));
}

TEST_CASE("entries of a configuration of another kind or beyond their rule are refused",
          "[unit][checkpoint][hostile]") {
  auto const with = [](auto change) { return said_of_spoiled([&](auto& m) { change(m.config); }); };
  REQUIRE_THAT(
      with([](auto& c) { c["objective"] = 3; }),
      ContainsSubstring("model.safetensors: its configuration has 'objective' = 3; it must be 'ar' or 'mdlm'"));
  REQUIRE_THAT(with([](auto& c) { c.erase("objective"); }), ContainsSubstring("has no 'objective'"));
  REQUIRE_THAT(with([](auto& c) { c["training"] = 5; }), ContainsSubstring("'training' = 5; it must be an object"));
  REQUIRE_THAT(with([](auto& c) { c["training"]["text"] = 5; }),
               ContainsSubstring("'training.text' = 5; it must be a text"));
  REQUIRE_THAT(with([](auto& c) { c["figures"] = "none"; }),
               ContainsSubstring("'figures' = 'none'; it must be an object"));
  REQUIRE_THAT(with([](auto& c) { c["tokenizer"] = "words"; }),
               ContainsSubstring("'tokenizer' = 'words'; it must be 'bytes'"));
  REQUIRE_THAT(with([](auto& c) { c["architecture"]["head"] = "both"; }),
               ContainsSubstring("'architecture.head' = 'both'"));
  REQUIRE_THAT(with([](auto& c) { c["architecture"]["rope_base"] = 1e308; }),
               ContainsSubstring("'architecture.rope_base' = 1e+308"));
  REQUIRE_THAT(with([](auto& c) { c["objective"] = std::string(300'000, 'x'); }), ContainsSubstring("bytes more)"));
}

TEST_CASE("a message quotes a name or a shape of a file in part, and without control characters",
          "[unit][checkpoint][hostile]") {
  auto const of_name = [](std::string const& name) {
    return said_of_spoiled([&](auto& m) { m.tensors[1].name = name, m.tensors[1].values[0] = NAN; });
  };
  REQUIRE_THAT(of_name("layers.0.attention_norm.weight\x1b[31m"),
               ContainsSubstring("has no tensor 'layers.0.attention_norm.weight'"));
  scratch const folder;
  auto model = basin_test::tiny_model();
  model.tensors[1].name = std::string("\x1b[31m") + std::string(300'000, 'a');
  model.write(folder.path);
  auto const file = lm::tensor_file::read(folder / "model.safetensors");
  std::vector<basin::index_t> const other{9};
  try {
    file.expect<float>(model.tensors[1].name, other);
    FAIL("accepted");
  } catch (basin::file_error const& why) {
    std::string const said = why.what();
    REQUIRE(said.size() < 1000);
    REQUIRE_THAT(said, ContainsSubstring("tensor '\\x1b[31maaa") && ContainsSubstring("299925 bytes more)"));
  }
  auto const of_shape = said_of_spoiled([](auto& m) {
    m.tensors[1].shape.assign(100'000, 1);
    m.tensors[1].shape[0] = 8;
  });
  REQUIRE(of_shape.size() < 1000);
  REQUIRE_THAT(of_shape, ContainsSubstring("has shape [8, 1, 1, 1, 1, 1, 1, 1, ...] of 100000 extents"));
}

TEST_CASE("what is no regular file is refused without waiting for it", "[unit][checkpoint][hostile]") {
  scratch const folder;
  REQUIRE(::mkfifo((folder / "model.safetensors").c_str(), 0600) == 0);
  REQUIRE_THAT(said_of(folder.path), ContainsSubstring("model.safetensors: it is not a regular file"));
  REQUIRE(::unlink((folder / "model.safetensors").c_str()) == 0);
  std::filesystem::create_directory(folder / "model.safetensors");
  REQUIRE_THAT(said_of(folder.path), ContainsSubstring("it is not a regular file"));
  std::filesystem::remove(folder / "model.safetensors");
  std::filesystem::create_symlink("/dev/zero", folder / "model.safetensors");
  REQUIRE_THAT(said_of(folder.path), ContainsSubstring("it is not a regular file"));
}

TEST_CASE("of a file of 5 GB only the header is read before it is refused", "[unit][checkpoint][hostile]") {
  scratch const folder;
  auto const path = folder / "model.safetensors";
  std::uintmax_t const size = 5'000'000'000;
  long const before = peak_kilobytes();
  lm::write_atomically(path, lm::bytes_of(""));
  std::filesystem::resize_file(path, size);                      // a hole: no disk is used
  REQUIRE_THAT(said_of(folder.path), ContainsSubstring("its header does not begin with '{'"));
  std::string header = R"({"embedding.weight":{"dtype":"F32","shape":[1249999970],"data_offsets":[0,4999999880]}})";
  header.resize(112, ' ');
  std::uint64_t const length = header.size();
  std::string const begin = std::string(reinterpret_cast<char const*>(&length), sizeof length) + header;
  lm::write_atomically(path, lm::bytes_of(begin));
  std::filesystem::resize_file(path, size);
  REQUIRE_THAT(said_of(folder.path), ContainsSubstring("has no 'config'"));
  REQUIRE(peak_kilobytes() - before < 64 * 1024);
}

TEST_CASE("a file that is cut while it is open is refused", "[unit][safetensors][hostile]") {
  scratch const folder;
  basin_test::tiny_model().write(folder.path);
  auto const saved = lm::load_model(folder.path);
  std::filesystem::resize_file(folder / "model.safetensors",
                               std::filesystem::file_size(folder / "model.safetensors") - 4);
  REQUIRE_THROWS_WITH(lm::restore<lm::autoregressive_model>(saved, programs::normalizers_by_name()),
                      ContainsSubstring("model.safetensors") && ContainsSubstring("is it being written?"));
}

TEST_CASE("each shared case of a model or a run is refused", "[unit][checkpoint][hostile]") {
  for (std::string const name : {"nan_all", "hugecfg2G", "cfg_objective_3", "cfg_train_5", "cfg_head_both",
                                 "cfg_rope_base", "escname", "shape_many"}) {
    auto const folder = basin_test::shared_data("../cases/programs/" + name);
    if (!folder) return;
    CAPTURE(name);
    auto const said = said_of(*folder);
    REQUIRE_THAT(said, ContainsSubstring(name + "/model.safetensors") && !ContainsSubstring("json.exception") &&
                           !ContainsSubstring("\x1b"));
    REQUIRE(said.size() < 1000);
  }
  auto const run = basin_test::shared_data("../cases/programs/batchwrap");
  if (!run) return;
  REQUIRE_THROWS_WITH(lm::options_of(lm::load_training(*run).config),
                      ContainsSubstring("'training.batch' = 4294967298"));
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers basin/lm/io/mapped_safetensors.hpp and sharded_safetensors.hpp

#include <sys/resource.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "basin/core/error.hpp"
#include "basin/core/half.hpp"
#include "basin/lm/io/mapped_safetensors.hpp"
#include "basin/lm/io/sharded_safetensors.hpp"
#include "scratch.hpp"
#include "small_disk.hpp"
#include "support/catch.hpp"

namespace lm = basin::lm;
using namespace basin_test;

namespace {

std::vector<float> const four{1.5f, -2.0f, 0.25f, 3.0f};

lm::tensor four_of(std::string name) { return lm::tensor_of<float>(std::move(name), {2, 2}, four); }

std::vector<float> floats_of(lm::tensor_store const& store, std::string const& name) {
  auto const& tensor = store.at(name);
  std::vector<float> values(static_cast<std::size_t>(*lm::value_count(tensor.shape)));
  lm::to_floats(tensor, values);
  return values;
}

/// What opening the path says; "accepted" if nothing.
std::string said_of(std::filesystem::path const& path) {
  try {
    lm::open_safetensors(path);
  } catch (basin::file_error const& why) {
    return why.what();
  }
  return "accepted";
}

/// A folder with two shards, a and b in the first, c in the second, and an index.
struct shards {
  shards() {
    lm::write_safetensors(folder / "one.safetensors", {four_of("a"), four_of("b")});
    lm::write_safetensors(folder / "two.safetensors", {four_of("c")});
  }

  std::string said_with(std::string const& index) const {
    lm::write_atomically(folder / "model.safetensors.index.json", lm::bytes_of(index));
    return said_of(folder.path);
  }
  std::string said_with_map(std::string const& map) const { return said_with("{\"weight_map\":{" + map + "}}"); }

  scratch folder;
};

std::string const good = R"("a":"one.safetensors","b":"one.safetensors","c":"two.safetensors")";

}  // namespace

TEST_CASE("a safetensors file of the format's own package is mapped", "[unit][safetensors]") {
  auto const store = lm::open_safetensors(BASIN_TEST_SAFETENSORS);
  REQUIRE(store.tensors().size() == 8);
  REQUIRE(floats_of(store, "scalar") == std::vector<float>{7});
  REQUIRE(floats_of(store, "größe") == std::vector<float>{2});
  REQUIRE(floats_of(store, "empty").empty());
  REQUIRE(floats_of(store, "f64")[0] == static_cast<float>(1.0 / 3));
  REQUIRE(store.at("u8").type == lm::storage_type::u8);
  REQUIRE_THROWS_WITH(floats_of(store, "u8"), ContainsSubstring("tensor 'u8' is stored as U8, which is not read"));
}

TEST_CASE("weights are written as one file, or as shards with an index, and read back", "[unit][safetensors]") {
  scratch const folder;
  std::vector<basin::bfloat16> const rounded(four.begin(), four.end());
  std::vector<basin::float16> const halves(four.begin(), four.end());
  std::vector<lm::tensor> const tensors{four_of("a"), lm::tensor_of<basin::bfloat16>("b", {4}, rounded),
                                        lm::tensor_of<basin::float16>("c", {4, 1}, halves), four_of("d")};
  lm::write_weights(folder / "one", tensors);
  REQUIRE(files_in(folder / "one") == 1);
  lm::write_weights(folder / "many", tensors, 24);
  REQUIRE(files_in(folder / "many") == 3);                         // a and b, c and d; 16 + 8 and 8 + 16 bytes
  REQUIRE(text_of(folder / "many/model.safetensors.index.json") == R"({
  "metadata": {
    "total_size": 48
  },
  "weight_map": {
    "a": "model-00001-of-00002.safetensors",
    "b": "model-00001-of-00002.safetensors",
    "c": "model-00002-of-00002.safetensors",
    "d": "model-00002-of-00002.safetensors"
  }
}
)");
  for (std::string const name : {"one", "many"}) {
    auto const store = lm::open_safetensors(folder / name);
    CAPTURE(name);
    REQUIRE(store.tensors().size() == 4);
    REQUIRE(store.at("b").type == lm::storage_type::bf16);
    REQUIRE(store.at("c").type == lm::storage_type::f16);
    REQUIRE(store.at("c").shape == std::vector<basin::index_t>{4, 1});
    for (std::string const tensor : {"a", "b", "c", "d"}) REQUIRE(floats_of(store, tensor) == four);
  }
  REQUIRE(lm::tensor_file::read(folder / "one/model.safetensors").metadata() == lm::text_map{{"format", "pt"}});
}

TEST_CASE("weights that another file has are written again", "[unit][safetensors]") {
  scratch const folder;
  lm::write_weights(folder / "first", {four_of("a")});
  auto const store = lm::open_safetensors(folder / "first");
  lm::write_weights(folder / "second", {lm::tensor_of(store.at("a"))});
  REQUIRE(text_of(folder / "second/model.safetensors") == text_of(folder / "first/model.safetensors"));
}

TEST_CASE("a tensor larger than a shard has one of its own, and no limit overflows", "[unit][safetensors]") {
  scratch const folder;
  lm::write_weights(folder / "a", {four_of("a"), four_of("b")}, 1);
  REQUIRE(files_in(folder / "a") == 3);
  lm::write_weights(folder / "b", {four_of("a"), four_of("b")}, ~std::uint64_t{0});
  REQUIRE(files_in(folder / "b") == 1);
  lm::write_weights(folder / "c", {}, 1);
  REQUIRE(lm::open_safetensors(folder / "c").tensors().empty());
}

TEST_CASE("weights never replace others, and a full disk or a bad tensor leaves none", "[unit][safetensors]") {
  scratch const folder;
  lm::write_weights(folder / "a", {four_of("a"), four_of("b")}, 16);
  REQUIRE_THROWS_WITH(lm::write_weights(folder / "a", {four_of("a")}),
                      ContainsSubstring("has weights already (model.safetensors.index.json)"));
  REQUIRE_THROWS_WITH(lm::write_weights(folder / "b", {four_of("a"), four_of("a")}, 16),
                      ContainsSubstring("two tensors are called 'a'"));
  REQUIRE(files_in(folder / "b") == 0);
  auto quantised = four_of("q");
  quantised.type = lm::storage_type::q4_0;
  REQUIRE_THROWS_WITH(lm::write_weights(folder / "b", {four_of("a"), quantised}, 16),
                      ContainsSubstring("has type Q4_0, which safetensors files do not store"));
  std::vector<float> const large(2000);
  {
    small_disk const disk{4096};
    REQUIRE_THROWS_AS(
        lm::write_weights(folder / "b", {four_of("a"), lm::tensor_of<float>("b", {2000}, large)}, 16),
        basin::file_error);
  }
  REQUIRE(files_in(folder / "b") == 0);
}

TEST_CASE("a folder is read by its single file if it has one, else by its index", "[unit][safetensors]") {
  shards const model;
  REQUIRE_THAT(said_of(model.folder.path),
               ContainsSubstring("has neither model.safetensors nor model.safetensors.index.json"));
  REQUIRE(model.said_with_map(good) == "accepted");
  REQUIRE(lm::open_safetensors(model.folder.path).tensors().size() == 3);
  lm::write_safetensors(model.folder / "model.safetensors", {four_of("only")});
  REQUIRE(lm::open_safetensors(model.folder.path).tensors().size() == 1);
  REQUIRE_THAT(said_of(model.folder / "missing"), ContainsSubstring("missing: No such file"));
}

TEST_CASE("an index that does not say where each tensor is, once, is refused", "[unit][safetensors][hostile]") {
  shards const model;
  REQUIRE_THAT(model.said_with_map(R"("a":"one.safetensors","c":"two.safetensors")"),
               ContainsSubstring("shard 'one.safetensors' has the tensor 'b', which the index does not name"));
  REQUIRE_THAT(model.said_with_map(good + R"(,"d":"two.safetensors")"),
               ContainsSubstring("shard 'two.safetensors' has no tensor 'd', which the index places there"));
  REQUIRE_THAT(model.said_with_map(R"("a":"one.safetensors","b":"two.safetensors","c":"two.safetensors")"),
               ContainsSubstring("'b', which the index places elsewhere"));
  REQUIRE_THAT(model.said_with_map(good + R"(,"a":"two.safetensors")"), ContainsSubstring("names 'a' twice"));
  REQUIRE_THAT(model.said_with_map(good + R"(,"d":"three.safetensors")"),
               ContainsSubstring("three.safetensors: No such file"));
  lm::write_safetensors(model.folder / "two.safetensors", {four_of("c"), four_of("a")});
  REQUIRE_THAT(model.said_with_map(good), ContainsSubstring("'two.safetensors' has the tensor 'a', which the index "
                                                            "places elsewhere"));
}

TEST_CASE("an index that names a file outside its folder, or itself, is refused", "[unit][safetensors][hostile]") {
  shards const model;
  lm::make_folder(model.folder / "deep");
  for (std::string const name :
       {"../one.safetensors", "/etc/one.safetensors", "deep/one.safetensors", "..", "", ".", "one.bin",
        "deep\\\\one.safetensors", "one.safetensors\\u0000", "model.safetensors.index.json"}) {
    CAPTURE(name);
    REQUIRE_THAT(model.said_with_map("\"a\":\"" + name + "\""),
                 ContainsSubstring("a shard is a file '*.safetensors' in the folder of the index"));
  }
  std::filesystem::create_symlink("model.safetensors.index.json", model.folder / "loop.safetensors");
  REQUIRE_THAT(model.said_with_map(R"("a":"loop.safetensors")"),
               ContainsSubstring("loop.safetensors is not a valid safetensors file"));
}

TEST_CASE("an index that is not the JSON of the format is refused", "[unit][safetensors][hostile]") {
  shards const model;
  REQUIRE_THAT(model.said_with("{"), ContainsSubstring("index.json is not a valid index file: its text is no JSON"));
  REQUIRE_THAT(model.said_with("[]"), ContainsSubstring("it has no object 'weight_map'"));
  REQUIRE_THAT(model.said_with("{}"), ContainsSubstring("it has no object 'weight_map'"));
  REQUIRE_THAT(model.said_with("{\"weight_map\":[]}"), ContainsSubstring("it has no object 'weight_map'"));
  REQUIRE_THAT(model.said_with("{\"weight_map\":{}}"), ContainsSubstring("'weight_map' is empty"));
  REQUIRE_THAT(model.said_with_map(R"("a":7)"), ContainsSubstring("tensor 'a' has no file name"));
  REQUIRE_THAT(model.said_with("{\"metadata\":3,\"weight_map\":{" + good + "}}"),
               ContainsSubstring("its 'metadata' is not an object"));
  REQUIRE(model.said_with("{\"metadata\":{\"total_size\":7},\"weight_map\":{" + good + "}}") == "accepted");
  REQUIRE_THAT(model.said_with("{\"weight_map\":" + std::string(100'000, '[')), ContainsSubstring("nested too deeply"));
}

TEST_CASE("a shard that is cut or hostile is named", "[unit][safetensors][hostile]") {
  shards const model;
  REQUIRE(model.said_with_map(good) == "accepted");
  std::filesystem::resize_file(model.folder / "two.safetensors",
                               std::filesystem::file_size(model.folder / "two.safetensors") - 1);
  REQUIRE_THAT(said_of(model.folder.path), ContainsSubstring("two.safetensors is not a valid safetensors file") &&
                                               ContainsSubstring("claims bytes 0 to 16 of 15"));
  std::uint64_t const length = std::uint64_t{1} << 63;
  lm::write_atomically(model.folder / "two.safetensors", lm::bytes_of(std::span<std::uint64_t const>{&length, 1}));
  REQUIRE_THAT(said_of(model.folder.path), ContainsSubstring("its header claims 9223372036854775808 bytes"));
  lm::write_atomically(model.folder / "two.safetensors", {});
  REQUIRE_THAT(said_of(model.folder.path), ContainsSubstring("it has 0 bytes"));
}

TEST_CASE("a file of 16 GB is opened without reading its data", "[unit][safetensors]") {
  scratch const folder;
  auto const path = folder / "model.safetensors";
  std::string header = R"({"a":{"dtype":"BF16","shape":[1000000,8000],"data_offsets":[0,16000000000]}})";
  header.resize(80, ' ');
  std::uint64_t const length = header.size();
  lm::write_atomically(path, lm::bytes_of(std::string(reinterpret_cast<char const*>(&length), 8) + header));
  std::filesystem::resize_file(path, 88 + 16'000'000'000);         // a hole: no disk is used
  rusage before{}, after{};
  getrusage(RUSAGE_SELF, &before);
  auto const store = lm::open_safetensors(folder.path);
  std::vector<float> row(8000, 1.0f);
  lm::row_to_floats(store.at("a"), 999'999, row);
  getrusage(RUSAGE_SELF, &after);
  REQUIRE(row == std::vector<float>(8000));
  REQUIRE(after.ru_maxrss - before.ru_maxrss < 64 * 1024);
}

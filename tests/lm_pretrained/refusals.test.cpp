// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers the errors of lm/pretrained/: what they say, word for word, before anything is computed.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "basin/lm/pretrained/gguf.hpp"
#include "pretrained.hpp"
#include "scratch.hpp"

namespace basin {

namespace {

using json = nlohmann::ordered_json;
std::filesystem::path const fixtures = BASIN_PRETRAINED_FIXTURES;

template <class Act>
std::string said_by(Act const& act) {
  try {
    act();
  } catch (error const& why) {
    return why.what();
  }
  return "nothing";
}

json config_of(std::string const& name) { return json::parse(std::ifstream(fixtures / name / "config.json")); }

/// The message about a fixture's configuration after some entries are exchanged.
std::string said_of(std::string const& name, json const& entries) {
  auto config = config_of(name);
  config.update(entries);
  return said_by([&] { lm::pretrained_of(config, "c.json"); });
}
std::string said_without(std::string const& name, std::string const& entry) {
  auto config = config_of(name);
  config.erase(entry);
  return said_by([&] { lm::pretrained_of(config, "c.json"); });
}
/// The message that refuses the value of an entry.
std::string refusal(std::string_view entry, std::string_view value, std::string_view rule) {
  return message("basin: c.json: its configuration has '", entry, "' = ", value, "; it must be ", rule,
                 ": is it the configuration of another model?");
}

/// The tensors of a fixture's checkpoint after `change`, in a store called `w`.
lm::tensor_store changed(std::string const& name, std::function<void(std::vector<lm::stored_tensor>&)> const& change) {
  auto const whole = std::make_shared<lm::tensor_store>(lm::open_safetensors(fixtures / name / "model.safetensors"));
  auto tensors = whole->tensors();
  change(tensors);
  return {"w", std::move(tensors), {whole}};
}
lm::stored_tensor& tensor_in(std::vector<lm::stored_tensor>& tensors, std::string_view name) {
  return *std::ranges::find(tensors, name, &lm::stored_tensor::name);
}
std::string said_of_weights(std::string const& name,
                            std::function<void(std::vector<lm::stored_tensor>&)> const& change) {
  auto const of = lm::open_pretrained(fixtures / name).model;
  auto const tensors = changed(name, change);
  return said_by([&] { pretrained_test::load(of, tensors); });
}

using metadata = lm::gguf_metadata::values_type;
metadata small_llama() {
  auto const number = [](std::uint32_t n) { return lm::gguf_value(n); };
  return {{"general.architecture", std::string("llama")},
          {"llama.embedding_length", number(8)},
          {"llama.context_length", number(16)},
          {"llama.block_count", number(1)},
          {"llama.feed_forward_length", number(8)},
          {"llama.attention.head_count", number(2)},
          {"llama.attention.layer_norm_rms_epsilon", 1e-5f}};
}
std::string said_of_gguf(metadata const& entries, std::vector<index_t> table = {32, 8}) {
  std::vector<lm::stored_tensor> tensors;
  if (!table.empty()) tensors.push_back({"token_embd.weight", lm::storage_type::f32, std::move(table), {}});
  lm::gguf_file const file{{"m.gguf", entries}, {"m.gguf", std::move(tensors), {}}};
  return said_by([&] { lm::gguf_model(file); });
}
std::string said_of_gguf(std::string const& entry, lm::gguf_value value) {
  auto entries = small_llama();
  entries[entry] = std::move(value);
  return said_of_gguf(entries);
}

}  // namespace

TEST_CASE("a configuration of an unknown architecture is refused with those that are known", "[unit][pretrained]") {
  std::string const known =
      "'bert', 'Dream', 'gpt2', 'llada', 'llama', 'mdlm', 'mmada', 'qwen2' or 'qwen3'";
  CHECK(said_of("llama", {{"model_type", "mamba"}}) == refusal("model_type", "'mamba'", known));
  CHECK(said_without("llama", "model_type") ==
        "basin: c.json: its configuration has no 'model_type'; it must be " + known +
            ": is it the configuration of another model?");
  CHECK(said_of("llama", {{"model_type", 3}}) == refusal("model_type", "3", "a text"));
  CHECK(said_by([] { lm::pretrained_of(json::array(), "c.json"); }) ==
        "basin: c.json is no JSON object; give a model's config.json");
}

TEST_CASE("a configuration without an entry, or with one out of its rule, is refused", "[unit][pretrained]") {
  CHECK(said_without("llama", "hidden_size") ==
        "basin: c.json: its configuration has no 'hidden_size'; it must be a whole number from 1 to 131072: is it the "
        "configuration of another model?");
  auto const [name, entry, value, spelled, rule] =
      GENERATE(table<std::string, std::string, json, std::string, std::string>({
          {"llama", "vocab_size", 0, "0", "a whole number from 1 to 4194304"},
          {"llama", "hidden_size", 16.5, "16.5", "a whole number from 1 to 131072"},
          {"llama", "num_hidden_layers", -1, "-1", "a whole number from 1 to 1024"},
          {"llama", "num_attention_heads", "4", "'4'", "a whole number from 1 to 131072"},
          {"llama", "rms_norm_eps", 2, "2", "a finite number from 0 to 1"},
          {"llama", "bos_token_id", 32, "32", "a whole number from 0 to 31"},
          {"llama", "eos_token_id", json::array({2, 32}), "a list of 2", "a token, or a list of tokens below 32"},
          {"llama", "eos_token_id", -1, "-1", "a whole number from 0 to 31"},
          {"llama", "tie_word_embeddings", "no", "'no'", "true or false"},
          {"llama", "attention_bias", 1, "1", "true or false"},
          {"gpt2", "n_positions", 0, "0", "a whole number from 1 to 16777216"},
          {"gpt2", "tie_word_embeddings", 0, "0", "true or false"},
          {"llada", "mask_token_id", 32, "32", "a whole number from 0 to 31"},
          {"llada", "weight_tying", "yes", "'yes'", "true or false"},
          {"dream", "mask_token_id", 1e9, "1000000000.0", "a whole number from 0 to 31"},
          {"mdlm", "model_length", 0, "0", "a whole number from 1 to 16777216"},
          {"bert", "layer_norm_eps", "small", "'small'", "a finite number from 0 to 1"},
      }));
  CHECK(said_of(name, {{entry, value}}) == refusal(entry, spelled, rule));
}

TEST_CASE("a configuration with a part that is not read is refused by the name of the part", "[unit][pretrained]") {
  auto const [name, entry, value, spelled, rule] =
      GENERATE(table<std::string, std::string, json, std::string, std::string>({
          {"llama", "mlp_bias", true, "true", "false: a bias of the MLP is not read"},
          {"llama", "hidden_act", "gelu", "'gelu'", "'silu'"},
          {"qwen2", "use_sliding_window", true, "true", "false: a sliding window is not read"},
          {"gpt2", "activation_function", "relu", "'relu'", "'gelu_new' or 'gelu_pytorch_tanh'"},
          {"gpt2", "scale_attn_by_inverse_layer_idx", true, "true", "false: a scale of scores by layer is not read"},
          {"llada", "block_type", "sequential", "'sequential'", "'llama'"},
          {"llada", "activation_type", "swiglu", "'swiglu'", "'silu'"},
          {"llada", "layer_norm_type", "default", "'default'", "'rms'"},
          {"llada", "alibi", true, "true", "false: ALiBi is not read"},
          {"llada", "attention_layer_norm", true, "true", "false: a norm of queries and keys is not read"},
          {"llada", "include_bias", true, "true", "false: a bias is not read"},
          {"llada", "include_qkv_bias", true, "true", "false: a bias is not read"},
          {"llada", "scale_logits", true, "true", "false: a scale of the logits is not read"},
          {"llada", "input_emb_norm", true, "true", "false: a norm of the embedding is not read"},
          {"mdlm", "time_conditioning", true, "true", "false: a model that is fed the noise level is not read"},
          {"bert", "hidden_act", "relu", "'relu'", "'gelu'"},
          {"bert", "position_embedding_type", "relative_key", "'relative_key'", "'absolute'"},
      }));
  CHECK(said_of(name, {{entry, value}}) == refusal(entry, spelled, rule));
}

TEST_CASE("a scaling of rotary positions that is not read is refused", "[unit][pretrained]") {
  auto const with = [](json const& parameters) { return said_of("llama", {{"rope_parameters", parameters}}); };
  std::string const kinds = "one of default, linear, llama3, yarn";
  CHECK(with({{"rope_type", "longrope"}}) == refusal("rope_parameters.rope_type", "'longrope'", kinds));
  CHECK(with({{"type", "dynamic"}, {"factor", 2}}) == refusal("rope_parameters.type", "'dynamic'", kinds));
  CHECK(with({{"rope_type", "linear"}}) ==
        "basin: c.json: its configuration has no 'rope_parameters.factor'; it must be a finite number from 1 to "
        "1e+06: is it the configuration of another model?");
  CHECK(with({{"rope_type", "yarn"}, {"factor", 0.5}}) ==
        refusal("rope_parameters.factor", "0.5", "a finite number from 1 to 1e+06"));
  CHECK(with("none") == refusal("rope_parameters", "'none'", "an object"));
}

TEST_CASE("entries that are null are as good as absent", "[unit][pretrained]") {
  for (auto const entry : {"tie_word_embeddings", "attention_bias", "mlp_bias", "rope_scaling", "bos_token_id"}) {
    CAPTURE(entry);
    CHECK(said_of("llama", {{entry, nullptr}}) == "nothing");
  }
}

TEST_CASE("sizes that make no model are refused with the file that has them", "[unit][pretrained]") {
  std::string const begin = "basin: c.json: its configuration makes no model: ";
  CHECK(said_of("gpt2", {{"n_head", 3}}) ==
        begin + "basin::lm::attention_layer: dim is 16 with 3 heads; dim must be a multiple of heads, or head_dim be "
                "given");
  CHECK(said_of("llama", {{"num_key_value_heads", 3}}) ==
        begin + "basin::lm::attention_layer: 4 heads share 3 key heads; heads must be a multiple of kv_heads");
}

TEST_CASE("a checkpoint with a tensor too few or too many is refused", "[unit][pretrained]") {
  std::string const query = "model.layers.1.self_attn.q_proj.weight";
  auto const near_query = said_of_weights("llama", [&](auto& all) {
    std::erase_if(all, [&](auto const& one) { return one.name == query; });
  });
  CHECK(near_query.starts_with("basin: w has no tensor '" + query + "'; did you mean '"));
  CHECK(near_query.ends_with("is it a checkpoint of this model?"));
  CHECK(said_of_weights("llama", [](auto& all) { all.push_back({"model.layers.2.extra", {}, {1}, {}}); }) ==
        "basin: w has a tensor 'model.layers.2.extra', which a model of the architecture llama with 2 layers does not "
        "have; is it a checkpoint of another model?");
}

TEST_CASE("a tensor of another shape is refused with both shapes", "[unit][pretrained]") {
  auto const with_shape = [](std::string const& name, std::string const& tensor, std::vector<index_t> const& shape) {
    return said_of_weights(name, [&](auto& all) { tensor_in(all, tensor).shape = shape; });
  };
  auto const asks = [](std::string const& tensor, std::string const& found, std::string const& needed) {
    return "basin: w: tensor '" + tensor + "' has shape " + found + "; the configuration asks for " + needed;
  };
  CHECK(with_shape("llama", "model.embed_tokens.weight", {33, 16}) ==
        asks("model.embed_tokens.weight", "[33, 16]", "[32, 16]"));
  CHECK(with_shape("llama", "model.norm.weight", {16, 1}) == asks("model.norm.weight", "[16, 1]", "[16]"));
  CHECK(with_shape("gpt2", "transformer.h.1.mlp.c_fc.weight", {64, 16}) ==
        asks("transformer.h.1.mlp.c_fc.weight", "[64, 16]", "[16, 64]"));
  CHECK(with_shape("gpt2", "transformer.h.0.attn.c_attn.weight", {16, 15}) ==
        asks("transformer.h.0.attn.c_attn.weight", "[16, 15]", "at least [16, 16]"));
  CHECK(with_shape("mdlm", "backbone.sigma_map.mlp.2.bias", {7}) ==
        "basin: w: tensor 'backbone.sigma_map.mlp.2.bias' has shape [7]; this model needs [8]");
  CHECK(with_shape("mdlm", "backbone.sigma_map.mlp.0.weight", {8}) ==
        "basin: w: tensor 'backbone.sigma_map.mlp.0.weight' has shape [8]; it must be a matrix");
  CHECK(with_shape("mdlm", "backbone.blocks.1.adaLN_modulation.weight", {64, 8}) ==
        "basin: w: tensor 'backbone.blocks.1.adaLN_modulation.weight' has shape [64, 8]; this model needs [96, 8]");
}

TEST_CASE("a storage type that is not read is refused", "[unit][pretrained]") {
  auto const said = said_of_weights("llama", [](auto& all) {
    tensor_in(all, "lm_head.weight").type = lm::storage_type::f8_e4m3;
  });
  CHECK(said.starts_with("basin: tensor 'lm_head.weight' is stored as F8_E4M3, which is not read; convert it to one "
                         "of "));
}

TEST_CASE("a part of the model that the checkpoint was not trained with is refused", "[unit][pretrained]") {
  auto const files = lm::open_pretrained(fixtures / "llama");
  auto const& shape = files.model.shape;
  lm::model_policies const policies(pretrained_test::softmax_alone(), "softmax; layer 1: gate", shape.layers,
                                    static_cast<int>(shape.attention.heads), lm::usual_mask(files.model));
  pretrained_test::model_type model(shape, 0, policies);
  CHECK(said_by([&] { lm::read_weights(model, files.model, files.tensors); }) ==
        "basin: " + files.tensors.origin() + " has no tensor 'layers.1.attention.gate.weight' of the architecture "
        "llama; a policy or part that the checkpoint was not trained with needs numbers of its own");
}

TEST_CASE("a folder without a whole config.json is refused", "[unit][pretrained]") {
  basin_test::scratch const folder;
  auto const file = (folder / "config.json").string();
  auto const said = [&] { return said_by([&] { lm::open_pretrained(folder.path); }); };
  CHECK(said() == "basin: " + file + " cannot be read; give the folder of a model, with config.json and "
                  "model.safetensors");
  std::ofstream(file) << R"({"model_type": "llama", )";
  CHECK(said() == "basin: " + file + " is not a valid JSON file: its text is no JSON in UTF-8: it breaks off at byte "
                  "25 of 24; it may be damaged: copy or make it again");
  std::ofstream(file) << "[]";
  CHECK(said() == "basin: " + file + " is no JSON object; give a model's config.json");
  std::ofstream(file) << config_of("llama").dump();
  CHECK(said().starts_with("basin: " + folder.path.string()));   // there are no weights
}

TEST_CASE("a GGUF file of an unknown architecture, or without an entry, is refused", "[unit][pretrained]") {
  auto const refused = [](std::string_view entry, std::string_view value, std::string_view rule) {
    return message("basin: m.gguf: its metadata has '", entry, "' = ", value, "; it must be ", rule,
                   ": convert the model again, or use another file of it");
  };
  CHECK(said_of_gguf(small_llama()) == "nothing");
  CHECK(said_of_gguf("general.architecture", std::string("mamba")) ==
        refused("general.architecture", "'mamba'", "one of llama, qwen2, qwen3"));
  CHECK(said_of_gguf(metadata{}) ==
        "basin: m.gguf: its metadata has no 'general.architecture'; it must be a text: convert the model again, or use "
        "another file of it");
  CHECK(said_of_gguf("llama.rope.scaling.type", std::string("yarn")) ==
        refused("llama.rope.scaling.type", "'yarn'", "none: scaled rotary positions of GGUF are not read"));
  CHECK(said_of_gguf("llama.block_count", std::uint32_t{0}) ==
        refused("llama.block_count", "0", "a whole number from 1 to 16777216"));
  CHECK(said_of_gguf("tokenizer.ggml.bos_token_id", std::uint32_t{32}) ==
        refused("tokenizer.ggml.bos_token_id", "32", "a whole number from 0 to 31"));
  auto entries = small_llama();
  entries.erase("llama.context_length");
  CHECK(said_of_gguf(entries) ==
        "basin: m.gguf: its metadata has no 'llama.context_length'; it must be a whole number from 1 to 16777216: "
        "convert the model again, or use another file of it");
  CHECK(said_of_gguf(small_llama(), {}) ==
        "basin: m.gguf has no tensor 'token_embd.weight'; is it a checkpoint of this model?");
}

}  // namespace basin

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Covers lm/training/trainer.hpp on a device with policies by name: a checkpoint continues on the device and on the
// host alike. The device is that of transformer_on_a_device.test.cpp
#include <algorithm>
#include <span>

#include "basin/lm/policies/normalizers_on_device.hpp"

#include <device_under_test.hpp>
#include "basin/lm/training/trainer.hpp"
#include "lm/close_numbers.hpp"
#include "lm/scratch.hpp"
#include "programs/normalizers_by_name.hpp"
#include "support/catch.hpp"

namespace basin {

TEST_CASE("a checkpoint of a run by name on a device continues there and on the host, with the same policies",
          "[parity][policies][device]") {
  using on_device = lm::trainers<basin_test::device_under_test>::autoregressive;
  using on_host = lm::trainers<lm::host>::autoregressive;
  basin_test::scratch const folder;
  auto const& known = programs::normalizers_by_name();
  lm::run_options const options{.objective = "ar", .steps = 2, .batch = 1, .dim = 8, .layers = 2, .heads = 2,
                                .kv_heads = 1, .hidden = 8,
                                .attention = "sink_logit:learned; layer 1 head 0: top_k:k=4; layer 0: entmax15",
                                .warmup = 1};
  lm::run_data const data(options);
  on_device began(options, data, known);
  began.step();
  began.save(folder.path, "test");
  auto const saved = lm::load_training(folder.path, known);
  on_device here(options, data, saved, known);
  on_host there(options, data, saved, known);
  for (on_device* const run : {&began, &here}) run->step(), run->model().fetch();
  there.step();
  for (std::size_t n = 0; n < there.model().parameters().size(); ++n) {
    CAPTURE(there.model().parameters()[n].name);
    basin_test::require_close(there.model().parameters()[n].values, here.model().parameters()[n].values);
    CHECK(std::ranges::equal(began.model().parameters()[n].values, here.model().parameters()[n].values));
  }
}

}  // namespace basin

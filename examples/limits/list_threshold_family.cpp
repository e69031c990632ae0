// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
// Normalizers that give weight 0 to what is below a threshold.

#include "basin/normalize/entmax.hpp"
#include "basin/normalize/entmax15.hpp"
#include "basin/normalize/law/asentmax.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/normalize/sparsemax.hpp"
#include "basin/normalize/top_k.hpp"
#include "basin/normalize/top_p.hpp"
#include "limits/instantiate.hpp"

void basin::limits::add_threshold_family(candidates& to) {
  to.add("top_k", top_k{16});
  to.add("top_p", top_p{});
  to.add("sparsemax", sparsemax{});
  to.add("entmax15", entmax15{});
  to.add("entmax_1.25", entmax{{1.25}});
  to.add("asentmax", length_scaled<entmax15, asentmax>{});
}

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// The attentions that a device is compiled for, so that models there have policies by name: one a normalizer, with any
// mask and any scorer.

#include "basin/attention.hpp"
#include "basin/lm/policies/any_law.hpp"
#include "basin/lm/policies/any_mask.hpp"
#include "basin/lm/policies/any_scorer.hpp"
#include "basin/normalize/length_scaled.hpp"
#include "basin/observe/received_attention.hpp"
#include "basin/prune/drop_keys.hpp"

namespace basin::lm {

/// A normalizer whose scores are scaled by their number, by any law.
template <normalizer Normalizer>
using scaled_by_length = length_scaled<Normalizer, any_law>;

template <normalizer Normalizer>
using device_attention = attention<Normalizer, any_mask, keep_all, unobserved, any_scorer>;
/// The same, where an Adapt hides keys and records the attention that each key receives.
template <normalizer Normalizer>
using observed_device_attention = attention<Normalizer, any_mask, drop_keys, received_attention, any_scorer>;

}  // namespace basin::lm

// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

#include <utility>
#include <vector>

#include "basin/lm/attention_cache.hpp"

namespace basin::lm {

/// Keys and values of all layers of a model, for sequences that grow together. transformer::make_cache() makes one.
///
/// State     a copy is independent of the original
/// Errors    those of attention_cache
template <class T, class Device>
class sequence_cache {
 public:
  explicit sequence_cache(std::vector<attention_cache<T, Device>> layers) : caches(std::move(layers)) {}

  index_t batch() const { return caches.front().shape_of().batch; }
  index_t length() const { return caches.front().length(); }
  index_t capacity() const { return caches.front().capacity(); }
  std::size_t layers() const { return caches.size(); }
  attention_cache<T, Device>& layer(int l) { return caches[static_cast<std::size_t>(l)]; }
  attention_cache<T, Device> const& layer(int l) const { return caches[static_cast<std::size_t>(l)]; }

  /// Forgets every token from `length` on; what stays is as it was.
  void truncate(index_t length) {
    for (auto& cache : caches) cache.truncate(length);
  }
  void clear() { truncate(0); }

 private:
  std::vector<attention_cache<T, Device>> caches;
};

}  // namespace basin::lm

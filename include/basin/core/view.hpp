// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#pragma once

// Strided, non-owning views: cuda::std::mdspan from CCCL, the same type with or without nvcc.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cuda/std/mdspan>

namespace basin {

using index_t = std::int64_t;

/// A view of Rank extents with any strides, counted in elements.
template <class T, int Rank>
using view = cuda::std::mdspan<T, cuda::std::dextents<index_t, Rank>, cuda::std::layout_stride>;

/// A view over memory at `pointer` with the given extents and strides (both counted in elements).
template <class T, std::size_t Rank>
view<T, static_cast<int>(Rank)> strided(T* pointer, std::array<index_t, Rank> extents,
                                        std::array<index_t, Rank> strides) {
  using extents_type = cuda::std::dextents<index_t, Rank>;
  cuda::std::array<index_t, Rank> e{}, s{};
  for (std::size_t r = 0; r < Rank; ++r) {
    e[r] = extents[r];
    s[r] = strides[r];
  }
  return {pointer, cuda::std::layout_stride::mapping<extents_type>(extents_type(e), s)};
}

/// A dense row-major view: the last extent is contiguous.
template <class T, class... Extents>
view<T, static_cast<int>(sizeof...(Extents))> contiguous(T* pointer, Extents... extents) {
  std::array<index_t, sizeof...(Extents)> const sizes{static_cast<index_t>(extents)...};
  std::array<index_t, sizeof...(Extents)> strides{};
  index_t step = 1;
  for (std::size_t r = sizes.size(); r-- > 0;) {
    strides[r] = step;
    step *= sizes[r];
  }
  return strided(pointer, sizes, strides);
}

}  // namespace basin

// ROIAlign on the CPU.
//
// Bilinear sampling and the mean over a bin are products of two axes, so that a bin is wy^T F wx with a few taps an axis. The taps of
// all rois are worked out once and serve every channel. Per channel and row of bins, the rows of the map are summed first (contiguous,
// vectorised), then the columns. Threads share out channels: backward needs no atomics, and sums in the same order on every run.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "geometry.h"
#include "ops.h"
#include "simd.h"

namespace sgg::cpu {
namespace {

// Cells and weights of every bin of every pooling along one axis, merged where samples share a cell.
template <typename T>
struct AxisTaps {
  std::vector<int64_t> begin;  // (poolings * bins + 1), room included
  std::vector<int64_t> end;    // (poolings * bins)
  std::vector<int32_t> cell;
  std::vector<T> weight;
};

// One roi on one level.
template <typename T>
struct Pooling {
  int64_t roi, level, channel_offset;
  AlignAxis<T> x, y;
  int64_t image;
  int64_t first_column, columns;  // of the map, that the taps span
};

struct Level {
  int64_t height, width;
};

template <typename T>
std::vector<Pooling<T>> plan(const at::Tensor& rois, const std::optional<at::Tensor>& levels, int64_t num_images, int64_t num_levels,
                             int64_t channels, int64_t height, int64_t width, at::ArrayRef<double> scales, int64_t sampling_ratio) {
  const T* roi = rois.const_data_ptr<T>();
  const int64_t* level_of = levels ? levels->const_data_ptr<int64_t>() : nullptr;
  std::vector<Pooling<T>> poolings;
  poolings.reserve(rois.size(0) * (levels ? 1 : num_levels));
  for (int64_t k = 0; k < rois.size(0); ++k, roi += 5) {
    const auto image = static_cast<int64_t>(roi[0]);
    TORCH_CHECK_INDEX(roi[0] >= 0 && image < num_images, "roi_align: roi ", k, " names image ", roi[0], " of a batch of ", num_images);
    TORCH_CHECK_INDEX(!level_of || (level_of[k] >= 0 && level_of[k] < num_levels), "roi_align: roi ", k, " names level ",
                      level_of ? level_of[k] : 0, " of ", num_levels);
    const int64_t first = level_of ? level_of[k] : 0;
    const int64_t last = level_of ? first : num_levels - 1;
    for (int64_t l = first; l <= last; ++l) {
      const T scale = static_cast<T>(scales[l]);
      poolings.push_back({k, l, level_of ? 0 : l * channels, AlignAxis<T>(roi[1], roi[3], scale, width, sampling_ratio),
                          AlignAxis<T>(roi[2], roi[4], scale, height, sampling_ratio), image, 0, 0});
    }
  }
  return poolings;
}

template <typename T>
void add_tap(AxisTaps<T>& taps, int64_t begin, int64_t& end, int64_t cell, T weight) {
  if (weight == T(0)) {
    return;
  }
  // Positions ascend: a cell seen before is among the last two.
  for (int64_t t = end - 1; t >= begin && taps.cell[t] >= cell; --t) {
    if (taps.cell[t] == cell) {
      taps.weight[t] += weight;
      return;
    }
  }
  taps.cell[end] = static_cast<int32_t>(cell);
  taps.weight[end++] = weight;
}

template <typename T, typename GetAxis>
AxisTaps<T> collect_taps(const std::vector<Pooling<T>>& poolings, int64_t bins, const GetAxis& axis_and_size) {
  AxisTaps<T> taps;
  const int64_t count = static_cast<int64_t>(poolings.size());
  taps.begin.resize(count * bins + 1, 0);
  taps.end.resize(count * bins);
  for (int64_t p = 0; p < count; ++p) {
    const auto [axis, size] = axis_and_size(poolings[p]);
    const int64_t room = std::min<int64_t>(2 * axis.samples, size);
    for (int64_t b = 0; b < bins; ++b) {
      taps.begin[p * bins + b + 1] = taps.begin[p * bins + b] + room;
    }
  }
  taps.cell.resize(taps.begin.back());
  taps.weight.resize(taps.begin.back());
  at::parallel_for(0, count, 64, [&](int64_t from, int64_t to) {
    for (int64_t p = from; p < to; ++p) {
      const auto [axis, size] = axis_and_size(poolings[p]);
      for (int64_t b = 0; b < bins; ++b) {
        const int64_t begin = taps.begin[p * bins + b];
        int64_t end = begin;
        for (int64_t s = 0; s < axis.samples; ++s) {
          Taps<T> two;
          if (two.at(axis.position(b, s), size)) {
            const T mean = T(1) / static_cast<T>(axis.samples);
            add_tap(taps, begin, end, two.low, two.low_weight * mean);
            add_tap(taps, begin, end, two.high, two.high_weight * mean);
          }
        }
        taps.end[p * bins + b] = end;
      }
    }
  });
  return taps;
}

// sums[i] = Σ_t weights[t] · plane[rows[t]][i] over `columns` columns.
template <typename T>
SGG_SIMD void sum_rows(T* __restrict__ sums, const T* __restrict__ plane, int64_t stride, const int32_t* rows, const T* weights,
                       int64_t taps, int64_t columns) {
  int64_t t = 0;
  if (taps >= 4) {
    const T *a = plane + rows[0] * stride, *b = plane + rows[1] * stride, *c = plane + rows[2] * stride, *d = plane + rows[3] * stride;
    const T wa = weights[0], wb = weights[1], wc = weights[2], wd = weights[3];
    SGG_INDEPENDENT
    for (int64_t i = 0; i < columns; ++i) {
      sums[i] = wa * a[i] + wb * b[i] + wc * c[i] + wd * d[i];
    }
    t = 4;
  } else if (taps >= 2) {
    const T *a = plane + rows[0] * stride, *b = plane + rows[1] * stride;
    const T wa = weights[0], wb = weights[1];
    SGG_INDEPENDENT
    for (int64_t i = 0; i < columns; ++i) {
      sums[i] = wa * a[i] + wb * b[i];
    }
    t = 2;
  } else {
    for (int64_t i = 0; i < columns; ++i) {
      sums[i] = T(0);
    }
  }
  for (; t < taps; ++t) {
    const T* a = plane + rows[t] * stride;
    const T wa = weights[t];
    SGG_INDEPENDENT
    for (int64_t i = 0; i < columns; ++i) {
      sums[i] += wa * a[i];
    }
  }
}

// The transpose: plane[rows[t]][i] += weights[t] · sums[i].
template <typename T>
SGG_SIMD void spread_rows(const T* __restrict__ sums, T* __restrict__ plane, int64_t stride, const int32_t* rows, const T* weights,
                          int64_t taps, int64_t columns) {
  for (int64_t t = 0; t < taps; ++t) {
    T* a = plane + rows[t] * stride;
    const T wa = weights[t];
    SGG_INDEPENDENT
    for (int64_t i = 0; i < columns; ++i) {
      a[i] += wa * sums[i];
    }
  }
}

// The poolings with their taps, and how to walk them.
template <typename T>
struct Plan {
  std::vector<Pooling<T>> poolings;
  std::vector<Level> levels;
  AxisTaps<T> x, y;
  int64_t height, width;
  int64_t widest = 0;

  Plan(const at::Tensor& rois, const std::optional<at::Tensor>& roi_levels, std::vector<Level> sizes, int64_t num_images,
       int64_t channels, int64_t height, int64_t width, at::ArrayRef<double> scales, int64_t sampling_ratio)
      : poolings(plan<T>(rois, roi_levels, num_images, static_cast<int64_t>(sizes.size()), channels, height, width, scales, sampling_ratio)),
        levels(std::move(sizes)),
        height(height),
        width(width) {
    x = collect_taps(poolings, width, [&](const Pooling<T>& p) { return std::pair(p.x, levels[p.level].width); });
    y = collect_taps(poolings, height, [&](const Pooling<T>& p) { return std::pair(p.y, levels[p.level].height); });
    for (size_t p = 0; p < poolings.size(); ++p) {
      span_columns(poolings[p], static_cast<int64_t>(p) * width);
      widest = std::max(widest, poolings[p].columns);
    }
  }

  void span_columns(Pooling<T>& pooling, int64_t first_bin) {
    int32_t low = INT32_MAX, high = -1;
    for (int64_t b = first_bin; b < first_bin + width; ++b) {
      if (x.end[b] > x.begin[b]) {  // ascending within a bin
        low = std::min(low, x.cell[x.begin[b]]);
        high = std::max(high, x.cell[x.end[b] - 1]);
      }
    }
    pooling.first_column = high < 0 ? 0 : low;
    pooling.columns = high < 0 ? 0 : high - low + 1;
    for (int64_t b = first_bin; b < first_bin + width; ++b) {
      for (int64_t t = x.begin[b]; t < x.end[b]; ++t) {
        x.cell[t] -= static_cast<int32_t>(pooling.first_column);
      }
    }
  }

  void forward(int64_t p, const T* plane, T* out, T* sums) const {
    const Pooling<T>& pooling = poolings[p];
    const int64_t stride = levels[pooling.level].width;
    for (int64_t h = 0; h < height; ++h) {
      const int64_t row = p * height + h, first = y.begin[row];
      sum_rows(sums, plane + pooling.first_column, stride, y.cell.data() + first, y.weight.data() + first, y.end[row] - first, pooling.columns);
      for (int64_t w = 0; w < width; ++w) {
        T value = 0;
        for (int64_t t = x.begin[p * width + w]; t < x.end[p * width + w]; ++t) {
          value += x.weight[t] * sums[x.cell[t]];
        }
        *out++ = value;
      }
    }
  }

  void backward(int64_t p, const T* grad, T* plane, T* sums) const {
    const Pooling<T>& pooling = poolings[p];
    const int64_t stride = levels[pooling.level].width;
    for (int64_t h = 0; h < height; ++h) {
      std::fill_n(sums, pooling.columns, T(0));
      for (int64_t w = 0; w < width; ++w, ++grad) {
        for (int64_t t = x.begin[p * width + w]; t < x.end[p * width + w]; ++t) {
          sums[x.cell[t]] += x.weight[t] * *grad;
        }
      }
      const int64_t row = p * height + h, first = y.begin[row];
      spread_rows(sums, plane + pooling.first_column, stride, y.cell.data() + first, y.weight.data() + first, y.end[row] - first, pooling.columns);
    }
  }
};

at::ScalarType accumulate_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

}  // namespace

at::Tensor roi_align(at::TensorList features, const at::Tensor& rois, const std::optional<at::Tensor>& levels, int64_t height,
                     int64_t width, at::ArrayRef<double> scales, int64_t sampling_ratio) {
  const auto type = accumulate_type(features[0].scalar_type());
  const int64_t channels = features[0].size(1), num_levels = static_cast<int64_t>(features.size());
  std::vector<at::Tensor> maps;
  std::vector<Level> sizes;
  for (const auto& level : features) {
    maps.push_back(level.to(type).contiguous());
    sizes.push_back({level.size(2), level.size(3)});
  }
  const int64_t out_channels = levels ? channels : num_levels * channels;
  auto out = at::empty({rois.size(0), out_channels, height, width}, features[0].options().dtype(type));
  AT_DISPATCH_FLOATING_TYPES(type, "roi_align", [&] {
    const auto boxes = rois.to(type).contiguous();
    const auto level_of = levels ? std::optional(levels->contiguous()) : std::nullopt;
    const Plan<scalar_t> plan(boxes, level_of, sizes, features[0].size(0), channels, height, width, scales, sampling_ratio);
    const int64_t count = static_cast<int64_t>(plan.poolings.size());
    scalar_t* result = out.mutable_data_ptr<scalar_t>();
    // Channel by channel, so that a plane stays in the cache; long lists of rois are cut for the threads where channels are few.
    const int64_t block = channels >= 4 * at::get_num_threads() ? std::max<int64_t>(count, 1) : 32;
    const int64_t blocks = (count + block - 1) / block;
    at::parallel_for(0, channels * blocks, 1, [&](int64_t from, int64_t to) {
      std::vector<scalar_t> sums(plan.widest);
      for (int64_t task = from; task < to; ++task) {
        const int64_t c = task / blocks, first = task % blocks * block;
        for (int64_t p = first; p < std::min(first + block, count); ++p) {
          const auto& pooling = plan.poolings[p];
          const Level size = sizes[pooling.level];
          const scalar_t* plane = maps[pooling.level].const_data_ptr<scalar_t>() + (pooling.image * channels + c) * size.height * size.width;
          plan.forward(p, plane, result + (pooling.roi * out_channels + pooling.channel_offset + c) * height * width, sums.data());
        }
      }
    });
  });
  return out.to(features[0].scalar_type());
}

std::vector<at::Tensor> roi_align_backward(const at::Tensor& grad, const at::Tensor& rois, const std::optional<at::Tensor>& levels,
                                           at::IntArrayRef sizes, at::ArrayRef<double> scales, int64_t sampling_ratio) {
  const auto type = accumulate_type(grad.scalar_type());
  const int64_t images = sizes[0], channels = sizes[1], out_channels = grad.size(1), height = grad.size(2), width = grad.size(3);
  std::vector<at::Tensor> maps;
  std::vector<Level> level_sizes;
  for (size_t l = 0; l < scales.size(); ++l) {
    level_sizes.push_back({sizes[2 + 2 * l], sizes[3 + 2 * l]});
    maps.push_back(at::zeros({images, channels, level_sizes[l].height, level_sizes[l].width}, grad.options().dtype(type)));
  }
  AT_DISPATCH_FLOATING_TYPES(type, "roi_align_backward", [&] {
    const auto boxes = rois.to(type).contiguous();
    const auto level_of = levels ? std::optional(levels->contiguous()) : std::nullopt;
    const auto incoming = grad.to(type).contiguous();
    const Plan<scalar_t> plan(boxes, level_of, level_sizes, images, channels, height, width, scales, sampling_ratio);
    const scalar_t* gradient = incoming.template const_data_ptr<scalar_t>();
    at::parallel_for(0, channels, 1, [&](int64_t from, int64_t to) {
      std::vector<scalar_t> sums(plan.widest);
      for (int64_t c = from; c < to; ++c) {
        for (size_t p = 0; p < plan.poolings.size(); ++p) {
          const auto& pooling = plan.poolings[p];
          const Level size = level_sizes[pooling.level];
          scalar_t* plane = maps[pooling.level].mutable_data_ptr<scalar_t>() + (pooling.image * channels + c) * size.height * size.width;
          const int64_t at = (pooling.roi * out_channels + pooling.channel_offset + c) * height * width;
          plan.backward(static_cast<int64_t>(p), gradient + at, plane, sums.data());
        }
      }
    });
  });
  for (auto& map : maps) {
    map = map.to(grad.scalar_type());
  }
  return maps;
}

}  // namespace sgg::cpu

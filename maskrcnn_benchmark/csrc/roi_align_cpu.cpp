// ROIAlign on the CPU.
//
// Bilinear sampling and the mean over a bin are products of two axes: a bin is Σ_y Σ_x w_y w_x map[y][x] over a few taps an axis, merged
// where samples share a cell. The taps of all rois are worked out once and serve every channel. Backward needs no atomics and sums in the
// same order on every run, whatever the number of threads.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "channel_blocks.h"
#include "geometry.h"
#include "ops.h"

namespace sgg::cpu {
namespace {

// One roi on one level.
template <typename S>
struct Pooling {
  int64_t roi, level, image, channel_offset;
  AlignAxis<S> x, y;
};

struct LevelSize {
  int64_t height, width;
};

// Cells and weights of every bin of every pooling along one axis.
template <typename S>
struct AxisTaps {
  std::vector<int64_t> begin;  // (poolings * bins + 1): room for each bin
  std::vector<int64_t> end;    // (poolings * bins): what is used of it
  std::vector<int32_t> cell;   // ascending in a bin
  std::vector<S> weight;

  void add(int64_t first, int64_t& last, int64_t at, S value) {
    if (value == S(0)) {
      return;
    }
    // Positions ascend: a cell seen before is among the last two.
    for (int64_t t = last - 1; t >= first && cell[t] >= at; --t) {
      if (cell[t] == at) {
        weight[t] += value;
        return;
      }
    }
    cell[last] = static_cast<int32_t>(at);
    weight[last++] = value;
  }
};

template <typename S, typename GetAxis>
AxisTaps<S> collect_taps(const std::vector<Pooling<S>>& poolings, int64_t bins, const GetAxis& axis_and_size) {
  AxisTaps<S> taps;
  const auto count = static_cast<int64_t>(poolings.size());
  taps.begin.resize(count * bins + 1, 0);
  taps.end.resize(count * bins);
  for (int64_t p = 0; p < count; ++p) {
    const auto [axis, size] = axis_and_size(poolings[p]);
    const int64_t room = std::min<int64_t>(2 * axis.samples, size);
    for (int64_t b = p * bins; b < (p + 1) * bins; ++b) {
      taps.begin[b + 1] = taps.begin[b] + room;
    }
  }
  taps.cell.resize(taps.begin.back());
  taps.weight.resize(taps.begin.back());
  at::parallel_for(0, count, 256, [&](int64_t from, int64_t to) {
    for (int64_t p = from; p < to; ++p) {
      const auto [axis, size] = axis_and_size(poolings[p]);
      const S mean = S(1) / static_cast<S>(axis.samples);
      for (int64_t b = 0; b < bins; ++b) {
        const int64_t begin = taps.begin[p * bins + b];
        int64_t end = begin;
        for (int64_t s = 0; s < axis.samples; ++s) {
          Taps<S> two;
          if (two.at(axis.position(b, s), size)) {
            taps.add(begin, end, two.low, two.low_weight * mean);
            taps.add(begin, end, two.high, two.high_weight * mean);
          }
        }
        taps.end[p * bins + b] = end;
      }
    }
  });
  return taps;
}

// What the inner loops need of one pooling.
template <typename S>
struct Bins {
  const int64_t *x_begin, *x_end, *y_begin, *y_end;
  const int32_t *x_cell, *y_cell;
  const S *x_weight, *y_weight;
  int64_t high, wide;
};

// cells (rows, width, kLanes) -> out (bins, kLanes).
template <typename S>
SGG_SIMD void pool_block(Bins<S> bins, const S* __restrict__ cells, int64_t row_stride, int64_t first_row, S* __restrict__ out) {
  for (int64_t h = 0; h < bins.high; ++h) {
    for (int64_t w = 0; w < bins.wide; ++w, out += kLanes) {
      S value[kLanes] = {};
      for (int64_t i = bins.y_begin[h]; i < bins.y_end[h]; ++i) {
        const S* row = cells + (bins.y_cell[i] - first_row) * row_stride;
        S sum[kLanes] = {};
        for (int64_t j = bins.x_begin[w]; j < bins.x_end[w]; ++j) {
          const S* cell = row + bins.x_cell[j] * kLanes;
          const S weight = bins.x_weight[j];
          for (int64_t lane = 0; lane < kLanes; ++lane) {
            sum[lane] += weight * cell[lane];
          }
        }
        for (int64_t lane = 0; lane < kLanes; ++lane) {
          value[lane] += bins.y_weight[i] * sum[lane];
        }
      }
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        out[lane] = value[lane];
      }
    }
  }
}

// The transpose: grad (bins, kLanes) is added into cells (rows, width, kLanes).
template <typename S>
SGG_SIMD void spread_block(Bins<S> bins, const S* __restrict__ grad, S* __restrict__ cells, int64_t row_stride, int64_t first_row) {
  for (int64_t h = 0; h < bins.high; ++h) {
    for (int64_t w = 0; w < bins.wide; ++w, grad += kLanes) {
      for (int64_t i = bins.y_begin[h]; i < bins.y_end[h]; ++i) {
        S* row = cells + (bins.y_cell[i] - first_row) * row_stride;
        for (int64_t j = bins.x_begin[w]; j < bins.x_end[w]; ++j) {
          S* cell = row + bins.x_cell[j] * kLanes;
          const S weight = bins.y_weight[i] * bins.x_weight[j];
          for (int64_t lane = 0; lane < kLanes; ++lane) {
            cell[lane] += weight * grad[lane];
          }
        }
      }
    }
  }
}

// All poolings of a call, their taps, and which map each belongs to.
template <typename S>
class Plan {
 public:
  Plan(const at::Tensor& rois, const std::optional<at::Tensor>& levels, std::vector<LevelSize> sizes, int64_t images, int64_t channels,
       int64_t high, int64_t wide, at::ArrayRef<double> scales, int64_t sampling_ratio)
      : sizes_(std::move(sizes)), high_(high), wide_(wide) {
    list_poolings(rois, levels, images, channels, scales, sampling_ratio);
    x_ = collect_taps(poolings_, wide, [&](const Pooling<S>& p) { return std::pair(p.x, sizes_[p.level].width); });
    y_ = collect_taps(poolings_, high, [&](const Pooling<S>& p) { return std::pair(p.y, sizes_[p.level].height); });
    group_by_map(images);
  }

  const std::vector<MapGroup>& groups() const { return groups_; }
  const Pooling<S>& pooling(int64_t p) const { return poolings_[p]; }
  int64_t bins() const { return high_ * wide_; }

  Bins<S> bins_of(int64_t p) const {
    return {x_.begin.data() + p * wide_, x_.end.data() + p * wide_, y_.begin.data() + p * high_, y_.end.data() + p * high_,
            x_.cell.data(),              y_.cell.data(),            x_.weight.data(),            y_.weight.data(),
            high_,                       wide_};
  }

 private:
  void list_poolings(const at::Tensor& rois, const std::optional<at::Tensor>& levels, int64_t images, int64_t channels,
                     at::ArrayRef<double> scales, int64_t sampling_ratio) {
    const auto boxes = rois.to(c10::CppTypeToScalarType<S>::value).contiguous();
    const auto level_of = levels ? levels->contiguous() : at::Tensor();
    const S* roi = boxes.template const_data_ptr<S>();
    const auto num_levels = static_cast<int64_t>(sizes_.size());
    for (int64_t k = 0; k < rois.size(0); ++k, roi += 5) {
      TORCH_CHECK_INDEX(roi[0] >= S(0) && roi[0] < static_cast<S>(images), "roi_align: roi ", k, " names image ", roi[0],
                        " of a batch of ", images);
      const int64_t first = levels ? level_of.template const_data_ptr<int64_t>()[k] : 0;
      TORCH_CHECK_INDEX(first >= 0 && first < num_levels, "roi_align: roi ", k, " names level ", first, " of ", num_levels);
      for (int64_t l = first; l < (levels ? first + 1 : num_levels); ++l) {
        const S scale = static_cast<S>(scales[l]);
        poolings_.push_back({k, l, static_cast<int64_t>(roi[0]), levels ? 0 : l * channels,
                             AlignAxis<S>(roi[1], roi[3], scale, wide_, sampling_ratio),
                             AlignAxis<S>(roi[2], roi[4], scale, high_, sampling_ratio)});
      }
    }
  }

  void group_by_map(int64_t images) {
    std::vector<MapGroup> all;
    for (int64_t index = 0; index < static_cast<int64_t>(sizes_.size()) * images; ++index) {
      all.push_back({index / images, index % images, {}});
    }
    for (size_t p = 0; p < poolings_.size(); ++p) {
      MapGroup& group = all[poolings_[p].level * images + poolings_[p].image];
      group.poolings.push_back(static_cast<int64_t>(p));
      for (size_t b = p * high_; b < (p + 1) * high_; ++b) {
        if (y_.begin[b] < y_.end[b]) {
          group.reach(y_.cell[y_.begin[b]], y_.cell[y_.end[b] - 1] + 1);
        }
      }
    }
    std::copy_if(all.begin(), all.end(), std::back_inserter(groups_), [](const MapGroup& group) { return !group.poolings.empty(); });
  }

  std::vector<LevelSize> sizes_;
  int64_t high_, wide_;
  std::vector<Pooling<S>> poolings_;
  AxisTaps<S> x_, y_;
  std::vector<MapGroup> groups_;
};

}  // namespace

at::Tensor roi_align(at::TensorList features, const at::Tensor& rois, const std::optional<at::Tensor>& levels, int64_t height,
                     int64_t width, at::ArrayRef<double> scales, int64_t sampling_ratio) {
  const int64_t images = features[0].size(0), channels = features[0].size(1);
  const int64_t out_channels = levels ? channels : static_cast<int64_t>(features.size()) * channels, bins = height * width;
  std::vector<LevelSize> sizes;
  for (const auto& map : features) {
    sizes.push_back({map.size(2), map.size(3)});
  }
  auto out = at::empty({rois.size(0), out_channels, height, width}, features[0].options().memory_format(at::MemoryFormat::Contiguous));
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, out.scalar_type(), "roi_align", [&] {
    using S = Sum<scalar_t>;
    const Plan<S> plan(rois, levels, sizes, images, channels, height, width, scales, sampling_ratio);
    scalar_t* result = out.mutable_data_ptr<scalar_t>();
    for_each_block<S>(plan.groups(), channels, /*divisible=*/true, [&](const MapGroup& group, int64_t channel, int64_t from, int64_t to,
                                                                       std::vector<S>& cells) {
      const at::Tensor& map = features[group.level];
      const BlockView view = block_view(map, group, channel);
      std::vector<S> pooled(bins * kLanes);
      cells.resize(view.rows * view.width * kLanes);
      pack(map.const_data_ptr<scalar_t>() + block_offset(map, group, channel), view, cells.data());
      for (int64_t i = from; i < to; ++i) {
        const Pooling<S>& pooling = plan.pooling(group.poolings[i]);
        pool_block(plan.bins_of(group.poolings[i]), cells.data(), view.width * kLanes, group.first_row, pooled.data());
        const int64_t at = (pooling.roi * out_channels + pooling.channel_offset + channel) * bins;
        unpack(pooled.data(), BlockView{1, bins, view.lanes, 0, 1, bins}, result + at);
      }
    });
  });
  return out;
}

std::vector<at::Tensor> roi_align_backward(const at::Tensor& grad, const at::Tensor& rois, const std::optional<at::Tensor>& levels,
                                           at::IntArrayRef sizes, at::ArrayRef<double> scales, int64_t sampling_ratio) {
  const int64_t images = sizes[0], channels = sizes[1], out_channels = grad.size(1), bins = grad.size(2) * grad.size(3);
  std::vector<at::Tensor> maps;
  std::vector<LevelSize> level_sizes;
  for (size_t l = 0; l < scales.size(); ++l) {
    level_sizes.push_back({sizes[2 + 2 * l], sizes[3 + 2 * l]});
    maps.push_back(at::zeros({images, channels, level_sizes[l].height, level_sizes[l].width},
                             grad.options().memory_format(at::MemoryFormat::Contiguous)));
  }
  const auto incoming = grad.contiguous();
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, grad.scalar_type(), "roi_align_backward", [&] {
    using S = Sum<scalar_t>;
    const Plan<S> plan(rois, levels, level_sizes, images, channels, grad.size(2), grad.size(3), scales, sampling_ratio);
    const scalar_t* gradient = incoming.template const_data_ptr<scalar_t>();
    for_each_block<S>(plan.groups(), channels, /*divisible=*/false, [&](const MapGroup& group, int64_t channel, int64_t from, int64_t to,
                                                                        std::vector<S>& cells) {
      at::Tensor& map = maps[group.level];
      const BlockView view = block_view(map, group, channel);
      std::vector<S> pooled(bins * kLanes);
      cells.assign(view.rows * view.width * kLanes, S(0));
      for (int64_t i = from; i < to; ++i) {
        const Pooling<S>& pooling = plan.pooling(group.poolings[i]);
        const int64_t at = (pooling.roi * out_channels + pooling.channel_offset + channel) * bins;
        pack(gradient + at, BlockView{1, bins, view.lanes, 0, 1, bins}, pooled.data());
        spread_block(plan.bins_of(group.poolings[i]), pooled.data(), cells.data(), view.width * kLanes, group.first_row);
      }
      unpack(cells.data(), view, map.mutable_data_ptr<scalar_t>() + block_offset(map, group, channel));
    });
  });
  return maps;
}

}  // namespace sgg::cpu

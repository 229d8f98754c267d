// ROIPool on the CPU.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "channel_blocks.h"
#include "geometry.h"
#include "ops.h"

namespace sgg::cpu {
namespace {

// One roi: its bins along both axes.
template <typename S>
struct Pooling {
  PoolAxis<S> x, y;
};

// Rectangle of cells [x0, x1) × [y0, y1).
struct Cells {
  int64_t x0, x1, y0, y1;
};

template <typename S>
Cells cells_of(const Pooling<S>& roi, int64_t h, int64_t w, int64_t height, int64_t width) {
  return {roi.x.first(w, width), roi.x.last(w, width), roi.y.first(h, height), roi.y.last(h, height)};
}

// Largest value of a bin per channel, and the cell it comes from, the first of equals; 0 and -1 where the bin is empty.
template <typename S>
SGG_SIMD void pool_bin(const S* __restrict__ cells, int64_t width, int64_t first_row, Cells bin, S* __restrict__ value,
                       int64_t* __restrict__ argmax) {
  const bool empty = bin.x1 <= bin.x0 || bin.y1 <= bin.y0;
  S best[kLanes];
  int32_t from[kLanes];
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    best[lane] = empty ? S(0) : cells[((bin.y0 - first_row) * width + bin.x0) * kLanes + lane];
    from[lane] = empty ? -1 : static_cast<int32_t>(bin.y0 * width + bin.x0);
  }
  for (int64_t y = bin.y0; y < bin.y1; ++y) {
    for (int64_t x = bin.x0; x < bin.x1; ++x) {
      const S* cell = cells + ((y - first_row) * width + x) * kLanes;
      const auto here = static_cast<int32_t>(y * width + x);
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        from[lane] = cell[lane] > best[lane] ? here : from[lane];
        best[lane] = cell[lane] > best[lane] ? cell[lane] : best[lane];
      }
    }
  }
  for (int64_t lane = 0; lane < kLanes; ++lane) {
    value[lane] = best[lane];
    argmax[lane] = from[lane];
  }
}

template <typename S>
std::vector<Pooling<S>> list_poolings(const at::Tensor& rois, S scale, int64_t height, int64_t width) {
  std::vector<Pooling<S>> poolings;
  for (int64_t k = 0; k < rois.size(0); ++k) {
    const S* roi = rois.const_data_ptr<S>() + 5 * k;
    poolings.push_back({PoolAxis<S>(roi[1], roi[3], scale, width), PoolAxis<S>(roi[2], roi[4], scale, height)});
  }
  return poolings;
}

// The rois of each image, in their order.
template <typename S>
std::vector<MapGroup> group_by_image(const at::Tensor& rois, int64_t images) {
  std::vector<MapGroup> groups;
  for (int64_t image = 0; image < images; ++image) {
    groups.push_back({0, image, {}});
  }
  for (int64_t k = 0; k < rois.size(0); ++k) {
    const S image = rois.const_data_ptr<S>()[5 * k];
    TORCH_CHECK_INDEX(image >= S(0) && image < static_cast<S>(images), "roi_pool: roi ", k, " names image ", image, " of a batch of ",
                      images);
    groups[static_cast<int64_t>(image)].poolings.push_back(k);
  }
  return groups;
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& features, const at::Tensor& rois, int64_t height, int64_t width,
                                            double scale) {
  const int64_t channels = features.size(1), map_height = features.size(2), map_width = features.size(3), bins = height * width;
  TORCH_CHECK_VALUE(map_height * map_width <= INT32_MAX, "roi_pool: a map of ", map_height, " × ", map_width, " cells is too large");
  auto out = at::empty({rois.size(0), channels, height, width}, features.options().memory_format(at::MemoryFormat::Contiguous));
  auto argmax = at::empty(out.sizes(), out.options().dtype(at::kLong));
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, features.scalar_type(), "roi_pool", [&] {
    using S = Sum<scalar_t>;
    const auto boxes = rois.to(sum_type(features.scalar_type())).contiguous();
    const auto poolings = list_poolings<S>(boxes, static_cast<S>(scale), height, width);
    auto groups = group_by_image<S>(boxes, features.size(0));
    for (auto& group : groups) {
      for (const int64_t k : group.poolings) {
        group.reach(poolings[k].y.first(0, map_height), poolings[k].y.last(height - 1, map_height));
      }
    }
    scalar_t* values = out.mutable_data_ptr<scalar_t>();
    int64_t* origins = argmax.mutable_data_ptr<int64_t>();
    for_each_block<S>(groups, channels, /*divisible=*/true, [&](const MapGroup& group, int64_t channel, int64_t from, int64_t to,
                                                                std::vector<S>& cells) {
      const BlockView view = block_view(features, group, channel), bin_view{1, bins, view.lanes, 0, 1, bins};
      std::vector<S> pooled(bins * kLanes);
      cells.resize(view.rows * map_width * kLanes);
      std::vector<int64_t> origin(bins * kLanes);
      pack(features.const_data_ptr<scalar_t>() + block_offset(features, group, channel), view, cells.data());
      for (int64_t i = from; i < to; ++i) {
        const int64_t k = group.poolings[i], at = (k * channels + channel) * bins;
        for (int64_t bin = 0; bin < bins; ++bin) {
          pool_bin(cells.data(), map_width, group.first_row, cells_of(poolings[k], bin / width, bin % width, map_height, map_width),
                   pooled.data() + bin * kLanes, origin.data() + bin * kLanes);
        }
        unpack(pooled.data(), bin_view, values + at);
        unpack(origin.data(), bin_view, origins + at);
      }
    });
  });
  return {out, argmax};
}

at::Tensor roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois, const at::Tensor& argmax, at::IntArrayRef sizes) {
  const int64_t channels = sizes[1], plane_size = sizes[2] * sizes[3], bins = grad.size(2) * grad.size(3);
  const auto type = sum_type(grad.scalar_type());
  const auto incoming = grad.to(type).contiguous();
  const auto boxes = rois.to(type).contiguous();
  auto maps = at::zeros(sizes, incoming.options());
  AT_DISPATCH_FLOATING_TYPES(type, "roi_pool_backward", [&] {
    const auto groups = group_by_image<scalar_t>(boxes, sizes[0]);
    const scalar_t* gradient = incoming.template const_data_ptr<scalar_t>();
    const int64_t* cells = argmax.const_data_ptr<int64_t>();
    for_each_block<scalar_t>(groups, channels, /*divisible=*/false, [&](const MapGroup& group, int64_t channel, int64_t, int64_t,
                                                                       const auto&) {
      for (int64_t c = channel; c < std::min(channel + kLanes, channels); ++c) {
        scalar_t* plane = maps.template mutable_data_ptr<scalar_t>() + (group.image * channels + c) * plane_size;
        for (const int64_t k : group.poolings) {
          for (int64_t at = (k * channels + c) * bins; at < (k * channels + c + 1) * bins; ++at) {
            if (cells[at] >= 0) {
              plane[cells[at]] += gradient[at];
            }
          }
        }
      }
    });
  });
  return maps.to(grad.scalar_type());
}

}  // namespace sgg::cpu

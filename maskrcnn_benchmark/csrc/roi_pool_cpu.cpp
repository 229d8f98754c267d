// ROIPool on the CPU. Threads share out channels, so that backward needs no atomics.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include "geometry.h"
#include "ops.h"

namespace sgg::cpu {
namespace {

at::ScalarType compute_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

template <typename T>
int64_t image_of(const T* roi, int64_t k, int64_t num_images) {
  const auto image = static_cast<int64_t>(roi[0]);
  TORCH_CHECK_INDEX(roi[0] >= 0 && image < num_images, "roi_pool: roi ", k, " names image ", roi[0], " of a batch of ", num_images);
  return image;
}

// Largest value of one bin, and its cell; 0 and -1 where the bin is empty.
template <typename T>
void pool_bin(const T* plane, int64_t width, int64_t y0, int64_t y1, int64_t x0, int64_t x1, T* value, int64_t* cell) {
  const bool empty = y1 <= y0 || x1 <= x0;
  *value = empty ? T(0) : plane[y0 * width + x0];
  *cell = empty ? -1 : y0 * width + x0;
  for (int64_t y = y0; y < y1; ++y) {
    for (int64_t x = x0; x < x1; ++x) {
      if (plane[y * width + x] > *value) {
        *value = plane[y * width + x];
        *cell = y * width + x;
      }
    }
  }
}

}  // namespace

std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& features, const at::Tensor& rois, int64_t height, int64_t width,
                                            double scale) {
  const auto type = compute_type(features.scalar_type());
  const auto maps = features.to(type).contiguous();
  const auto boxes = rois.to(type).contiguous();
  const int64_t images = maps.size(0), channels = maps.size(1), map_height = maps.size(2), map_width = maps.size(3);
  auto out = at::empty({rois.size(0), channels, height, width}, maps.options());
  auto argmax = at::empty(out.sizes(), maps.options().dtype(at::kLong));
  AT_DISPATCH_FLOATING_TYPES(type, "roi_pool", [&] {
    const scalar_t* map = maps.template const_data_ptr<scalar_t>();
    const scalar_t* box = boxes.template const_data_ptr<scalar_t>();
    scalar_t* values = out.mutable_data_ptr<scalar_t>();
    int64_t* cells = argmax.mutable_data_ptr<int64_t>();
    at::parallel_for(0, rois.size(0) * channels, 16, [&](int64_t from, int64_t to) {
      for (int64_t task = from; task < to; ++task) {
        const int64_t k = task / channels, c = task % channels;
        const scalar_t* roi = box + k * 5;
        const scalar_t* plane = map + (image_of(roi, k, images) * channels + c) * map_height * map_width;
        const PoolAxis<scalar_t> x(roi[1], roi[3], static_cast<scalar_t>(scale), width);
        const PoolAxis<scalar_t> y(roi[2], roi[4], static_cast<scalar_t>(scale), height);
        for (int64_t bin = 0; bin < height * width; ++bin) {
          const int64_t h = bin / width, w = bin % width, at = task * height * width + bin;
          pool_bin(plane, map_width, y.first(h, map_height), y.last(h, map_height), x.first(w, map_width), x.last(w, map_width),
                   values + at, cells + at);
        }
      }
    });
  });
  return {out.to(features.scalar_type()), argmax};
}

at::Tensor roi_pool_backward(const at::Tensor& grad, const at::Tensor& rois, const at::Tensor& argmax, at::IntArrayRef sizes) {
  const auto type = compute_type(grad.scalar_type());
  const auto incoming = grad.to(type).contiguous();
  const auto boxes = rois.to(type).contiguous();
  const int64_t channels = sizes[1], plane_size = sizes[2] * sizes[3], bins = grad.size(2) * grad.size(3);
  auto maps = at::zeros(sizes, incoming.options());
  AT_DISPATCH_FLOATING_TYPES(type, "roi_pool_backward", [&] {
    const scalar_t* gradient = incoming.template const_data_ptr<scalar_t>();
    const scalar_t* box = boxes.template const_data_ptr<scalar_t>();
    const int64_t* cells = argmax.const_data_ptr<int64_t>();
    scalar_t* map = maps.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, channels, 1, [&](int64_t from, int64_t to) {
      for (int64_t c = from; c < to; ++c) {
        for (int64_t k = 0; k < rois.size(0); ++k) {
          scalar_t* plane = map + (image_of(box + k * 5, k, sizes[0]) * channels + c) * plane_size;
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

// IoU of all pairs of boxes, and the masks of pairs, on the CPU.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "geometry.h"
#include "ops.h"
#include "simd.h"

namespace sgg::cpu {
namespace {

template <typename T>
SGG_SIMD void iou_row(const T* __restrict__ a, const T* __restrict__ b, const T* __restrict__ area_b, int64_t count, T* __restrict__ out) {
  const T x1 = a[0], y1 = a[1], x2 = a[2], y2 = a[3], area_a = box_area(a[0], a[1], a[2], a[3]);
  const T *bx1 = b, *by1 = b + count, *bx2 = b + 2 * count, *by2 = b + 3 * count;
  SGG_INDEPENDENT
  for (int64_t j = 0; j < count; ++j) {
    out[j] = overlap(x1, y1, x2, y2, area_a, bx1[j], by1[j], bx2[j], by2[j], area_b[j]);
  }
}

// One channel: cells from floor(x1), floor(y1) to ceil(x2), ceil(y2) are 1. The axes are independent.
template <typename T>
void draw_mask(const T* box, T ratio_x, T ratio_y, int64_t resolution, T* columns, T* mask) {
  for (int64_t x = 0; x < resolution; ++x) {
    columns[x] = mask_covers(box[0], box[2], ratio_x, x) ? T(1) : T(0);
  }
  for (int64_t y = 0; y < resolution; ++y, mask += resolution) {
    if (mask_covers(box[1], box[3], ratio_y, y)) {
      std::copy_n(columns, resolution, mask);
    } else {
      std::fill_n(mask, resolution, T(0));
    }
  }
}

}  // namespace

at::Tensor box_iou(const at::Tensor& boxes_a, const at::Tensor& boxes_b) {
  const int64_t n = boxes_a.size(0), m = boxes_b.size(0);
  const auto type = boxes_a.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto rows = boxes_a.to(type).contiguous();
  const auto columns = boxes_b.to(type).t().contiguous();  // (4, m)
  auto out = at::empty({n, m}, rows.options());
  AT_DISPATCH_FLOATING_TYPES(type, "box_iou", [&] {
    const scalar_t* a = rows.template const_data_ptr<scalar_t>();
    const scalar_t* b = columns.template const_data_ptr<scalar_t>();
    scalar_t* iou = out.mutable_data_ptr<scalar_t>();
    std::vector<scalar_t> area(m);
    for (int64_t j = 0; j < m; ++j) {
      area[j] = box_area(b[j], b[m + j], b[2 * m + j], b[3 * m + j]);
    }
    at::parallel_for(0, n, std::max<int64_t>(1, 16384 / std::max<int64_t>(m, 1)), [&](int64_t from, int64_t to) {
      for (int64_t i = from; i < to; ++i) {
        iou_row(a + 4 * i, b, area.data(), m, iou + i * m);
      }
    });
  });
  return out.to(boxes_a.scalar_type());
}

at::Tensor pair_masks(const at::Tensor& subjects, const at::Tensor& objects, const at::Tensor& image_sizes, int64_t resolution) {
  const int64_t pairs = subjects.size(0), cells = resolution * resolution;
  const auto type = subjects.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto subject = subjects.to(type).contiguous(), object = objects.to(type).contiguous();
  const auto sizes = image_sizes.to(at::kDouble).contiguous();
  auto out = at::empty({pairs, 2, resolution, resolution}, subject.options());
  AT_DISPATCH_FLOATING_TYPES(type, "pair_masks", [&] {
    const scalar_t* boxes[2] = {subject.template const_data_ptr<scalar_t>(), object.template const_data_ptr<scalar_t>()};
    const double* size = sizes.const_data_ptr<double>();
    scalar_t* masks = out.mutable_data_ptr<scalar_t>();
    at::parallel_for(0, pairs, 16, [&](int64_t from, int64_t to) {
      std::vector<scalar_t> columns(resolution);
      for (int64_t p = from; p < to; ++p) {
        const auto ratio_x = static_cast<scalar_t>(static_cast<double>(resolution) / size[2 * p]);
        const auto ratio_y = static_cast<scalar_t>(static_cast<double>(resolution) / size[2 * p + 1]);
        for (int64_t role = 0; role < 2; ++role) {
          draw_mask(boxes[role] + 4 * p, ratio_x, ratio_y, resolution, columns.data(), masks + (2 * p + role) * cells);
        }
      }
    });
  });
  return out.to(subjects.scalar_type());
}

}  // namespace sgg::cpu

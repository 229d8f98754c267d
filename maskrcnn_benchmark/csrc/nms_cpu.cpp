// Greedy NMS on the CPU, per group. Boxes are taken in blocks by descending score: a block is settled within itself, then its survivors
// strike out later boxes, which threads share.
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/index.h>

#include <algorithm>
#include <numeric>

#include "geometry.h"
#include "ops.h"
#include "simd.h"

namespace sgg::cpu {
namespace {

constexpr int64_t kBlock = 64;

// Corners side by side, in the order of the boxes.
template <typename T>
struct Columns {
  std::vector<T> x1, y1, x2, y2, area;

  Columns(const T* boxes, const std::vector<int64_t>& order) {
    for (auto* column : {&x1, &y1, &x2, &y2, &area}) {
      column->reserve(order.size());
    }
    for (const int64_t i : order) {
      const T* box = boxes + 4 * i;
      x1.push_back(box[0]);
      y1.push_back(box[1]);
      x2.push_back(box[2]);
      y2.push_back(box[3]);
      area.push_back(box_area(box[0], box[1], box[2], box[3]));
    }
  }
};

// struck[j] becomes 1 where the IoU of box i and box j is above the threshold, from <= j < to.
template <typename T>
SGG_SIMD void strike_out(const T* __restrict__ x1, const T* __restrict__ y1, const T* __restrict__ x2, const T* __restrict__ y2,
                         const T* __restrict__ area, int32_t* __restrict__ struck, int64_t i, int64_t from, int64_t to, T threshold) {
  const T ax1 = x1[i], ay1 = y1[i], ax2 = x2[i], ay2 = y2[i], area_a = area[i];
  SGG_INDEPENDENT
  for (int64_t j = from; j < to; ++j) {
    struck[j] |= overlap(ax1, ay1, ax2, ay2, area_a, x1[j], y1[j], x2[j], y2[j], area[j]) > threshold ? 1 : 0;
  }
}

template <typename T>
void suppress(const Columns<T>& boxes, std::vector<int32_t>& struck, int64_t begin, int64_t end, T threshold) {
  const auto strike = [&](int64_t i, int64_t from, int64_t to) {
    strike_out(boxes.x1.data(), boxes.y1.data(), boxes.x2.data(), boxes.y2.data(), boxes.area.data(), struck.data(), i, from, to,
               threshold);
  };
  for (int64_t block = begin; block < end; block += kBlock) {
    const int64_t next = std::min(block + kBlock, end);
    for (int64_t i = block; i < next; ++i) {
      if (!struck[i]) {
        strike(i, i + 1, next);
      }
    }
    at::parallel_for(next, end, 1024, [&](int64_t from, int64_t to) {
      for (int64_t i = block; i < next; ++i) {
        if (!struck[i]) {
          strike(i, from, to);
        }
      }
    });
  }
}

}  // namespace

at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, const std::optional<at::Tensor>& groups, double threshold) {
  const int64_t n = boxes.size(0);
  const auto type = boxes.scalar_type() == at::kDouble ? at::kDouble : at::kFloat;
  const auto by_score = at::argsort(scores, /*stable=*/true, /*dim=*/0, /*descending=*/true);
  const int64_t* ranked = by_score.const_data_ptr<int64_t>();

  // Ranks, group after group; within a group by descending score.
  std::vector<int64_t> ranks(n);
  std::iota(ranks.begin(), ranks.end(), 0);
  std::vector<int64_t> ends;
  if (groups) {
    const auto group_of_box = groups->contiguous();
    const int64_t* group = group_of_box.const_data_ptr<int64_t>();
    std::stable_sort(ranks.begin(), ranks.end(), [&](int64_t a, int64_t b) { return group[ranked[a]] < group[ranked[b]]; });
    for (int64_t i = 1; i < n; ++i) {
      if (group[ranked[ranks[i]]] != group[ranked[ranks[i - 1]]]) {
        ends.push_back(i);
      }
    }
  }
  ends.push_back(n);

  std::vector<int64_t> order(n);
  std::transform(ranks.begin(), ranks.end(), order.begin(), [&](int64_t rank) { return ranked[rank]; });
  std::vector<int32_t> struck(n, 0);
  AT_DISPATCH_FLOATING_TYPES(type, "nms", [&] {
    const auto corners = boxes.to(type).contiguous();
    const Columns<scalar_t> columns(corners.template const_data_ptr<scalar_t>(), order);
    at::parallel_for(0, static_cast<int64_t>(ends.size()), 1, [&](int64_t from, int64_t to) {
      for (int64_t g = from; g < to; ++g) {
        suppress(columns, struck, g == 0 ? 0 : ends[g - 1], ends[g], static_cast<scalar_t>(threshold));
      }
    });
  });

  std::vector<int64_t> kept;
  for (int64_t i = 0; i < n; ++i) {
    if (!struck[i]) {
      kept.push_back(ranks[i]);
    }
  }
  std::sort(kept.begin(), kept.end());
  auto result = at::empty({static_cast<int64_t>(kept.size())}, scores.options().dtype(at::kLong));
  std::transform(kept.begin(), kept.end(), result.mutable_data_ptr<int64_t>(), [&](int64_t rank) { return ranked[rank]; });
  return result;
}

}  // namespace sgg::cpu

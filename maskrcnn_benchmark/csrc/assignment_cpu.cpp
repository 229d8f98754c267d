// Greedy assignments on the CPU: one label per box, one predicate per pair.
//
// Both repeat "take the largest remaining probability, settle its row, strike the same column out of the neighbours" and keep, per row,
// the best column that is left, so that a step costs what it changes and not the whole table.
#include <ATen/Dispatch.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <numeric>
#include <queue>
#include <unordered_map>

#include "geometry.h"
#include "ops.h"

namespace sgg::cpu {
namespace {

at::ScalarType compute_type(at::ScalarType type) {
  return type == at::kDouble ? at::kDouble : at::kFloat;
}

// Column of the largest value, the first of equals. Values that are not numbers count as smallest.
template <typename T>
int64_t best_column(const T* row, int64_t first, int64_t columns) {
  int64_t best = first;
  for (int64_t c = first + 1; c < columns; ++c) {
    if (row[c] > row[best] || (row[best] != row[best] && row[c] == row[c])) {
      best = c;
    }
  }
  return best;
}

// A table of probabilities of which entries are struck out, and a queue of rows by their best remaining entry.
// Entries only fall, so that an outdated queue entry is noticed when it comes up, and goes back with its new value.
template <typename T>
class Remaining {
 public:
  Remaining(const T* values, int64_t rows, int64_t columns, int64_t first_column)
      : table_(values, values + rows * columns), best_(rows), done_(rows, 0), columns_(columns), first_(first_column) {
    std::vector<Entry> entries(rows);
    for (int64_t r = 0; r < rows; ++r) {
      best_[r] = best_column(&table_[r * columns], first_, columns_);
      entries[r] = {value(r), r};
    }
    queue_ = std::priority_queue<Entry, std::vector<Entry>, Later>(Later(), std::move(entries));
  }

  // The row whose best entry is the largest of all; the first row of equals. It is taken out.
  int64_t take() {
    for (;;) {
      const Entry top = queue_.top();
      queue_.pop();
      const T now = value(top.row);
      if (now == top.value || now != now) {
        done_[top.row] = 1;
        return top.row;
      }
      queue_.push({now, top.row});
    }
  }

  int64_t column(int64_t row) const { return best_[row]; }
  bool done(int64_t row) const { return done_[row] != 0; }

  void strike_out(int64_t row, int64_t column) {
    table_[row * columns_ + column] = T(0);
    if (!done_[row] && best_[row] == column) {
      best_[row] = best_column(&table_[row * columns_], first_, columns_);
    }
  }

 private:
  struct Entry {
    T value;
    int64_t row;
  };
  struct Later {
    bool operator()(const Entry& a, const Entry& b) const {
      const bool a_missing = a.value != a.value, b_missing = b.value != b.value;
      if (a_missing != b_missing) {
        return a_missing;
      }
      return a.value < b.value || ((a.value == b.value || a_missing) && a.row > b.row);
    }
  };

  T value(int64_t row) const { return table_[row * columns_ + best_[row]]; }

  std::vector<T> table_;
  std::vector<int64_t> best_;
  std::vector<char> done_;
  int64_t columns_, first_;
  std::priority_queue<Entry, std::vector<Entry>, Later> queue_;
};

// Boxes with their label, each once however many pairs share it, and which of them are neighbours (equal labels and IoU at or above
// the threshold; each is its own neighbour).
template <typename T>
class Entities {
 public:
  int64_t add(const T* box, int64_t label) {
    const Key key{{box[0], box[1], box[2], box[3]}, label};
    const auto [at, is_new] = ids_.try_emplace(key, static_cast<int64_t>(keys_.size()));
    if (is_new) {
      keys_.push_back(key);
    }
    return at->second;
  }

  std::vector<std::vector<int64_t>> neighbours(T threshold) const {
    std::unordered_map<int64_t, std::vector<int64_t>> by_label;
    for (size_t e = 0; e < keys_.size(); ++e) {
      by_label[keys_[e].label].push_back(static_cast<int64_t>(e));
    }
    std::vector<std::vector<int64_t>> found(keys_.size());
    for (const auto& [label, members] : by_label) {
      for (size_t a = 0; a < members.size(); ++a) {
        found[members[a]].push_back(members[a]);
        for (size_t b = a + 1; b < members.size(); ++b) {
          if (overlap(keys_[members[a]].box, keys_[members[b]].box) >= threshold) {
            found[members[a]].push_back(members[b]);
            found[members[b]].push_back(members[a]);
          }
        }
      }
    }
    return found;
  }

 private:
  struct Key {
    T box[4];
    int64_t label;
    bool operator==(const Key& other) const { return label == other.label && std::equal(box, box + 4, other.box); }
  };
  struct Hash {
    size_t operator()(const Key& key) const {
      size_t hash = std::hash<int64_t>()(key.label);
      for (const T corner : key.box) {
        hash = hash * 1000003u ^ std::hash<T>()(corner);
      }
      return hash;
    }
  };

  std::unordered_map<Key, int64_t, Hash> ids_;
  std::vector<Key> keys_;
};

}  // namespace

at::Tensor greedy_labels(const at::Tensor& probabilities, const at::Tensor& boxes, double threshold) {
  const int64_t n = probabilities.size(0), classes = probabilities.size(1);
  auto out = at::empty({n}, probabilities.options().dtype(at::kLong));
  int64_t* labels = out.mutable_data_ptr<int64_t>();
  const auto type = compute_type(boxes.scalar_type());
  AT_DISPATCH_FLOATING_TYPES(type, "greedy_labels", [&] {
    const auto values = probabilities.to(at::kDouble).contiguous();
    const auto corners = boxes.to(type).contiguous();
    const scalar_t* box = corners.template const_data_ptr<scalar_t>();
    Remaining<double> remaining(values.template const_data_ptr<double>(), n, classes, /*first_column=*/1);
    for (int64_t step = 0; step < n; ++step) {
      const int64_t row = remaining.take();
      const int64_t label = labels[row] = remaining.column(row);
      const scalar_t* taken = box + 4 * (row * classes + label);
      for (int64_t other = 0; other < n; ++other) {
        if (!remaining.done(other) && overlap(taken, box + 4 * (other * classes + label)) >= static_cast<scalar_t>(threshold)) {
          remaining.strike_out(other, label);
        }
      }
    }
  });
  return out;
}

at::Tensor relation_nms(const at::Tensor& probabilities, const at::Tensor& labels_subject, const at::Tensor& labels_object,
                        const at::Tensor& boxes_subject, const at::Tensor& boxes_object, double threshold) {
  const int64_t pairs = probabilities.size(0);
  auto out = at::empty({pairs}, probabilities.options().dtype(at::kLong));
  int64_t* predicates = out.mutable_data_ptr<int64_t>();
  const auto type = compute_type(boxes_subject.scalar_type());
  const auto value_type = compute_type(probabilities.scalar_type());
  const auto values = probabilities.to(value_type).contiguous();
  const auto label_s = labels_subject.contiguous(), label_o = labels_object.contiguous();

  std::vector<int64_t> subject(pairs), object(pairs);
  std::vector<std::vector<int64_t>> near_subject, near_object;
  AT_DISPATCH_FLOATING_TYPES(type, "relation_nms", [&] {
    const auto corners_s = boxes_subject.to(type).contiguous(), corners_o = boxes_object.to(type).contiguous();
    Entities<scalar_t> subjects, objects;
    for (int64_t p = 0; p < pairs; ++p) {
      subject[p] = subjects.add(corners_s.template const_data_ptr<scalar_t>() + 4 * p, label_s.const_data_ptr<int64_t>()[p]);
      object[p] = objects.add(corners_o.template const_data_ptr<scalar_t>() + 4 * p, label_o.const_data_ptr<int64_t>()[p]);
    }
    near_subject = subjects.neighbours(static_cast<scalar_t>(threshold));
    near_object = objects.neighbours(static_cast<scalar_t>(threshold));
  });
  std::vector<std::vector<int64_t>> pairs_of(near_subject.size());
  for (int64_t p = 0; p < pairs; ++p) {
    pairs_of[subject[p]].push_back(p);
  }

  AT_DISPATCH_FLOATING_TYPES(value_type, "relation_nms", [&] {
    Remaining<scalar_t> remaining(values.template const_data_ptr<scalar_t>(), pairs, probabilities.size(1), /*first_column=*/0);
    std::vector<int64_t> near_in_step(near_object.size(), -1);
    for (int64_t step = 0; step < pairs; ++step) {
      const int64_t pair = remaining.take();
      const int64_t predicate = predicates[pair] = remaining.column(pair);
      for (const int64_t o : near_object[object[pair]]) {
        near_in_step[o] = step;
      }
      for (const int64_t s : near_subject[subject[pair]]) {
        for (const int64_t other : pairs_of[s]) {
          if (!remaining.done(other) && near_in_step[object[other]] == step) {
            remaining.strike_out(other, predicate);
          }
        }
      }
    }
  });
  return out;
}

}  // namespace sgg::cpu

#include "train/post_validation.h"

#include <utility>

#include "lockflight/ops/clip_scale.h"
#include "lockflight/ops/elementwise.h"
#include "lockflight/ops/post_validation.h"

namespace lockflight::train {

PostValidation::PostValidation(RankContext& context, std::int64_t parameters,
                               std::vector<TensorView> updated)
    : last_(context.rank + 1 == context.ranks), updated_(std::move(updated)) {
  const TensorSpec sums{{parameters}, DType::f64};
  known_ = context.device.empty(sums);
  used_ = context.device.empty({{}, DType::f32});
  if (context.rank > 0) {
    received_ = context.device.empty(sums);
  }
  if (last_) {
    return;
  }
  all_ = context.device.empty(sums);
  undo_ = context.device.empty({{}, DType::f32});
  redo_ = context.device.empty({{}, DType::f32});
  for (const TensorView& tensor : updated_) {
    copies_.push_back(context.device.empty(tensor.spec()));
  }
}

plan::RankSums PostValidation::sums() const {
  return {.known = known_.view(),
          .received = received_ ? received_.view() : TensorView(),
          .all = last_ ? known_.view() : all_.view()};
}

TensorView PostValidation::begin(Stream& stream, double max_norm) {
  if (last_) {
    ops::clip_scale(stream, used_, known_, max_norm);
    return used_;
  }
  ops::eager_scale(stream, used_, known_, max_norm);
  for (std::size_t i = 0; i < updated_.size(); ++i) {
    ops::copy(stream, copies_[i], updated_[i]);
  }
  return used_;
}

TensorView PostValidation::amend(Stream& stream, double max_norm) {
  ops::clip_scale(stream, redo_, all_, max_norm);
  ops::amend_scale(stream, undo_, redo_, used_, redo_);
  for (std::size_t i = 0; i < updated_.size(); ++i) {
    ops::restore(stream, updated_[i], copies_[i], undo_);
  }
  return redo_;
}

}  // namespace lockflight::train

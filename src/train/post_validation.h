// How one rank updates at once, and puts that right when the norm of all gradients is known.
// Source: Qi et al. 2023 (arXiv:2401.10241), section 4.

#pragma once

#include <vector>

#include "lockflight/device/tensor.h"
#include "lockflight/plan/rank_sums.h"
#include "lockflight/runtime/pipeline.h"

namespace lockflight::train {

class PostValidation {
 public:
  /// For the rank of `context` and a model of so many parameters; `updated` is what an update
  /// changes.  The last rank knows the norm when it updates, so it keeps no copies.
  PostValidation(RankContext& context, std::int64_t parameters, std::vector<TensorView> updated);

  plan::RankSums sums() const;
  /// Whether what it updates at once is right in any case.
  bool certain() const { return last_; }

  /// Keeps what is to be updated, and returns the scale of the gradients: what is known so far, or
  /// NaN if that is too much.
  TensorView begin(Stream& stream, double max_norm);

  /// Takes back an update that was wrong, and returns the scale of another one; NaN: none.
  TensorView amend(Stream& stream, double max_norm);

 private:
  bool last_;
  std::vector<TensorView> updated_;
  std::vector<Tensor> copies_;
  Tensor known_;
  Tensor received_;
  Tensor all_;
  Tensor used_;
  Tensor undo_;
  Tensor redo_;
};

}  // namespace lockflight::train

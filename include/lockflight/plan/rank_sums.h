// What travels from rank to rank when the optimizer is in the schedule.

#pragma once

#include "lockflight/device/tensor.h"

namespace lockflight::plan {

/// A rank's sums of squares: [n] f64, one for each parameter of the model, zero where it is not
/// known.  Since each is known on one rank alone, adding them is exact.
struct RankSums {
  TensorView known;     ///< of the ranks up to this one
  TensorView received;  ///< of those in front; not on rank 0
  TensorView all;       ///< of all ranks; on the last one it is `known`
};

}  // namespace lockflight::plan

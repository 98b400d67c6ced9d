// What a model's layers cost on the device that is here.

#pragma once

#include <cstdint>

#include "lockflight/device/device.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/profile.h"

namespace lockflight::plan {

struct MeasureOptions {
  int warm_up = 2;      ///< runs of each layer that do not count
  int repetitions = 5;  ///< runs whose median counts
  /// Inputs and targets of type i32 are drawn from 0 … integers_below - 1; others are normal.
  std::int64_t integers_below = 2;
  std::uint64_t seed = 1;
};

/// Runs F, I and W of every layer on `device`, one layer after another, on what the layers before
/// it give for random inputs and on the loss's gradient as it comes back to it.  Takes the times
/// between marks of the stream, all runs enqueued beforehand.  One layer has memory at a time; the
/// model must be without memory, and is so afterwards.  Waits for the device.  Throws
/// InvalidArgument if the options or shapes do not fit or the device has no time (meta), otherwise
/// what failed on the device.
Profile measure_profile(nn::Model& model, Device& device, std::int64_t rows,
                        const MeasureOptions& options = {});

}  // namespace lockflight::plan

// What is to be partitioned: layers, ranks, links, and which rank holds which stage.
//
// Plain values: nothing here knows a model, a device or a schedule. What a schedule means for
// memory is one number per stage, its micro-batches in flight.

#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

namespace lockflight::partition {

constexpr std::int64_t kUnlimited = std::numeric_limits<std::int64_t>::max();

/// What becomes of a layer that saves less and computes the rest again before its backward.
struct Recomputed {
  double seconds = 0;                ///< longer, per micro-batch on a device of speed 1
  std::int64_t saved_bytes = 0;      ///< in place of Layer::saved_bytes
  std::int64_t transient_bytes = 0;  ///< in place of Layer::transient_bytes
};

/// Seconds are for one micro-batch on a device of speed 1.
struct Layer {
  double forward = 0;
  double input_gradient = 0;
  double weight_gradient = 0;
  std::int64_t parameter_bytes = 0;  ///< with gradients and optimizer state
  std::int64_t saved_bytes = 0;      ///< from forward to backward, per micro-batch in flight
  std::int64_t transient_bytes = 0;  ///< while it computes, beyond the two above
  std::int64_t output_bytes = 0;     ///< what it hands to the next layer, per micro-batch
  std::optional<Recomputed> recomputed = std::nullopt;  ///< where that is possible
};

struct Rank {
  double speed = 1;  ///< the layers' seconds are divided by it
  std::int64_t memory_bytes = kUnlimited;
};

/// Free by default.
struct Link {
  double latency_seconds = 0;
  double bytes_per_second = std::numeric_limits<double>::infinity();
};

/// Layer `layer` lies on stage `stage`.
struct Pin {
  int layer = 0;
  int stage = 0;
};

/// The layers are cut into consecutive stages, each of at least one layer; stage s lies on rank
/// rank_of_stage[s]. For one micro-batch
///
///   seconds of a stage = Σ of its layers' (forward + input_gradient + weight_gradient, and
///                        recomputed.seconds of those recomputed) / speed of the rank
///                      + receiving its input, over the link from the previous stage's rank
///                      + receiving its output's gradient, over the link from the next stage's rank
///   seconds of a rank  = Σ over its stages
///
/// A transfer takes latency + output_bytes / bytes_per_second, and nothing between stages on one
/// rank; the receiver pays, both ways. The gradient is as large as the activation.
///
///   bytes of a rank    = Σ over its stages (Σ parameter_bytes + in_flight[s] · Σ saved_bytes)
///                      + the largest transient_bytes among its layers
struct Problem {
  std::vector<Layer> layers;
  std::vector<Rank> ranks;
  std::vector<int> rank_of_stage;  ///< any map; a rank may hold several stages
  std::vector<int> in_flight;      ///< micro-batches whose saved bytes a stage holds at once
  std::vector<Link> links;         ///< from rank a to b: [a · ranks + b]; empty: all are free
  std::vector<int> together;       ///< layers i that lie on one stage with layer i + 1
  std::vector<Pin> pins;
  bool recompute = false;  ///< whether layers may be recomputed

  int stages() const { return static_cast<int>(rank_of_stage.size()); }
};

/// Throws InvalidArgument, with one sentence, if there are fewer layers than stages or no stage, a
/// list has the wrong length, a number is negative, not finite or too large to add up, or the
/// constraints leave no partition.
void check(const Problem& problem);

/// What one rank bears under a partition.
struct Load {
  double seconds = 0;  ///< per micro-batch
  std::int64_t bytes = 0;
};

/// The loads of all ranks, whether or not they fit.  recomputed has an entry per layer, or none at
/// all where none is.  The problem has passed check(), and layers_of_stage adds up to its layers.
std::vector<Load> loads_of(const Problem& problem, std::span<const int> layers_of_stage,
                           const std::vector<bool>& recomputed = {});

}  // namespace lockflight::partition

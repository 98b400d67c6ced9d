// What every layer of a model costs on a device: what partition and simulation work from.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/dry_run.h"

namespace lockflight::plan {

struct LayerSeconds {
  double forward = 0;
  double input_gradient = 0;
  double weight_gradient = 0;

  friend bool operator==(const LayerSeconds&, const LayerSeconds&) = default;
};

/// One layer on one micro-batch.  The loss is part of the last layer.
struct LayerCost {
  std::string name;
  std::int64_t parameters = 0;
  std::size_t output_bytes = 0;           ///< what crosses a boundary behind it
  std::size_t output_gradient_bytes = 0;  ///< what comes back
  LayerMemory memory;
  LayerSeconds seconds;

  friend bool operator==(const LayerCost&, const LayerCost&) = default;
};

struct Profile {
  std::string device;     ///< which one
  bool measured = false;  ///< else estimated
  std::int64_t rows = 0;  ///< of the micro-batch
  std::vector<LayerCost> layers;

  friend bool operator==(const Profile&, const Profile&) = default;
};

/// All but the seconds, which are 0.
LayerCost cost_of(const LayerProfile& layer);

/// Versioned JSON, and back: the result equals the profile.  Reading throws DataError with one
/// sentence, naming `where` (a file), line and column, and the key, if something is missing,
/// unknown, of the wrong type, negative or too large.
std::string to_json(const Profile& profile);
Profile parse_profile(std::string_view json, const std::string& where);

/// The same with a file.  Throw FileError if it cannot be written or read.
void save_profile(const Profile& profile, const std::string& path);
Profile load_profile(const std::string& path);

/// Throws DataError, naming `where`, unless the profile is one of this model, with micro-batches of
/// as many rows: as many layers, with the same names and as many parameters.
void check_fits(const Profile& profile, const nn::Model& model, std::int64_t rows,
                const std::string& where);

}  // namespace lockflight::plan

// Checkpoints: a training run on disk, to be resumed on any number of ranks.
//
//   FOLDER/latest                           the name of the folder below: which checkpoint counts
//   FOLDER/step-000120/model.safetensors    every parameter by its full name; of a tied pair the
//                                           first
//   FOLDER/step-000120/optimizer.safetensors
//   FOLDER/step-000120/manifest.json        step, seed, configuration, and the size and hash of
//                                           both files and of itself
//
// A checkpoint is written under a name that ends in ".partial", brought to the disk, and renamed;
// then `latest` is replaced in one step, and only then is the one before it removed.  Whatever
// happens in between, `latest` names a whole checkpoint.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "lockflight/runtime/pipeline.h"
#include "lockflight/train/optimizer.h"

namespace lockflight::train {

/// What a checkpoint says besides its tensors.
struct CheckpointInfo {
  std::uint32_t step = 0;       ///< steps done: those of the pipeline
  std::uint64_t seed = 1;       ///< of initial values, dropout and batches
  std::string model = "{}";     ///< configuration from which the model can be built again, JSON
  std::string training = "{}";  ///< what else a resume needs, JSON
  std::string optimizer;        ///< "adamw" or "sgd"; set by save_checkpoint
  std::string optimizer_options = "{}";  ///< JSON; set by save_checkpoint
  std::int64_t optimizer_updates = 0;    ///< set by save_checkpoint
};

/// Makes the folder, if it is not there, and tries whether a file can be made in it: a run learns
/// before its first step that it could not be saved after its last.  Throws FileError.
void prepare_checkpoint_folder(const std::filesystem::path& folder);

/// Saves all parameters and the optimizer's state, with the pipeline's step whatever info.step
/// says.  One tensor at a time is in host memory.  Waits.  Returns the folder of this checkpoint.
/// Throws FileError, and leaves the checkpoint before as it is, if something cannot be written;
/// InvalidArgument if a text is no JSON.
std::filesystem::path save_checkpoint(const std::filesystem::path& folder, const Pipeline& pipeline,
                                      const Optimizer& optimizer, const CheckpointInfo& info);

/// Whether `folder` has a checkpoint, whole or damaged.
bool has_checkpoint(const std::filesystem::path& folder);

/// What the latest checkpoint says; `folder` may also be that of one checkpoint itself.  Throws
/// FileError if there is none or it cannot be read, DataError if the manifest is damaged.
CheckpointInfo read_checkpoint(const std::filesystem::path& folder);

/// Sets all parameters and the pipeline's step.  Everything is checked before anything is changed:
/// throws as read_checkpoint does, and DataError if a file has another size or hash than the
/// manifest says, or its tensors are not those of the model, with the name of the first that
/// differs.  Waits.
CheckpointInfo load_weights(const std::filesystem::path& folder, Pipeline& pipeline);

/// The same with the optimizer's state and updates; its options stay.  Throws DataError also if the
/// checkpoint is of another kind of optimizer.
CheckpointInfo load_checkpoint(const std::filesystem::path& folder, Pipeline& pipeline,
                               Optimizer& optimizer);

}  // namespace lockflight::train

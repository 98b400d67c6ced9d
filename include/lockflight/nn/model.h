// A model: named layers one after another, a loss, and what goes in.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

struct NamedLayer {
  std::string name;
  std::unique_ptr<Layer> layer;
};

/// Two parameters that are one: copies that start equal, whose gradients are added in the order of
/// the layers, and that therefore stay equal bit for bit.  The first one gives the initial values
/// and stands for both in checkpoints, norms and hashes.
struct Tie {
  std::string first;   ///< full name, in an earlier layer
  std::string second;  ///< full name, in a later layer

  friend bool operator==(const Tie&, const Tie&) = default;
};

/// Shapes and types of one row of a batch, without the outermost extent: tokens [T] as i32, say.
struct RowSpecs {
  std::vector<TensorSpec> inputs;
  std::vector<TensorSpec> targets;
};

/// Moves; holds layers, not memory.  After `add`, parameters carry their full names.
class Model {
 public:
  Model(RowSpecs rows, std::unique_ptr<Loss> loss)
      : rows_(std::move(rows)), loss_(std::move(loss)) {}

  /// Appends a layer.  Its parameters' names get `name` in front.  Throws InvalidArgument if the
  /// name is taken.
  void add(std::string name, std::unique_ptr<Layer> layer);
  /// Throws InvalidArgument if a name does not exist or the specs differ.
  void tie(Tie tie);

  /// Says how to make the same model once more, for pipelines that hold two copies of it (see
  /// schedule::dualpipe); gpt2, llama and mlp have said it.
  void made_by(std::function<Model()> make) { make_ = std::move(make); }
  /// The same model once more.  Throws InvalidArgument if nothing has said how, or if what comes
  /// has other layers, parameters or ties.
  Model again() const;

  const RowSpecs& rows() const { return rows_; }
  Loss& loss() const { return *loss_; }
  std::vector<NamedLayer>& layers() { return layers_; }
  const std::vector<NamedLayer>& layers() const { return layers_; }
  const std::vector<Tie>& ties() const { return ties_; }

  /// All parameters in the order of the layers, tied copies included.
  std::vector<Parameter*> parameters() const;
  /// Learned numbers, a tied pair counted once.
  std::int64_t parameter_count() const;

 private:
  RowSpecs rows_;
  std::unique_ptr<Loss> loss_;
  std::vector<NamedLayer> layers_;
  std::vector<Tie> ties_;
  std::function<Model()> make_;
};

}  // namespace lockflight::nn

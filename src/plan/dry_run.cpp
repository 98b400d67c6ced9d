#include "lockflight/plan/dry_run.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/device/meta_device.h"
#include "plan/materialized.h"

namespace lockflight::plan {
namespace {

LayerProfile profile_of(nn::Layer& layer, const Tensors& outputs, Device& device) {
  LayerProfile profile;
  for (const Tensor& output : outputs) {
    profile.outputs.push_back(output.spec());
  }
  for (const nn::Parameter* parameter : layer.parameters()) {
    profile.parameters += parameter->elements();
  }
  profile.forward_flops = take_totals(device).flops;
  return profile;
}

}  // namespace

TensorSpec with_rows(const TensorSpec& row, std::int64_t rows) {
  std::vector<std::int64_t> extents = {rows};
  extents.insert(extents.end(), row.shape.extents().begin(), row.shape.extents().end());
  return {Shape(extents), row.dtype};
}

std::vector<LayerProfile> dry_run(nn::Model& model, std::int64_t rows) {
  const auto device = make_meta_device();
  const auto stream = device->make_stream(StreamRole::compute);
  const Materialized materialized(model, *device, *stream);
  nn::Context context(*stream);
  Tensors tensors;
  for (const TensorSpec& row : model.rows().inputs) {
    tensors.push_back(device->empty(with_rows(row, rows)));
  }
  take_totals(*device);
  std::vector<LayerProfile> profiles;
  for (nn::NamedLayer& named : model.layers()) {
    nn::Saved saved;
    try {
      tensors = named.layer->forward_all(context, std::move(tensors), saved);
    } catch (const InvalidArgument& error) {
      throw InvalidArgument(fmt::format("layer {}: {}", named.name, error.what()));
    }
    profiles.push_back(profile_of(*named.layer, tensors, *device));
  }
  return profiles;
}

}  // namespace lockflight::plan

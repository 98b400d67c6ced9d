#include "lockflight/ops/cross_entropy.h"

#include "ops/cpu/cross_entropy.h"
#include "ops/cuda/cross_entropy.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void cross_entropy(Stream& stream, const TensorView& losses, const TensorView& logits,
                   const TensorView& targets) {
  const Check check("cross_entropy");
  check.type("logits", logits);
  check.elements("losses", losses, logits.shape().rows(), "for the rows of logits");
  check.elements("targets", targets, logits.shape().rows(), "for the rows of logits", DType::i32);
  launch(
      stream, cost_per_element("cross_entropy", 12.0, {logits, targets, losses}),
      [=](cpu::Team& team) {
        cpu::cross_entropy(team, losses.as<float>(), logits.as<float>(), targets.as<std::int32_t>(),
                           matrix(logits));
      },
      [&](auto& queue) { cuda::cross_entropy(queue, losses, logits, targets); });
}

void cross_entropy_with_gradient(Stream& stream, const TensorView& losses,
                                 const TensorView& dlogits, const TensorView& logits,
                                 const TensorView& targets, float factor) {
  const Check check("cross_entropy_with_gradient");
  check.type("logits", logits);
  check.shape("dlogits", dlogits, logits.shape(), "to match logits");
  check.elements("losses", losses, logits.shape().rows(), "for the rows of logits");
  check.elements("targets", targets, logits.shape().rows(), "for the rows of logits", DType::i32);
  launch(
      stream,
      cost_per_element("cross_entropy_with_gradient", 24.0, {logits, dlogits, targets, losses}),
      [=](cpu::Team& team) {
        cpu::cross_entropy_with_gradient(team, losses.as<float>(), dlogits.as<float>(),
                                         logits.as<float>(), targets.as<std::int32_t>(), factor,
                                         matrix(logits));
      },
      [&](auto& queue) {
        cuda::cross_entropy_with_gradient(queue, losses, dlogits, logits, targets, factor);
      });
}

}  // namespace lockflight::ops

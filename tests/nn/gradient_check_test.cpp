#include "lockflight/nn/gradient_check.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/meta_device.h"
#include "nn/two_tensor_model.h"

namespace lockflight::nn {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using two_tensors::for_each_element;

// What a layer does wrong.
struct Fault {
  std::string name = {};
  float dx_factor = 1;
  float dx_elsewhere = 0;  // wrong in the last element alone
  float dscale_factor = 1;
  bool accumulates = true;
  bool writes_x = false;
  bool writes_dy = false;
  bool writes_value = false;
  bool writes_gradient_early = false;
  bool writes_beyond_x = false;
  bool forgets_an_element = false;  // of y, so that it stays as it was
  bool forgets_micro_batch = false;
  bool returns_no_gradient = false;
  std::string finding = {};  // what must be said; empty if all is right
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

// y = scale * x * x, with a fault.
class Square final : public Layer {
 public:
  Square(std::int64_t width, Fault fault)
      : scale_("scale", {{width}}, ones()), fault_(std::move(fault)) {}
  std::vector<Parameter*> parameters() override { return {&scale_}; }

  Tensor forward(Context& context, Tensor x, Saved& saved) override {
    Tensor y = context.empty(x.spec());
    const std::int64_t last = x.view().elements() - 1;
    for_each_element(context, x,
                     [x = x.view().as<float>(), y = y.view().as<float>(), last, fault = fault_,
                      scale = scale_.value().as<float>()](std::int64_t i, std::int64_t c) {
                       if (!fault.forgets_an_element || i != last) {
                         y[i] = scale[c] * x[i] * x[i];
                       }
                       if (fault.writes_x) {
                         x[i] = 0;
                       }
                       if (fault.writes_value) {
                         scale[c] += 1;
                       }
                       if (fault.writes_beyond_x && i == last) {
                         x[i + 64] = 0;
                       }
                     });
    latest_ = x.view();
    saved.keep(std::move(x));
    return y;
  }

  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override {
    Tensor dx = context.empty(dy.spec());
    const std::int64_t last = dy.view().elements() - 1;
    for_each_element(
        context, dy,
        [x = saved[0].as<float>(), dy = dy.view().as<float>(), dx = dx.view().as<float>(),
         scale = scale_.value().as<float>(), dscale = scale_.grad().as<float>(), last,
         fault = fault_](std::int64_t i, std::int64_t c) {
          dx[i] = fault.dx_factor * 2 * scale[c] * x[i] * dy[i];
          if (i == last) {
            dx[i] += fault.dx_elsewhere;
          }
          if (fault.writes_dy) {
            dy[i] = 0;
          }
          if (fault.writes_gradient_early) {
            dscale[c] += 1;
          }
        });
    saved.keep(std::move(dy));
    return fault_.returns_no_gradient ? Tensor() : std::move(dx);
  }

  void backward_weight(Context& context, Saved& saved) override {
    const TensorView x = fault_.forgets_micro_batch ? latest_ : saved[0];
    const std::int64_t columns = x.shape().columns();
    for_each_element(context, x,
                     [x = x.as<float>(), dy = saved[1].as<float>(), columns, fault = fault_,
                      dscale = scale_.grad().as<float>()](std::int64_t i, std::int64_t c) {
                       if (!fault.accumulates && i < columns) {
                         dscale[c] = 0;
                       }
                       dscale[c] += fault.dscale_factor * x[i] * x[i] * dy[i];
                     });
  }

 private:
  Parameter scale_;
  Fault fault_;
  TensorView latest_;
};

class GradientCheckFaultTest : public testing::TestWithParam<Fault> {};

INSTANTIATE_TEST_SUITE_P(
    Faults, GradientCheckFaultTest,
    testing::Values(
        Fault{.name = "Nothing"},
        Fault{.name = "WrongFactorInDx", .dx_factor = 1.01F, .finding = "the gradient of input 0"},
        Fault{.name = "WrongDxInOneElement",
              .dx_elsewhere = 0.5F,
              .finding = "the gradient of input 0"},
        Fault{.name = "WrongSignInDscale",
              .dscale_factor = -1,
              .finding = "the gradient of scale differs"},
        Fault{.name = "MissingAccumulate",
              .accumulates = false,
              .finding = "a second run does not add the same again to the gradient of 'scale'"},
        Fault{.name = "WritesX", .writes_x = true, .finding = "forward writes into an input"},
        Fault{.name = "WritesDy",
              .writes_dy = true,
              .finding = "backward_input writes into the gradient of an output"},
        Fault{.name = "WritesAParameter",
              .writes_value = true,
              .finding = "forward changes the value of a parameter"},
        Fault{.name = "WritesAGradientEarly",
              .writes_gradient_early = true,
              .finding = "backward_input writes into the gradient of a parameter"},
        Fault{.name = "WritesBeyondX",
              .writes_beyond_x = true,
              .finding = "forward writes beside a tensor"},
        Fault{.name = "ReadsWhatNobodyWrote",
              .forgets_an_element = true,
              .finding = "the gradient of input 0"},
        Fault{.name = "MixesUpMicroBatches",
              .forgets_micro_batch = true,
              .finding = "gradients in the order F0F1I0I1W0W1 differ"},
        Fault{.name = "ReturnsNoGradient",
              .returns_no_gradient = true,
              .finding = "the gradient of input 0 is empty"}),
    [](const auto& fault) { return fault.param.name; });

TEST_P(GradientCheckFaultTest, IsFound) {
  const auto device = make_cpu_device();
  Square layer(8, GetParam());
  const GradientCheckResult result = gradient_check(*device, layer, {{{8, 8}}});
  if (GetParam().finding.empty()) {
    EXPECT_THAT(result.findings, IsEmpty());
  } else {
    EXPECT_THAT(result.findings, Contains(HasSubstr(GetParam().finding)));
  }
}

TEST(GradientCheckTest, ReportsTheErrorOfEveryTensor) {
  const auto device = make_cpu_device();
  Square layer(3, {.dscale_factor = 1.5F});
  const GradientCheckResult result = gradient_check(*device, layer, {{{2, 3}}});
  ASSERT_EQ(result.errors.size(), 2);
  EXPECT_EQ(result.errors[0].tensor, "input 0");
  EXPECT_LT(result.errors[0].error, 1e-4);
  EXPECT_EQ(result.errors[1].tensor, "scale");
  EXPECT_NEAR(result.errors[1].error, 1.0 / 3, 1e-3);  // (1.5 - 1) / 1.5
}

TEST(GradientCheckTest, LeavesNoMemoryBehind) {
  Square layer(3, {});
  const auto device = make_cpu_device();
  gradient_check(*device, layer, {{{2, 3}}});
  EXPECT_FALSE(layer.parameters()[0]->materialized());
  EXPECT_EQ(device->memory().in_use_bytes, 0U);
}

TEST(GradientCheckTest, AcceptsLayersOfSeveralTensors) {
  const auto device = make_cpu_device();
  two_tensors::Split split(5);
  two_tensors::Mix mix(5);
  two_tensors::Join join(5);
  const TensorSpec x{{3, 5}};
  EXPECT_THAT(gradient_check(*device, split, {x}).findings, IsEmpty());
  EXPECT_THAT(gradient_check(*device, mix, {x, x}).findings, IsEmpty());
  EXPECT_THAT(gradient_check(*device, join, {x, x}).findings, IsEmpty());
}

TEST(GradientCheckTest, RefusesADeviceThatComputesNothing) {
  const auto device = make_meta_device();
  Square layer(3, {});
  EXPECT_THROW(gradient_check(*device, layer, {{{2, 3}}}), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn

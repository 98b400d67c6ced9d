// What happens when a layer fails, or a peer stays away: one sentence with rank and action, and
// everybody returns.

#include <array>
#include <chrono>
#include <stdexcept>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/launch.h"
#include "lockflight/ops/elementwise.h"
#include "lockflight/runtime/pipeline.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using test::kMicroBatches;
using test::Streams;
using ::testing::HasSubstr;

enum class Function { forward, backward_input, backward_weight };
enum class Where { host, kernel };

struct Fault {
  Function function;
  Where where;
  std::uint32_t micro_batch;
};

// y = 2 x, and a fault in one of the functions for one micro-batch.
class FaultyLayer final : public nn::Layer {
 public:
  explicit FaultyLayer(std::optional<Fault> fault) : fault_(fault) {}

  Tensor forward(nn::Context& context, Tensor x, nn::Saved& /*saved*/) override {
    return twice(context, x, Function::forward);
  }
  Tensor backward_input(nn::Context& context, Tensor dy, nn::Saved& /*saved*/) override {
    return twice(context, dy, Function::backward_input);
  }
  void backward_weight(nn::Context& context, nn::Saved& /*saved*/) override {
    fail(context, Function::backward_weight);
  }

 private:
  Tensor twice(nn::Context& context, const Tensor& x, Function function) {
    fail(context, function);
    Tensor y = context.empty(x.spec());
    ops::scale(context.stream(), y, x, 2.0F);
    return y;
  }

  void fail(nn::Context& context, Function function) const {
    const bool here = fault_ && context.device().kind() != DeviceKind::meta &&
                      fault_->function == function && fault_->micro_batch == context.micro_batch;
    if (here && fault_->where == Where::host) {
      throw std::runtime_error("planted");
    }
    if (here) {
      cpu::launch(context.stream(), {.name = "planted"},
                  [](cpu::Team&) { throw std::runtime_error("planted"); });
    }
  }

  std::optional<Fault> fault_;
};

// The sum of the outputs, whatever the targets.
class SumLoss final : public nn::Loss {
 public:
  void forward(nn::Context& context, Tensors outputs, const std::vector<TensorView>& /*targets*/,
               float scale, const TensorView& loss, nn::Saved& saved) override {
    ops::fill(context.stream(), loss, 1.0F);
    ops::fill(context.stream(), outputs[0], scale);
    saved.keep(std::move(outputs[0]));
  }
  Tensors backward(nn::Context& /*context*/, nn::Saved& saved) override {
    Tensors gradients;
    gradients.push_back(saved.take(0));
    return gradients;
  }
};

constexpr int kRanks = 3;

nn::Model faulty_model(int faulty_rank, const std::optional<Fault>& fault) {
  const TensorSpec row{{6}, DType::f32};
  nn::Model model({.inputs = {row}, .targets = {row}}, std::make_unique<SumLoss>());
  for (int rank = 0; rank < kRanks; ++rank) {
    model.add("layer" + std::to_string(rank),
              std::make_unique<FaultyLayer>(rank == faulty_rank ? fault : std::nullopt));
  }
  return model;
}

Batch float_batch() {
  const HostTensor rows({{kMicroBatches, 6}, DType::f32});
  return {.inputs = {rows}, .targets = {rows}};
}

Pipeline make_pipeline(World& world, nn::Model model) {
  const Plan plan = make_plan(model, world, {.micro_batches = kMicroBatches, .split = {1, 1, 1}});
  return Pipeline(world, std::move(model), plan);
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

class FailureTest : public ::testing::TestWithParam<Streams> {};
INSTANTIATE_TEST_SUITE_P(On, FailureTest, ::testing::ValuesIn(test::all_streams()),
                         [](const auto& test) { return test.param.name; });

TEST_P(FailureTest, NamesRankAndActionOfAnyLayerThatThrows) {
  const std::array<const char*, 3> letters = {"F", "B", "B"};
  for (int rank = 0; rank < kRanks; ++rank) {
    for (const Function function :
         {Function::forward, Function::backward_input, Function::backward_weight}) {
      for (const Where where : {Where::host, Where::kernel}) {
        World world = test::make_world(kRanks, GetParam());
        Pipeline pipeline = make_pipeline(world, faulty_model(rank, Fault{function, where, 2}));
        const auto begin = std::chrono::steady_clock::now();
        const std::string message = message_of([&] { pipeline.forward_backward(float_batch()); });
        EXPECT_LT(std::chrono::steady_clock::now() - begin,
                  std::chrono::seconds(20));  // far below the deadline
        const std::string action =
            std::to_string(rank) + letters[static_cast<std::size_t>(function)] + "2";
        EXPECT_THAT(message, ::testing::StartsWith("rank " + std::to_string(rank) + ", action "));
        EXPECT_THAT(message, HasSubstr("(" + action + "): planted"));
      }
    }
  }
}

TEST_P(FailureTest, RefusesFurtherUse) {
  World world = test::make_world(kRanks, GetParam());
  Pipeline pipeline =
      make_pipeline(world, faulty_model(1, Fault{Function::forward, Where::kernel, 0}));
  EXPECT_THROW(pipeline.forward_backward(float_batch()), Error);
  EXPECT_THAT(message_of([&] { pipeline.forward_backward(float_batch()); }),
              ::testing::AllOf(HasSubstr("this pipeline failed before (rank 1, action"),
                               HasSubstr("make a new world and a new pipeline")));
  EXPECT_THAT(message_of([&] { static_cast<void>(pipeline.weights_hash()); }),
              HasSubstr("failed before"));
}

TEST_P(FailureTest, AHealthyTwinIsSilent) {
  World world = test::make_world(kRanks, GetParam());
  Pipeline pipeline = make_pipeline(world, faulty_model(0, std::nullopt));
  EXPECT_EQ(pipeline.forward_backward(float_batch()).loss, 1.0F);
}

// A rank whose program lacks a send: the others could wait for ever.
TEST_P(FailureTest, NamesWhoWaitsWhenAPeerNeverSends) {
  World world = test::make_world(kRanks, GetParam());
  nn::Model model = faulty_model(0, std::nullopt);
  Plan plan = make_plan(model, world, {.micro_batches = kMicroBatches, .split = {1, 1, 1}});
  auto& instructions = plan.program.ranks[1].instructions;
  std::erase_if(instructions, [](const plan::Instruction& instruction) {
    return plan::to_string(instruction).starts_with("send 1SEND_F3");
  });
  EXPECT_THAT(message_of([&] { Pipeline(world, faulty_model(0, std::nullopt), plan); }),
              ::testing::AllOf(HasSubstr("the program is not proved"),
                               HasSubstr("a send of rank 1 on channel 2, which never comes")));
  Pipeline pipeline(world, std::move(model), plan, {.proved = false});
  EXPECT_THAT(
      message_of([&] { pipeline.forward_backward(float_batch()); }),
      ::testing::AllOf(HasSubstr("nobody can ever arrive"),
                       HasSubstr("rank 2: recv of 24 bytes from rank 1 on channel 2 with tag 3")));
}

}  // namespace
}  // namespace lockflight

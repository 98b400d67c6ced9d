// Training on 5 to 8 GPUs by every schedule there is, to the bits of one.

#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/bfloat16.h"
#include "lockflight/core/error.h"
#include "lockflight/nn/mlp.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"
#include "runtime/two_sums.h"
#include "sanitized.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

using test::Streams;
using test::TrainedBits;

constexpr int kEnoughMicroBatches = 16;  // twice the ranks: what any schedule needs
constexpr int kMatrixSteps = 2;
constexpr std::int64_t kMlpWidth = 4;

constexpr int kFewestRanks = test::kSanitized ? 8 : 5;
constexpr int kMostRanks = 8;

struct MatrixCase {
  int ranks = 1;
  std::string schedule = "gpipe";
  int stages_per_rank = 1;
  int copies = 1;  // of the model: with two, gradients are summed in two halves
};

// With 17 layers there are two stages for each of eight ranks.
nn::Model deep_mlp(DType dtype) {
  return nn::mlp(
      {.inputs = kMlpWidth, .hidden = 6, .outputs = kMlpWidth, .layers = 17, .dtype = dtype});
}

Batch batch_of(DType dtype, std::uint32_t step) {
  Random random({.seed = 7, .step = step});
  const TensorSpec spec{{kEnoughMicroBatches, kMlpWidth}, dtype};
  Batch batch{.inputs = {HostTensor(spec)}, .targets = {HostTensor(spec)}};
  for (HostTensor* tensor : {&batch.inputs.front(), &batch.targets.front()}) {
    for (std::int64_t i = 0; i < spec.elements(); ++i) {
      const auto value = static_cast<float>(random.next_normal());
      if (dtype == DType::f32) {
        tensor->as<float>()[i] = value;
      } else {
        tensor->as<BFloat16>()[i] = BFloat16(value);
      }
    }
  }
  return batch;
}

TrainedBits train_mlp(const MatrixCase& given, DType dtype, const Streams& streams) {
  World world = test::make_world(given.ranks, streams);
  nn::Model model = deep_mlp(dtype);
  if (given.ranks == 1 && given.copies == 2) {
    test::sum_in_halves(model, kEnoughMicroBatches);
  }
  const Plan plan = make_plan(model, world,
                              {.micro_batches = kEnoughMicroBatches,
                               .schedule = given.schedule,
                               .stages_per_rank = given.stages_per_rank});
  Pipeline pipeline(world, std::move(model), plan, {.seed = 3});
  train::Sgd optimizer(pipeline.parameters(),
                       {.learning_rate = 0.1F, .momentum = 0.9F, .clip_norm = 0.5F});
  TrainedBits outcome;
  for (std::uint32_t step = 0; step < kMatrixSteps; ++step) {
    const StepResult result = pipeline.forward_backward(batch_of(dtype, step));
    outcome.losses.insert(outcome.losses.end(), result.micro_batch_losses.begin(),
                          result.micro_batch_losses.end());
    optimizer.step();
  }
  outcome.weights = pipeline.weights_hash();
  return outcome;
}

// Every schedule that trains, with one stage a rank and with two where it has that.
std::vector<MatrixCase> cases(int ranks) {
  std::vector<MatrixCase> cases;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    for (const int stages : {1, 2}) {
      try {
        const auto made = info.make(
            {.ranks = ranks, .micro_batches = kEnoughMicroBatches, .stages_per_rank = stages});
        if (schedule::has_backward(made)) {
          cases.push_back({ranks, std::string(info.name), stages, info.copies});
        }
      } catch (const InvalidArgument&) {  // not of this size
      }
    }
  }
  return cases;
}

std::string order_of(int number) {
  return number % 5 == 0 ? "fifo" : number % 5 == 1 ? "lifo" : std::to_string(number);
}

struct Setting {
  Streams streams;
  DType dtype = DType::f32;
  int part = 0;  // its number
};

// Under sanitizers each case runs in one of the four settings, otherwise in all of them.
constexpr int kParts = test::kSanitized ? 4 : 1;

void PrintTo(const Setting& setting, std::ostream* out) {
  *out << setting.streams.name << ' ' << name_of(setting.dtype);
}

class CudaMatrixTest : public testing::TestWithParam<Setting> {
 protected:
  void SetUp() override {
    test::need(DeviceKind::cuda);
    if (!IsSkipped() && cuda_support().devices.size() < kMostRanks) {
      GTEST_SKIP() << "needs " << kMostRanks << " GPUs";
    }
  }

  // Each case in another order of what is ready, where the orders can be chosen.
  void expect_the_bits_of_one_rank(int ranks) {
    const auto& [streams, dtype, part] = GetParam();
    const TrainedBits expected = train_mlp({}, dtype, test::plainest(streams));
    const TrainedBits in_halves = train_mlp({.copies = 2}, dtype, test::plainest(streams));
    int number = ranks;
    for (const MatrixCase& given : cases(ranks)) {
      const std::string order = order_of(++number);
      if (number % kParts != part % kParts) {
        continue;
      }
      if (virtual_gpu::present()) {
        virtual_gpu::set_order(order);
      }
      EXPECT_TRUE(train_mlp(given, dtype, streams) == (given.copies == 1 ? expected : in_halves))
          << given.schedule << " on " << ranks << " ranks with " << given.stages_per_rank
          << " stages each, order " << order;
    }
  }
};

std::vector<Setting> settings() {
  std::vector<Setting> settings;
  for (const Streams& streams : test::all_streams_and_gpus()) {
    if (streams.device == DeviceKind::cuda) {
      for (const DType dtype : {DType::f32, DType::bf16}) {
        settings.push_back({streams, dtype, static_cast<int>(settings.size())});
      }
    }
  }
  return settings;
}

INSTANTIATE_TEST_SUITE_P(On, CudaMatrixTest, testing::ValuesIn(settings()), [](const auto& test) {
  return test.param.streams.name + "_" + std::string(name_of(test.param.dtype));
});

TEST_P(CudaMatrixTest, EveryScheduleTrainsToTheBitsOfOneRank) {
  EXPECT_GE(cases(kMostRanks).size(), 6U);
  for (int ranks = kFewestRanks; ranks <= kMostRanks; ++ranks) {
    expect_the_bits_of_one_rank(ranks);
  }
  if (virtual_gpu::present()) {
    virtual_gpu::set_order("fifo");
  }
}

}  // namespace
}  // namespace lockflight

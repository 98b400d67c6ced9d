// A split backward really is split: the gradient of a stage's input is on its way before its
// weight gradients are computed.

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/device/launch.h"
#include "lockflight/nn/mean_squared_error.h"
#include "lockflight/ops/elementwise.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using test::kMicroBatches;
using test::Streams;

// What the two ranks tell each other beside the pipeline.
struct Witness {
  std::array<std::atomic<bool>, kMicroBatches> got_gradient{};  // by rank 0
  std::atomic<int> in_vain = 0;
  std::chrono::milliseconds patience{};
};

// Multiplies by 1.  On rank 0 it notes when a gradient arrives; on rank 1 its weight gradients take
// until rank 0 has got the gradient of the same micro-batch, or patience ends.
class WitnessLayer final : public nn::Layer {
 public:
  WitnessLayer(int rank, Witness& witness) : rank_(rank), witness_(witness) {}

  Tensor forward(nn::Context& context, Tensor x, nn::Saved& /*saved*/) override {
    return copy(context, x);
  }

  Tensor backward_input(nn::Context& context, Tensor dy, nn::Saved& /*saved*/) override {
    if (rank_ == 0) {
      run(context,
          [this](std::uint32_t micro_batch) { witness_.got_gradient[micro_batch] = true; });
    }
    return copy(context, dy);
  }

  void backward_weight(nn::Context& context, nn::Saved& /*saved*/) override {
    if (rank_ == 1) {
      run(context, [this](std::uint32_t micro_batch) { await(micro_batch); });
    }
  }

 private:
  static Tensor copy(nn::Context& context, const Tensor& x) {
    Tensor y = context.empty(x.spec());
    ops::scale(context.stream(), y, x, 1.0F);
    return y;
  }

  template <class Body>
  static void run(nn::Context& context, Body body) {
    if (context.device().kind() != DeviceKind::meta) {
      cpu::launch(context.stream(), {.name = "witness"},
                  [body, micro_batch = context.micro_batch](cpu::Team&) { body(micro_batch); });
    }
  }

  void await(std::uint32_t micro_batch) {
    const auto deadline = std::chrono::steady_clock::now() + witness_.patience;
    while (!witness_.got_gradient[micro_batch]) {
      if (std::chrono::steady_clock::now() > deadline) {
        ++witness_.in_vain;
        return;
      }
      std::this_thread::yield();
    }
  }

  int rank_;
  Witness& witness_;
};

Timeline timeline_of(const std::string& schedule, const Streams& streams, Witness& witness) {
  World world = test::make_world(2, streams);
  const TensorSpec row{{6}, DType::f32};
  nn::Model model({.inputs = {row}, .targets = {row}}, std::make_unique<nn::MeanSquaredError>());
  model.add("front", std::make_unique<WitnessLayer>(0, witness));
  model.add("back", std::make_unique<WitnessLayer>(1, witness));
  const Plan plan = make_plan(
      model, world, {.micro_batches = kMicroBatches, .schedule = schedule, .split = {1, 1}});
  Pipeline pipeline(world, std::move(model), plan);
  const HostTensor rows({{kMicroBatches, 6}, DType::f32});
  pipeline.forward_backward({.inputs = {rows}, .targets = {rows}});
  return pipeline.timeline();
}

TimelineSpan span_of(const Timeline& timeline, int rank, const std::string& action) {
  const auto found = std::ranges::find_if(timeline.spans, [&](const TimelineSpan& span) {
    return span.rank == rank && to_string(span.action) == action;
  });
  EXPECT_NE(found, timeline.spans.end()) << action;
  return found == timeline.spans.end() ? TimelineSpan{} : *found;
}

// All but the one in which a single thread may take W first although I can be sent.
std::vector<Streams> all_but_chaos_on_one_thread() {
  std::vector<Streams> all = test::all_streams();
  std::erase_if(all, [](const Streams& streams) {
    return streams.chaos_seed && streams.mode == StreamMode::worker;
  });
  return all;
}

class SplitBackwardTest : public testing::TestWithParam<Streams> {};
INSTANTIATE_TEST_SUITE_P(On, SplitBackwardTest, testing::ValuesIn(all_but_chaos_on_one_thread()),
                         [](const auto& test) { return test.param.name; });

TEST_P(SplitBackwardTest, AnInputGradientIsUsedBeforeTheWeightGradientsBehindItAreDone) {
  for (const char* schedule : {"zb-1p", "zb-2p"}) {
    Witness witness{.patience = std::chrono::seconds(30)};
    const Timeline timeline = timeline_of(schedule, GetParam(), witness);
    EXPECT_EQ(witness.in_vain, 0) << schedule;
    for (int i = 0; i < kMicroBatches; ++i) {
      const std::string number = std::to_string(i);
      const TimelineSpan send = span_of(timeline, 1, "1SEND_B" + number);
      const TimelineSpan weights = span_of(timeline, 1, "1W" + number);
      EXPECT_LT(span_of(timeline, 0, "0I" + number).begin_ns, weights.end_ns);
      if (GetParam().name == "worker") {  // looks at transfers first
        EXPECT_LE(send.begin_ns, weights.begin_ns) << schedule << ' ' << i;
      }
    }
  }
}

TEST_P(SplitBackwardTest, AWholeBackwardKeepsItsInputGradientToTheEnd) {
  Witness witness{.patience = std::chrono::milliseconds(5)};
  const Timeline timeline = timeline_of("1f1b", GetParam(), witness);
  EXPECT_EQ(witness.in_vain, kMicroBatches);
  for (int i = 0; i < kMicroBatches; ++i) {
    const std::string number = std::to_string(i);
    EXPECT_LE(span_of(timeline, 1, "1B" + number).end_ns,
              span_of(timeline, 0, "0B" + number).begin_ns);
  }
}

}  // namespace
}  // namespace lockflight

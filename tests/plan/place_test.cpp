#include "lockflight/plan/place.h"

#include <algorithm>
#include <map>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/comm/world.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/nn/mlp.h"
#include "lockflight/plan/plan.h"
#include "lockflight/schedule/registry.h"
#include "plan/job.h"
#include "plan/random_buffers.h"

namespace lockflight::plan {
namespace {

using ::testing::ElementsAre;

std::size_t live_bytes_at(const std::vector<BufferLife>& buffers, std::int64_t call) {
  std::size_t bytes = 0;
  for (const BufferLife& buffer : buffers) {
    bytes += alive_at(buffer, call) ? aligned_bytes(buffer.bytes) : 0;
  }
  return bytes;
}

TEST(PlaceTest, NoTwoTensorsShareAByteWhileBothAreAlive) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const auto buffers = random_buffers(seed, 120);
    const Layout layout = place(buffers);
    ASSERT_EQ(layout.places.size(), buffers.size());
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      EXPECT_EQ(layout.places[i].bytes, buffers[i].bytes);
      EXPECT_EQ(layout.places[i].offset % kMemoryAlignment, 0U);
      EXPECT_LE(layout.places[i].offset + aligned_bytes(buffers[i].bytes), layout.bytes);
      for (std::size_t j = 0; j < i; ++j) {
        const bool together =
            alive_at(buffers[i], buffers[j].born) || alive_at(buffers[j], buffers[i].born);
        const bool apart =
            layout.places[i].offset >= layout.places[j].offset + aligned_bytes(buffers[j].bytes) ||
            layout.places[j].offset >= layout.places[i].offset + aligned_bytes(buffers[i].bytes);
        EXPECT_TRUE(!together || apart) << "seed " << seed << ", tensors " << i << " and " << j;
      }
    }
  }
}

TEST(PlaceTest, FindsThePeakThatCountingAtEveryCallFinds) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    const auto buffers = random_buffers(seed, 60);
    std::size_t expected = 0;
    std::int64_t at = 0;
    for (std::int64_t call = 0; call < 60; ++call) {
      const std::size_t bytes = live_bytes_at(buffers, call);
      if (bytes > expected) {
        expected = bytes;
        at = call;
      }
    }
    const MemoryPeak peak = memory_peak(buffers);
    EXPECT_EQ(peak.bytes, expected) << "seed " << seed;
    EXPECT_EQ(peak.action, at / 4) << "seed " << seed;
    std::size_t sum = 0;
    for (const std::size_t i : peak.buffers) {
      EXPECT_TRUE(alive_at(buffers[i], at));
      sum += aligned_bytes(buffers[i].bytes);
    }
    EXPECT_EQ(sum, expected) << "seed " << seed;
    EXPECT_GE(place(buffers).bytes, expected);
  }
}

TEST(PlaceTest, ReusesWhatIsFree) {
  // a and c never live together; b lives beside both.
  const std::vector<BufferLife> buffers = {{.bytes = 512, .born = 0, .freed = 2},
                                           {.bytes = 256, .born = 1, .freed = 5},
                                           {.bytes = 512, .born = 3, .freed = 4}};
  EXPECT_THAT(place(buffers).places,
              ElementsAre(MemoryPlace{0, 512}, MemoryPlace{512, 256}, MemoryPlace{0, 512}));
  EXPECT_EQ(place(buffers).bytes, 768U);
}

TEST(PlaceTest, OfNothingTakesNothing) {
  EXPECT_EQ(place({}).bytes, 0U);
  EXPECT_EQ(memory_peak({}).bytes, 0U);
}

// The models of the quickstart and of the benchmark, and a perceptron.
std::vector<nn::Model> reference_models() {
  std::vector<nn::Model> models;
  models.push_back(nn::gpt2(
      {.vocabulary = 256, .context = 128, .layers = 6, .heads = 6, .width = 192, .dropout = 0.1F}));
  models.push_back(nn::gpt2(
      {.vocabulary = 256, .context = 256, .layers = 6, .heads = 6, .width = 384, .tied = true}));
  models.push_back(nn::mlp({.inputs = 64, .hidden = 128, .outputs = 8, .layers = 8}));
  return models;
}

bool splits_backwards(const schedule::Schedule& schedule) {
  const std::vector<schedule::Action> actions = schedule.actions(0);
  return std::ranges::find(actions, schedule::ActionKind::weight_gradient,
                           &schedule::Action::kind) != actions.end();
}

// Where backwards are split, more is alive of different ages, and a twentieth larger.
TEST(PlaceTest, BlocksAreAtMostAFiftiethLargerThanWhatIsAlive) {
  for (nn::Model& model : reference_models()) {
    for (const schedule::ScheduleInfo& info : schedule::schedules()) {
      for (const int ranks : {1, 2, 3, 4}) {
        for (const int micro_batches : {1, 4, 9}) {
          if (!info.takes(ranks, micro_batches)) {
            continue;
          }
          World world = World::threads({.ranks = ranks});
          const Plan plan = make_plan(model, world,
                                      {.micro_batch = {.rows = 2},
                                       .micro_batches = micro_batches,
                                       .schedule = std::string(info.name)});
          Job job = training_job(model, plan);
          const auto buffers = lay_out(model, plan.stages, job);
          for (int rank = 0; rank < ranks; ++rank) {
            const std::size_t peak = memory_peak(buffers[rank]).bytes;
            EXPECT_GE(job.layouts[rank].bytes, peak);
            EXPECT_LE(static_cast<double>(job.layouts[rank].bytes),
                      (splits_backwards(plan.schedule) ? 1.05 : 1.02) * static_cast<double>(peak))
                << info.name << ", rank " << rank << " of " << ranks;
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace lockflight::plan

// Training gives the same bits on any number of ranks, with any schedule, split, number of threads
// and kind of stream, and after a save and a resume.

#include <map>
#include <ostream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/schedule/registry.h"
#include "sanitized.h"
#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

// What must not differ.
struct Result {
  std::string weights;
  std::string losses;

  friend bool operator==(const Result&, const Result&) = default;
};

void PrintTo(const Result& result, std::ostream* out) {
  *out << result.weights << '\n' << result.losses;
}

class Trainer {
 public:
  Trainer() { train::write_file(folder_ / "input.txt", some_text()); }

  // The losses are those of the log as it then is.
  Result train(const Words& more) {
    const Outcome outcome = run_here(
        tiny_training() +
        Words{"--data", folder_ / "input.txt", "--loss-log", folder_ / "losses.txt"} + more);
    EXPECT_EQ(outcome.exit_code, 0) << outcome.err << testing::PrintToString(more);
    const auto weights = outcome.out.rfind("weights 0x");
    return {.weights = weights == std::string::npos ? outcome.out : outcome.out.substr(weights),
            .losses = train::read_file(folder_ / "losses.txt")};
  }

  std::string folder() const { return folder_.path(); }

 private:
  train::ScratchFolder folder_;
};

// Two splits for each number of ranks, of 2 blocks or all 7 layers; one rank has no choice.
Words splits_of(int ranks) {
  static const std::map<int, Words> kSplits = {
      {1, {"even"}}, {2, {"even", "1,6", "1,1"}}, {3, {"even", "1,4,2"}}, {4, {"even", "1,3,2,1"}}};
  return kSplits.at(ranks);
}

struct Case {
  int ranks;
  const char* streams;
  bool tied;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.ranks << " ranks, " << c.streams << (c.tied ? ", tied" : "");
}

class SameBitsTest : public testing::TestWithParam<Case> {
 protected:
  Words model() const {
    return Words{"--dropout", "0.1"} + (GetParam().tied ? Words{"--tied"} : Words{});
  }
  Words ranks() const {
    return {"--ranks", std::to_string(GetParam().ranks), "--streams", GetParam().streams};
  }

  Trainer trainer_;
};

TEST_P(SameBitsTest, ForEveryScheduleSplitAndNumberOfThreads) {
  const Result expected = trainer_.train(model());
  EXPECT_EQ(std::count(expected.losses.begin(), expected.losses.end(), '\n'), 4);
  for (const char* schedule : {"gpipe", "1f1b"}) {
    for (const std::string& split : splits_of(GetParam().ranks)) {
      for (const char* threads : {"1", "2"}) {
        const Words words = ranks() + Words{"--schedule",         schedule, "--split", split,
                                            "--threads-per-rank", threads};
        EXPECT_EQ(trainer_.train(model() + words), expected) << testing::PrintToString(words);
      }
    }
  }
}

TEST_P(SameBitsTest, ForSeveralStagesARankAndHoweverTheCutIsFound) {
  const Result expected = trainer_.train(model());
  if (GetParam().ranks * 2 <= 7) {
    for (const char* schedule : {"interleaved", "looped-bfs"}) {
      EXPECT_EQ(trainer_.train(model() + ranks() + Words{"--schedule", schedule, "--chunks", "2"}),
                expected)
          << schedule;
    }
  }
  EXPECT_EQ(
      trainer_.train(model() + ranks() + Words{"--schedule", "auto", "--profile", "estimate"}),
      expected);
  for (const char* profile : {"measure", "estimate"}) {
    EXPECT_EQ(trainer_.train(model() + ranks() + Words{"--split", "auto", "--profile", profile}),
              expected)
        << profile;
  }
}

TEST_P(SameBitsTest, ForEverySchedule) {
  const Words six = model() + Words{"--micro-batches", "6"};
  const Result expected = trainer_.train(six);
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    const int stages = info.several_stages ? 2 : info.usual_stages_per_rank();
    if (info.name != "forward-only" && info.copies == 1 && GetParam().ranks * stages <= 7) {
      Words words = six + ranks() + Words{"--schedule", std::string(info.name)};
      if (info.several_stages) {
        words = words + Words{"--chunks", "2"};
      }
      EXPECT_EQ(trainer_.train(words), expected) << info.name;
    }
  }
}

// Two copies of the model sum gradients in another order than one does, but always in the same one.
TEST_P(SameBitsTest, ForTwoCopiesOfTheModel) {
  const Words dualpipe =
      model() + Words{"--schedule", "dualpipe", "--ranks", "2", "--micro-batches", "8"};
  const Result expected = trainer_.train(dualpipe);
  if (GetParam().ranks % 2 == 0) {
    for (const std::string& split : splits_of(GetParam().ranks)) {
      const Words words = ranks() + Words{"--split", split};
      EXPECT_EQ(trainer_.train(dualpipe + words), expected) << testing::PrintToString(words);
    }
    EXPECT_EQ(trainer_.train(dualpipe + ranks() + Words{"--optimizer-in-schedule"}), expected);
    EXPECT_EQ(trainer_.train(dualpipe + ranks() +
                             Words{"--recompute", "always", "--profile", "estimate"}),
              expected);
  }
}

TEST_P(SameBitsTest, InBf16) {
  const Words bf16 = model() + Words{"--dtype", "bf16"};
  const Result expected = trainer_.train(bf16);
  EXPECT_NE(trainer_.train(model()), expected);
  for (const char* schedule : {"gpipe", "1f1b"}) {
    for (const std::string& split : splits_of(GetParam().ranks)) {
      const Words words = ranks() + Words{"--schedule", schedule, "--split", split};
      EXPECT_EQ(trainer_.train(bf16 + words), expected) << testing::PrintToString(words);
    }
  }
  const Words recompute = {"--recompute", "always", "--profile", "estimate"};
  EXPECT_EQ(trainer_.train(bf16 + ranks() + recompute + Words{"--threads-per-rank", "2"}),
            expected);
}

TEST_P(SameBitsTest, WithTheOptimizerInTheSchedule) {
  for (const char* optimizer : {"adamw", "sgd"}) {
    const Words update = {"--optimizer", optimizer, "--clip", "0.7"};
    const Result expected = trainer_.train(model() + update);
    for (const char* schedule : {"gpipe", "1f1b"}) {
      for (const char* log_every : {"1", "3", "100"}) {
        const Words words = ranks() + Words{"--schedule",  schedule,  "--optimizer-in-schedule",
                                            "--log-every", log_every, "--profile",
                                            "estimate"};
        EXPECT_EQ(trainer_.train(model() + update + words), expected)
            << testing::PrintToString(words);
      }
    }
  }
}

TEST_P(SameBitsTest, WithRecomputedLayers) {
  const Result expected = trainer_.train(model());
  const Words recompute = {"--recompute", "always", "--profile", "estimate"};
  for (const char* schedule : {"gpipe", "1f1b"}) {
    EXPECT_EQ(trainer_.train(model() + ranks() + recompute + Words{"--schedule", schedule}),
              expected);
  }
}

TEST_P(SameBitsTest, AfterASaveAndAResumeOnAnotherNumberOfRanks) {
  const Result expected = trainer_.train(model());
  const Words checkpoint = {"--checkpoint", trainer_.folder() + "/model", "--save-every", "1"};
  // The learning rate follows the number of all steps, so the first part must know it.
  const int others = 5 - GetParam().ranks;
  for (const char* schedule : {"gpipe", "1f1b"}) {
    trainer_.train(model() + ranks() + checkpoint + Words{"--stop-after", "2"});
    EXPECT_EQ(trainer_.train(
                  ranks() + checkpoint +
                  Words{"--resume", "--schedule", schedule, "--ranks", std::to_string(others)}),
              expected);
  }
}

std::vector<Case> cases() {
  if (lockflight::test::kSanitized) {
    return {{2, "worker", true}, {3, "threads", false}, {4, "chaos", true}};
  }
  std::vector<Case> all;
  for (const int ranks : {1, 2, 3, 4}) {
    for (const char* streams : {"worker", "threads", "chaos"}) {
      all.push_back({.ranks = ranks, .streams = streams, .tied = ranks % 2 == 0});
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(On, SameBitsTest, testing::ValuesIn(cases()));

}  // namespace
}  // namespace lockflight::tools

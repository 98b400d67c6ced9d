// Whatever a proof accepts runs to its end by the rules of an independent simulation; whatever it
// refuses names the rank that was changed.

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/plan/transcribe.h"
#include "plan/mutations.h"
#include "plan/program_simulation.h"
#include "plan/proofs.h"
#include "sanitized.h"

namespace lockflight::plan {
namespace {

// Sanitizers make everything ten times slower.
constexpr int kMutations = test::kSanitized ? 1500 : 20000;

std::vector<Program> originals() {
  std::vector<Program> programs = {tied_program()};
  for (const char* name : {"gpipe", "1f1b", "zb-1p", "zb-v", "forward-only"}) {
    for (const int ranks : {2, 3}) {
      const auto schedule = schedule::make_schedule(name, {.ranks = ranks, .micro_batches = 3});
      programs.push_back(lower(schedule, {}));
      programs.push_back(transcribe(with_transfers(schedule)).program);
    }
  }
  for (const char* name : {"1f1b", "zb-1p"}) {
    programs.push_back(lower(schedule::make_schedule(name, {.ranks = 3, .micro_batches = 3}), {},
                             {.recomputes = {true, true, true}}));
  }
  programs.push_back(single_transfer_stream(
      transcribe(with_transfers(schedule::make_schedule("gpipe", {.ranks = 3, .micro_batches = 2})))
          .program));
  return programs;
}

bool names(const Proof& proof, int rank) {
  return std::ranges::any_of(proof.findings, [&](const Finding& finding) {
    return finding.rank == rank ||
           finding.sentence.find("rank " + std::to_string(rank)) != std::string::npos;
  });
}

void expect_runs(const Program& program, const Program& original, const std::string& what) {
  const SimulationResult result = ProgramSimulation(program).run();
  EXPECT_TRUE(result.drained) << what;
  EXPECT_TRUE(result.races.empty()) << what << ": " << result.races.front();
  EXPECT_TRUE(result.wrong.empty()) << what << ": " << result.wrong.front();
  const SimulationResult expected = ProgramSimulation(original).run();
  EXPECT_EQ(result.updates, expected.updates) << what;
  EXPECT_EQ(
      std::multiset<std::string>(result.compute_order.begin(), result.compute_order.end()),
      std::multiset<std::string>(expected.compute_order.begin(), expected.compute_order.end()))
      << what;
}

TEST(ProveMutationsTest, AcceptsOnlyWhatRunsAndNamesTheRankOfWhatItRefuses) {
  const std::vector<Program> programs = originals();
  int accepted = 0;
  for (int seed = 0; seed < kMutations; ++seed) {
    const Program& original = programs[seed % programs.size()];
    const Mutation mutation = Mutator(original, seed).mutate();
    const std::string what = "seed " + std::to_string(seed) + ", " + mutation.what;
    const Proof proof = prove(mutation.program);
    if (proof.proved()) {
      ++accepted;
      expect_runs(mutation.program, original, what);
    } else {
      EXPECT_TRUE(names(proof, mutation.rank)) << what << "\n" << text_of(proof);
    }
  }
  // Neither is the exception.
  EXPECT_GT(accepted, kMutations / 10);
  EXPECT_LT(accepted, kMutations * 9 / 10);
}

// The other way round: what is refused as a deadlock, a race or a missing action is one by the
// simulation, too, but for what the proof forbids though this run would survive it.
TEST(ProveMutationsTest, RefusesLittleThatTheSimulationLetsThrough) {
  const std::vector<Program> programs = originals();
  int refused = 0;
  int harmless = 0;
  for (int seed = 0; seed < kMutations / 10; ++seed) {
    const Program& original = programs[seed % programs.size()];
    const Mutation mutation = Mutator(original, seed).mutate();
    const Proof proof = prove(mutation.program);
    const bool only_deadlocks_and_races =
        std::ranges::none_of(proof.findings, [](const Finding& finding) {
          return finding.kind == Finding::Kind::incomplete ||
                 finding.sentence.find("holds nothing up") != std::string::npos ||
                 finding.sentence.find("repeats instruction") != std::string::npos;
        });
    if (!proof.proved() && only_deadlocks_and_races) {
      ++refused;
      const SimulationResult result = ProgramSimulation(mutation.program).run();
      harmless += result.drained && result.races.empty() ? 1 : 0;
    }
  }
  EXPECT_GT(refused, kMutations / 200);
  EXPECT_LT(harmless, std::max(5, refused / 10));  // under sanitizers the sample is small
}

}  // namespace
}  // namespace lockflight::plan

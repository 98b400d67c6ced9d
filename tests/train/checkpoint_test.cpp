#include "lockflight/train/checkpoint.h"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>

#include "lockflight/core/error.h"
#include "lockflight/train/safetensors.h"
#include "train/error_text.h"
#include "train/scratch_folder.h"
#include "train/small_model.h"

namespace lockflight::train {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

// A run that can be stopped, saved and taken up again.
struct TrainingRun {
  explicit TrainingRun(int ranks, bool tied = false, bool adamw = true)
      : small(ranks, 4, tied), optimizer(make_optimizer(adamw)) {}

  Optimizer make_optimizer(bool adamw) const {
    if (adamw) {
      return AdamW(small.pipeline.parameters(), {.learning_rate = 0.02F, .clip_norm = 0.2F});
    }
    return Sgd(small.pipeline.parameters(), {.learning_rate = 0.1F, .momentum = 0.9F});
  }

  void train(int steps) {
    for (int i = 0; i < steps; ++i) {
      small.pipeline.forward_backward(small_batch(small.pipeline.step()));
      optimizer.step();
    }
  }

  fs::path save(const fs::path& folder) {
    return save_checkpoint(folder, small.pipeline, optimizer,
                           {.seed = 12345678901234567890U,
                            .model = R"({"layers": 4})",
                            .training = R"({"note": "ü"})"});
  }

  CheckpointInfo load(const fs::path& folder) {
    return load_checkpoint(folder, small.pipeline, optimizer);
  }

  // Everything a resume restores.
  std::vector<std::vector<float>> content() const {
    std::vector<std::vector<float>> all;
    for (std::size_t i = 0; i < small.pipeline.parameters().entries().size(); ++i) {
      all.push_back(small.pipeline.read_back(i));
    }
    for (std::size_t i = 0; i < optimizer.states().size(); ++i) {
      all.push_back(optimizer.read_back(i));
    }
    all.push_back(
        {static_cast<float>(small.pipeline.step()), static_cast<float>(optimizer.updates())});
    return all;
  }

  SmallPipeline small;
  Optimizer optimizer;
};

std::vector<std::string> names_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder)) {
    names.push_back(entry.path().filename());
  }
  std::ranges::sort(names);
  return names;
}

TEST(CheckpointTest, AResumeOnAnotherNumberOfRanksGivesTheBitsOfTheWholeRun) {
  for (const bool tied : {false, true}) {
    for (const bool adamw : {true, false}) {
      TrainingRun whole(1, tied, adamw);
      whole.train(9);
      for (const auto& [ranks, other] : {std::pair(1, 3), {3, 1}, {2, 4}}) {
        const ScratchFolder folder;
        TrainingRun first(ranks, tied, adamw);
        first.train(4);
        first.save(folder.path());
        TrainingRun second(other, tied, adamw);
        second.load(folder.path());
        EXPECT_EQ(second.content(), first.content());
        second.train(5);
        EXPECT_EQ(second.content(), whole.content()) << ranks << " then " << other;
      }
    }
  }
}

TEST(CheckpointTest, HasEveryParameterByItsFullNameAndOfATiedPairTheFirst) {
  const ScratchFolder folder;
  TrainingRun run(2, true);
  run.train(1);
  const fs::path checkpoint = run.save(folder.path());
  EXPECT_EQ(checkpoint, folder / "step-000001");
  const SafetensorsFile model(checkpoint / "model.safetensors");
  std::vector<std::string> names;
  for (const SafetensorsEntry& entry : model.entries()) {
    names.push_back(entry.name);
  }
  EXPECT_THAT(names, ElementsAre("layer0.scale", "layer0.shift", "layer1.scale", "layer1.shift",
                                 "layer2.scale", "layer2.shift", "layer3.shift"));
  const HostTensor scale = model.read(*model.find("layer1.scale"));
  EXPECT_EQ(scale.spec(), (TensorSpec{{1, kWidth}, DType::f32}));
  EXPECT_THAT(scale.as<float>(), testing::ElementsAreArray(run.small.pipeline.read_back(2)));
  const SafetensorsFile optimizer(checkpoint / "optimizer.safetensors");
  EXPECT_EQ(optimizer.entries().size(), 14U);
  EXPECT_NE(optimizer.find("layer2.shift.exp_avg_sq"), nullptr);
}

TEST(CheckpointTest, TheManifestSaysWhatTheRunWas) {
  const ScratchFolder folder;
  EXPECT_FALSE(has_checkpoint(folder.path()));
  TrainingRun run(1);
  run.train(3);
  const fs::path checkpoint = run.save(folder.path());
  EXPECT_TRUE(has_checkpoint(folder.path()));
  EXPECT_TRUE(has_checkpoint(checkpoint));
  for (const fs::path& path : {folder.path(), checkpoint}) {
    const CheckpointInfo info = read_checkpoint(path);
    EXPECT_EQ(info.step, 3U);
    EXPECT_EQ(info.seed, 12345678901234567890U);
    EXPECT_EQ(info.model, R"({"layers":4})");
    EXPECT_EQ(info.training, R"({"note":"ü"})");
    EXPECT_EQ(info.optimizer, "adamw");
    EXPECT_EQ(info.optimizer_options, run.optimizer.options());
    EXPECT_EQ(info.optimizer_updates, 3);
  }
}

TEST(CheckpointTest, WeightsCanBeLoadedWithoutAnOptimizer) {
  const ScratchFolder folder;
  TrainingRun run(3);
  run.train(2);
  run.save(folder.path());
  SmallPipeline other(2);
  EXPECT_EQ(load_weights(folder.path(), other.pipeline).step, 2U);
  EXPECT_EQ(other.pipeline.weights_hash(), run.small.pipeline.weights_hash());
  EXPECT_EQ(other.pipeline.step(), 2U);
}

TEST(CheckpointTest, TheNextOneTakesThePlaceOfTheOneBefore) {
  const ScratchFolder folder;
  const fs::path path = folder / "a/b";
  TrainingRun run(2);
  run.train(2);
  run.save(path);
  EXPECT_THAT(names_in(path), ElementsAre("latest", "step-000002"));
  run.train(1);
  run.save(path);
  EXPECT_THAT(names_in(path), ElementsAre("latest", "step-000003"));
  EXPECT_THAT(names_in(path / "step-000003"),
              ElementsAre("manifest.json", "model.safetensors", "optimizer.safetensors"));
  // The same step again, and a run that starts from the beginning.
  run.save(path);
  EXPECT_THAT(names_in(path), ElementsAre("latest", "step-000003-2"));
  TrainingRun fresh(1);
  fresh.train(1);
  fresh.save(path);
  EXPECT_THAT(names_in(path), ElementsAre("latest", "step-000001"));
  EXPECT_EQ(read_checkpoint(path).step, 1U);
}

TEST(CheckpointTest, PreparesAFolderAndLeavesItEmptyOrSaysWhyItCannot) {
  const ScratchFolder folder;
  prepare_checkpoint_folder(folder / "a/b");
  EXPECT_THAT(names_in(folder / "a/b"), testing::IsEmpty());
  prepare_checkpoint_folder(folder / "a/b");
  write_file(folder / "file", "");
  EXPECT_THAT(error_text<FileError>([&] { prepare_checkpoint_folder(folder / "file"); }),
              HasSubstr("file: cannot create the folder: Not a directory"));
}

TEST(CheckpointTest, LeavesOtherFilesInItsFolderAlone) {
  const ScratchFolder folder;
  write_file(folder / "notes.txt", "mine");
  fs::create_directory(folder / "step-000001");  // not ours: has no manifest, nobody names it
  write_file(folder / "step-000001/mine.txt", "mine");
  TrainingRun run(1);
  run.train(1);
  run.save(folder.path());
  run.train(1);
  run.save(folder.path());
  EXPECT_THAT(names_in(folder.path()),
              ElementsAre("latest", "notes.txt", "step-000001", "step-000002"));
  EXPECT_EQ(read_file(folder / "step-000001/mine.txt"), "mine");
}

// No file may grow beyond so many bytes while this lives: every write fails in its turn.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : signal_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, signal_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
  void (*signal_)(int);
};

TEST(CheckpointTest, AWriteThatFailsAnywhereKeepsTheCheckpointBeforeAndLeavesNothingBehind) {
  const ScratchFolder folder;
  TrainingRun run(1);
  run.train(1);
  const fs::path good = run.save(folder.path());
  const auto content = run.content();
  std::uintmax_t largest = 0;
  for (const auto& entry : fs::directory_iterator(good)) {
    largest = std::max(largest, fs::file_size(entry.path()));
  }
  run.train(1);
  int failures = 0;
  for (std::uintmax_t bytes = 0; bytes < largest; bytes += 61) {
    {
      const FileSizeLimit limit(bytes);
      EXPECT_THAT(error_text<FileError>([&] { run.save(folder.path()); }),
                  AllOf(HasSubstr("step-000002.partial/"), HasSubstr("File too large")));
    }
    ++failures;
    ASSERT_THAT(names_in(folder.path()), ElementsAre("latest", "step-000001"));
    TrainingRun loaded(1);
    loaded.load(folder.path());
    ASSERT_EQ(loaded.content(), content) << bytes;
  }
  EXPECT_GT(failures, 20);
  run.save(folder.path());
  EXPECT_THAT(names_in(folder.path()), ElementsAre("latest", "step-000002"));
}

TEST(CheckpointTest, ARunKilledWhileSavingLeavesACheckpointAndTheNextSaveCleansUp) {
  const ScratchFolder folder;
  TrainingRun run(1);
  run.train(1);
  run.save(folder.path());
  const auto content = run.content();
  const auto expect_whole = [&] {
    TrainingRun loaded(2);
    loaded.load(folder.path());
    EXPECT_EQ(loaded.content(), content);
  };
  // Killed in the middle of a file; with all files, before the rename of the folder; before that of
  // `latest`; before the one before was removed.
  fs::create_directory(folder / "step-000002.partial");
  write_file(folder / "step-000002.partial/model.safetensors", "half");
  expect_whole();
  fs::copy(folder / "step-000001", folder / "step-000003.partial");
  expect_whole();
  fs::copy(folder / "step-000001", folder / "step-000002");
  write_file(folder / "latest.partial", "step-0");
  expect_whole();
  run.train(1);
  EXPECT_EQ(run.save(folder.path()), folder / "step-000002-2");
  EXPECT_THAT(names_in(folder.path()), ElementsAre("latest", "step-000002", "step-000002-2"));
}

TEST(CheckpointTest, RefusesAnotherModelByTheNameOfATensorAndChangesNothing) {
  const ScratchFolder folder;
  TrainingRun run(1);
  run.train(1);
  run.save(folder.path());
  for (const int layers : {3, 5}) {
    SmallPipeline other(1, layers);
    const std::uint64_t hash = other.pipeline.weights_hash();
    EXPECT_THAT(
        error_text<DataError>([&] { load_weights(folder.path(), other.pipeline); }),
        HasSubstr(layers == 3 ? "has a tensor 'layer3.scale'" : "no tensor 'layer4.scale'"));
    EXPECT_EQ(other.pipeline.weights_hash(), hash);
    EXPECT_EQ(other.pipeline.step(), 0U);
  }
  TrainingRun sgd(1, false, false);
  const auto content = sgd.content();
  EXPECT_THAT(error_text<DataError>([&] { sgd.load(folder.path()); }),
              AllOf(HasSubstr("adamw"), HasSubstr("sgd")));
  EXPECT_EQ(sgd.content(), content);
}

TEST(CheckpointTest, SaysWhereNoCheckpointIs) {
  const ScratchFolder folder;
  TrainingRun run(1);
  EXPECT_THAT(error_text<FileError>([&] { run.load(folder / "none"); }),
              AllOf(HasSubstr("none"), HasSubstr("no checkpoint")));
  run.save(folder.path());
  fs::remove(folder / "step-000000/model.safetensors");
  EXPECT_THAT(error_text<FileError>([&] { run.load(folder.path()); }),
              AllOf(HasSubstr("model.safetensors"), HasSubstr("No such file")));
  write_file(folder / "latest", "../other\n");
  EXPECT_THAT(error_text<DataError>([&] { run.load(folder.path()); }), HasSubstr("'../other'"));
}

TEST(CheckpointTest, RefusesTextsThatAreNoJsonBeforeItWrites) {
  const ScratchFolder folder;
  TrainingRun run(1);
  EXPECT_THROW(
      save_checkpoint(folder.path(), run.small.pipeline, run.optimizer, {.model = "{layers"}),
      InvalidArgument);
  EXPECT_THAT(names_in(folder.path()), ElementsAre());
}

TEST(CheckpointTest, SaysThatAManifestWasEditedOrIsOfAnotherVersion) {
  const ScratchFolder folder;
  TrainingRun run(1);
  const fs::path manifest = run.save(folder.path()) / "manifest.json";
  const std::string good = read_file(manifest);
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    write_file(manifest, text);
    return error_text<DataError>([&] { run.load(folder.path()); });
  };
  EXPECT_THAT(replaced("\"step\": 0", "\"step\": 1"), HasSubstr("was changed"));
  EXPECT_THAT(replaced("\"version\": 1", "\"version\": 2"), HasSubstr("has version 2"));
  EXPECT_THAT(replaced("lockflight checkpoint", "something else"), HasSubstr("is no manifest"));
  EXPECT_THAT(replaced("\"updates\"", "\"downdates\""), HasSubstr("was changed"));
  // The same JSON, laid out in another way, is the same manifest.
  write_file(manifest, nlohmann::ordered_json::parse(good).dump());
  EXPECT_NO_THROW(run.load(folder.path()));
}

TEST(CheckpointTest, MutationsAndTruncationsAreRefusedOrLoadTheSame) {
  const ScratchFolder folder;
  TrainingRun run(1);
  run.train(1);
  const fs::path checkpoint = run.save(folder.path());
  const auto content = run.content();
  const std::vector<fs::path> files = {checkpoint / "model.safetensors",
                                       checkpoint / "optimizer.safetensors",
                                       checkpoint / "manifest.json", folder / "latest"};
  auto victim = std::make_unique<TrainingRun>(1);
  const std::uint64_t untouched = victim->small.pipeline.weights_hash();
  int refused = 0;
  constexpr int kMutations = 480;
  for (int i = 0; i < kMutations; ++i) {
    Random random({.seed = 11, .step = static_cast<std::uint32_t>(i)});
    const fs::path& path = files[static_cast<std::size_t>(i) % files.size()];
    const std::string good = read_file(path);
    std::string bad = good;
    switch (random.next_below(4)) {
      case 0:
        bad.resize(random.next_below(good.size()));
        break;
      case 1:
        bad.insert(random.next_below(good.size() + 1), 1, static_cast<char>(random.next_u32()));
        break;
      case 2:
        bad[random.next_below(good.size())] ^= static_cast<char>(1U << random.next_below(8));
        break;
      default:
        bad[random.next_below(good.size())] = static_cast<char>(random.next_u32());
    }
    write_file(path, bad);
    try {
      victim->load(folder.path());
      EXPECT_EQ(victim->content(), content) << "mutation " << i << " of " << path;
      victim = std::make_unique<TrainingRun>(1);
    } catch (const DataError&) {
      ++refused;
    } catch (const FileError&) {
      ++refused;
    }
    ASSERT_EQ(victim->small.pipeline.weights_hash(), untouched)
        << "mutation " << i << " of " << path;
    write_file(path, good);
  }
  EXPECT_GT(refused, kMutations * 3 / 4);
}

}  // namespace
}  // namespace lockflight::train

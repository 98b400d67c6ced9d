// The command as a program of its own: exit codes, the sentence on standard error, and what is left
// on the disk.

#include <csignal>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>

#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

class CommandTest : public testing::Test {
 protected:
  CommandTest() {
    std::filesystem::create_directory(work_);
    write("input.txt", some_text());
  }

  void write(const std::string& name, const std::string& bytes) {
    train::write_file(work_ / name, bytes);
  }
  std::string read(const std::string& name) { return train::read_file(work_ / name); }

  Outcome run(const Words& words, const std::string& out = "") {
    return Process(words, work_, out).wait();
  }

  // Names in the folder that the command ran in, but for the data.
  std::vector<std::string> left() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(work_)) {
      if (entry.path().filename() != "input.txt") {
        names.push_back(entry.path().filename());
      }
    }
    return names;
  }

  // One line of one sentence, nothing on standard output, nothing written.
  void expect_refusal(const Words& words, int exit_code, const std::string& sentence) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, exit_code) << testing::PrintToString(words) << outcome.err;
    EXPECT_EQ(outcome.out, "") << testing::PrintToString(words);
    EXPECT_THAT(outcome.err, AllOf(StartsWith("lockflight: "), HasSubstr(sentence)));
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_THAT(left(), IsEmpty());
  }

  Words all_outputs() const {
    return {"--checkpoint", "model", "--trace",    "t.json",
            "--loss-curve", "c.svg", "--loss-log", "l.txt"};
  }

  train::ScratchFolder scratch_;
  std::filesystem::path work_ = scratch_ / "work";
};

TEST_F(CommandTest, BadUsageIs64AndWritesNothing) {
  const Words train = tiny_training() + all_outputs();
  expect_refusal({}, 64, "subcommand");
  expect_refusal({"fly"}, 64, "fly");
  expect_refusal({"train"}, 64, "--data FILE is missing");
  expect_refusal(train + Words{"--bogus"}, 64, "--bogus");
  expect_refusal(train + Words{"--ranks", "0"}, 64, "--ranks is 0");
  expect_refusal(train + Words{"--ranks", "8"}, 64, "the model has 7 layers");
  expect_refusal(train + Words{"--heads", "3"}, 64, "--heads 3 do not divide --width 16");
  expect_refusal(train + Words{"--schedule", "2f2b"}, 64, "2f2b");
  expect_refusal(train + Words{"--split", "3"}, 64, "must add up to 2 (blocks), or to 7");
  expect_refusal({"schedule", "2f2b"}, 64, "2f2b");
  expect_refusal({"sample"}, 64, "--checkpoint DIR is missing");
}

TEST_F(CommandTest, BadUsageComesBeforeBadFiles) {
  expect_refusal(tiny_training() + Words{"--data", "missing.txt", "--ranks", "0"}, 64, "--ranks");
  expect_refusal(tiny_training() + Words{"--checkpoint", "missing", "--resume", "--ranks", "0"}, 64,
                 "--ranks");
}

TEST_F(CommandTest, AConfigurationThatIsNoneIs64) {
  const auto path = scratch_ / "run.toml";
  const Words words = tiny_training() + all_outputs() + Words{"--config", path};
  train::write_file(path, "layers = = 3\n");
  expect_refusal(words, 64, "line 1");
  train::write_file(path, "steps = 3\nlayer = 3\n");
  expect_refusal(words, 64, "no option \"layer\"");
  expect_refusal(tiny_training() + Words{"--config", scratch_ / "missing.toml"}, 74,
                 "missing.toml");
}

TEST_F(CommandTest, DataThatCannotBeReadIs74) {
  const Words words = tiny_training() + all_outputs();
  expect_refusal(words + Words{"--data", "missing.txt"}, 74, "missing.txt");
  expect_refusal(words + Words{"--data", scratch_.path()}, 74, scratch_.path());
}

TEST_F(CommandTest, DataWithoutPermissionIs74) {
  if (::geteuid() == 0) {
    GTEST_SKIP() << "root may read every file";
  }
  const auto path = scratch_ / "secret.txt";
  train::write_file(path, some_text());
  std::filesystem::permissions(path, std::filesystem::perms::none);
  expect_refusal(tiny_training() + all_outputs() + Words{"--data", path}, 74, "secret.txt");
}

TEST_F(CommandTest, DataThatIsNoneIs65) {
  const Words words = tiny_training() + all_outputs();
  const auto data = [&](const std::string& name, const std::string& bytes) {
    train::write_file(scratch_ / name, bytes);
    return words + Words{"--data", scratch_ / name};
  };
  expect_refusal(data("empty.txt", ""), 65, "empty.txt");
  expect_refusal(data("short.txt", "too short"), 65, "short.txt");
  expect_refusal(data("odd.bin", std::string(4001, 'a')), 65, "odd.bin");
  // 0x6161 = 24929
  expect_refusal(data("tokens.bin", std::string(4000, 'a')) + Words{"--vocabulary", "24929"}, 65,
                 "24929");
}

TEST_F(CommandTest, ABadProfileIs65WithLineAndColumn) {
  const std::string path = scratch_ / "bad.json";
  const Words train = tiny_training() + all_outputs() + Words{"--profile", path};
  const Words plan = {"plan", "--device-profile", path};
  train::write_file(path, "{\n \"format\": soup}");
  expect_refusal(train, 65, path + ": line 2, column 12: this is no JSON");
  expect_refusal(plan, 65, path + ": line 2, column 12: this is no JSON");
  train::write_file(path, "{\"format\": \"lockflight profile\",\n\"version\": -1}");
  expect_refusal(train, 65, path + ": line 2, column 12: version is -1");
  train::write_file(path, "{\"format\": \"lockflight device profile\",\n\"version\": 1}");
  expect_refusal(plan, 65, path + ": line 1, column 1: name is missing");
}

TEST_F(CommandTest, AnOutputThatCannotBeOpenedIs74) {
  for (const char* option : {"--trace", "--loss-curve", "--loss-log"}) {
    const Outcome outcome = run(tiny_training() + Words{option, "missing/file"});
    EXPECT_EQ(outcome.exit_code, 74) << option;
    EXPECT_THAT(outcome.err, HasSubstr("missing/file"));
    EXPECT_EQ(outcome.out, "");
  }
}

// Hours of training would be lost if it turned out at their end only.
TEST_F(CommandTest, ACheckpointFolderThatCannotBeMadeIs74BeforeTheFirstStep) {
  write("file", "");
  for (const char* folder : {"file", "file/model", "/dev/full", "/proc/model"}) {
    const Outcome outcome = run(tiny_training() + Words{"--checkpoint", folder});
    EXPECT_EQ(outcome.exit_code, 74) << folder;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("lockflight: "), HasSubstr(folder)));
    EXPECT_EQ(outcome.out, "");
  }
}

TEST_F(CommandTest, AFullDiskIs74) {
  for (const char* option : {"--trace", "--loss-curve", "--loss-log"}) {
    const Outcome outcome = run(tiny_training() + Words{option, "/dev/full"});
    EXPECT_EQ(outcome.exit_code, 74) << option;
    EXPECT_THAT(outcome.err, AllOf(StartsWith("lockflight: "), HasSubstr("/dev/full")));
    EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  }
}

TEST_F(CommandTest, AFullStandardOutputIs74) {
  for (const Words& words : {tiny_training(), tiny_training() + Words{"--json"},
                             Words{"schedule", "1f1b"}, Words{"train", "--help"}}) {
    const Outcome outcome = run(words, "/dev/full");
    EXPECT_EQ(outcome.exit_code, 74) << testing::PrintToString(words);
    EXPECT_THAT(outcome.err, HasSubstr("standard output"));
  }
}

// A file system of 64 KiB, if this process may mount one.
class SmallDisk {
 public:
  explicit SmallDisk(std::filesystem::path path) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    mounted_ = ::mount("lockflight", path_.c_str(), "tmpfs", 0, "size=64k") == 0;
  }
  ~SmallDisk() {
    if (mounted_) {
      ::umount(path_.c_str());
    }
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;

  bool mounted() const { return mounted_; }

 private:
  std::filesystem::path path_;
  bool mounted_ = false;
};

TEST_F(CommandTest, ACheckpointThatDoesNotFitOnTheDiskIs74AndLeavesTheOneBefore) {
  const SmallDisk disk(scratch_ / "disk");
  if (!disk.mounted()) {
    GTEST_SKIP() << "mounting a small disk needs root";
  }
  const std::string folder = scratch_ / "disk/model";
  // Weights and both moments of width 4 fit, of width 16 they do not.
  const Words small = {"--width", "4", "--layers", "1", "--checkpoint", folder};
  ASSERT_EQ(run(tiny_training() + small).exit_code, 0);
  const Outcome outcome = run(tiny_training() + Words{"--checkpoint", folder});
  EXPECT_EQ(outcome.exit_code, 74);
  EXPECT_THAT(outcome.err, AllOf(StartsWith("lockflight: "), HasSubstr(folder)));
  const Outcome again = run(tiny_training() + small + Words{"--resume"});
  EXPECT_EQ(again.exit_code, 0) << again.err;
}

TEST_F(CommandTest, ACheckpointThatIsMissingIs74AndADamagedOneIs65) {
  expect_refusal(tiny_training() + Words{"--checkpoint", "model", "--resume"}, 74, "model");
  expect_refusal({"sample", "--checkpoint", "model"}, 74, "model");

  ASSERT_EQ(run(tiny_training() + Words{"--checkpoint", scratch_ / "model"}).exit_code, 0);
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(scratch_ / "model")) {
    if (entry.is_regular_file() && entry.file_size() > 200) {
      files.push_back(entry.path());
    }
  }
  ASSERT_GE(files.size(), 3U);  // weights, optimizer, manifest
  for (const auto& path : files) {
    const std::string good = train::read_file(path);
    std::string changed = good;
    changed[changed.size() / 2] = static_cast<char>(changed[changed.size() / 2] ^ 1);
    for (const std::string& bad : {good.substr(0, good.size() / 2), changed, std::string()}) {
      train::write_file(path, bad);
      expect_refusal(tiny_training() + Words{"--checkpoint", scratch_ / "model", "--resume"}, 65,
                     path.filename());
    }
    train::write_file(path, good);
  }
}

TEST_F(CommandTest, InterruptsFinishTheStepSaveAndCanBeResumed) {
  const Words words = tiny_training() + Words{"--steps", "1000000", "--log-every", "1"};
  for (const auto& [signal, exit_code] : {std::pair{SIGINT, 130}, std::pair{SIGTERM, 143}}) {
    Process process(words + Words{"--checkpoint", "model"}, work_);
    while (process.out().find(" 3/1000000") == std::string::npos) {
      ASSERT_TRUE(process.runs());
      ::usleep(1000);
    }
    ::kill(process.id(), signal);
    const Outcome outcome = process.wait();
    EXPECT_EQ(outcome.exit_code, exit_code) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("stopped by signal"), HasSubstr("weights 0x")));
    EXPECT_EQ(run({"train", "--data", "input.txt", "--checkpoint", "model", "--resume", "--steps",
                   "1", "--warmup", "0"})
                  .exit_code,
              0);
  }
}

TEST_F(CommandTest, HelpIsOnStandardOutput) {
  for (const Words& words : {Words{"--help"}, Words{"train", "--help"}, Words{"sample", "--help"},
                             Words{"schedule", "--help"}}) {
    const Outcome outcome = run(words);
    EXPECT_EQ(outcome.exit_code, 0);
    EXPECT_EQ(outcome.err, "");
    EXPECT_THAT(outcome.out, AllOf(HasSubstr("Example"), HasSubstr("Options:")));
  }
}

}  // namespace
}  // namespace lockflight::tools

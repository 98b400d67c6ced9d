#include "tools/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class ConfigFileTest : public testing::Test {
 protected:
  std::vector<Setting> read(const std::string& text) {
    train::write_file(folder_ / "run.toml", text);
    return read_config(folder_ / "run.toml");
  }

  std::string refusal(const std::string& text) {
    try {
      read(text);
    } catch (const InvalidArgument& error) {
      return error.what();
    }
    return "";
  }

  train::ScratchFolder folder_;
};

TEST_F(ConfigFileTest, ReadsValuesAsTheyStandOnACommandLine) {
  const auto settings = read(
      "# a run\ndata = 'input.txt'\nlearning-rate = 2.5e-3\nsplit = [1, 3, 2]\nsteps = 300\n"
      "tied = true\n");
  ASSERT_EQ(settings.size(), 5U);
  const auto value = [&](const std::string& key) {
    for (const Setting& setting : settings) {
      if (setting.key == key) {
        return setting.value;
      }
    }
    return std::string("none");
  };
  EXPECT_EQ(value("data"), "input.txt");
  EXPECT_EQ(value("learning-rate"), "0.0025");
  EXPECT_EQ(value("split"), "1,3,2");
  EXPECT_EQ(value("steps"), "300");
  EXPECT_EQ(value("tied"), "true");
}

TEST_F(ConfigFileTest, KeepsAllDigitsOfANumber) {
  EXPECT_EQ(std::stod(read("clip = 0.1234567890123456789").front().value), 0.1234567890123456789);
}

TEST_F(ConfigFileTest, SaysInWhichLineTheFileIsNoToml) {
  EXPECT_THAT(refusal("steps = 3\nlayers = = 4\n"),
              AllOf(HasSubstr("line 2"), HasSubstr("no TOML")));
}

TEST_F(ConfigFileTest, RefusesTablesAndDates) {
  EXPECT_THAT(refusal("[model]\nlayers = 4\n"), HasSubstr("\"model\""));
  EXPECT_THAT(refusal("steps = 2020-01-01\n"), HasSubstr("\"steps\""));
  EXPECT_THAT(refusal("split = [[1], [2]]\n"), HasSubstr("\"split\""));
}

TEST_F(ConfigFileTest, AMissingFileIsAFailureOfInput) {
  EXPECT_THROW(read_config(folder_ / "missing.toml"), FileError);
}

TEST_F(ConfigFileTest, AFolderIsAFailureOfInput) {
  EXPECT_THROW(read_config(folder_.path()), FileError);
}

}  // namespace
}  // namespace lockflight::tools

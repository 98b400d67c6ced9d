#include "lockflight/train/text_dataset.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "train/error_text.h"
#include "train/scratch_folder.h"

namespace lockflight::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Tokens that tell where they stand: token i is i.
class TextDatasetTest : public testing::Test {
 protected:
  std::filesystem::path counting_file(int tokens) {
    std::string bytes;
    for (int i = 0; i < tokens; ++i) {
      bytes += static_cast<char>(i % 256);
      bytes += static_cast<char>(i / 256);
    }
    write_file(folder_ / "count.bin", bytes);
    return folder_ / "count.bin";
  }

  TextDataset counting(int tokens, const BatchShape& shape, TextDatasetOptions options) {
    options.vocabulary = 65536;
    return {counting_file(tokens), shape, options};
  }

  ScratchFolder folder_;
};

std::vector<std::int32_t> tokens_of(const HostTensor& tensor) {
  const auto tokens = tensor.as<std::int32_t>();
  return {tokens.begin(), tokens.end()};
}

// The first tokens of the rows, after a check that every row is a run of consecutive tokens and its
// targets are one further on.
std::vector<std::int32_t> row_begins(const Batch& batch) {
  const auto inputs = batch.inputs[0].as<std::int32_t>();
  const auto targets = batch.targets[0].as<std::int32_t>();
  const auto context = static_cast<std::size_t>(batch.inputs[0].spec().shape.columns());
  EXPECT_EQ(batch.inputs[0].spec(), batch.targets[0].spec());
  EXPECT_EQ(batch.inputs[0].spec().dtype, DType::i32);
  std::vector<std::int32_t> begins;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (i % context == 0) {
      begins.push_back(inputs[i]);
    }
    EXPECT_EQ(inputs[i], begins.back() + static_cast<int>(i % context));
    EXPECT_EQ(targets[i], inputs[i] + 1);
  }
  return begins;
}

TEST_F(TextDatasetTest, RowsAreWindowsWithTheirTargetsOneTokenFurther) {
  const TextDataset data =
      counting(1000, {.micro_batch_rows = 3, .micro_batches = 2}, {.context = 7});
  EXPECT_EQ(data.at(5).inputs[0].spec().shape, (Shape{6, 7}));
  EXPECT_EQ(row_begins(data.at(5)).size(), 6U);
}

TEST_F(TextDatasetTest, ABatchDependsOnSeedAndStepAlone) {
  const BatchShape shape{.micro_batch_rows = 4, .micro_batches = 2};
  const TextDataset data = counting(5000, shape, {.context = 8, .seed = 3});
  const TextDataset again = counting(5000, shape, {.context = 8, .seed = 3});
  const TextDataset other = counting(5000, shape, {.context = 8, .seed = 4});
  again.at(0);  // no matter what was drawn before
  EXPECT_EQ(row_begins(data.at(17)), row_begins(again.at(17)));
  EXPECT_NE(row_begins(data.at(17)), row_begins(data.at(18)));
  EXPECT_NE(row_begins(data.at(17)), row_begins(other.at(17)));
}

TEST_F(TextDatasetTest, ABatchDoesNotDependOnHowItIsCut) {
  const TextDatasetOptions options{.context = 8};
  const TextDataset whole = counting(5000, {.micro_batch_rows = 12, .micro_batches = 1}, options);
  const TextDataset cut = counting(5000, {.micro_batch_rows = 2, .micro_batches = 6}, options);
  EXPECT_EQ(row_begins(whole.at(2)), row_begins(cut.at(2)));
  const TextDataset fewer = counting(5000, {.micro_batch_rows = 2, .micro_batches = 3}, options);
  auto prefix = row_begins(whole.at(2));
  prefix.resize(6);
  EXPECT_EQ(prefix, row_begins(fewer.at(2)));
}

TEST_F(TextDatasetTest, StretchesCoverTheTextOnceAndTrainingNeverTouchesAHeldOutToken) {
  for (const int tokens : {90, 91, 200, 359, 360, 361, 1000, 4321}) {
    SCOPED_TRACE(tokens);
    const TextDataset data =
        counting(tokens, {.micro_batch_rows = 50, .micro_batches = 2}, {.context = 8});
    std::vector<int> uses(static_cast<std::size_t>(tokens), 0);
    for (const auto& stretch : data.training_stretches()) {
      std::for_each(uses.begin() + stretch.begin, uses.begin() + stretch.end,
                    [](int& use) { ++use; });
    }
    std::set<int> held_out;
    for (const auto& stretch : data.held_out_stretches()) {
      for (std::int64_t i = stretch.begin; i < stretch.end; ++i) {
        ++uses[static_cast<std::size_t>(i)];
        held_out.insert(static_cast<int>(i));
      }
    }
    EXPECT_THAT(uses, testing::Each(1));
    EXPECT_EQ(data.held_out_tokens(), static_cast<std::int64_t>(held_out.size()));
    EXPECT_GE(held_out.size(), 9U);
    for (std::uint32_t step = 0; step < 10; ++step) {
      for (const int begin : row_begins(data.at(step))) {
        const auto touched = held_out.lower_bound(begin);
        EXPECT_TRUE(touched == held_out.end() || *touched > begin + 8) << begin;
      }
    }
    for (const int begin : row_begins(data.validation())) {
      EXPECT_TRUE(held_out.contains(begin) && held_out.contains(begin + 8)) << begin;
    }
  }
}

TEST_F(TextDatasetTest, EveryTrainingWindowCanBeDrawn) {
  const TextDataset data =
      counting(90, {.micro_batch_rows = 500, .micro_batches = 4}, {.context = 8});
  std::set<int> expected;
  for (const auto& stretch : data.training_stretches()) {
    for (std::int64_t begin = stretch.begin; begin + 9 <= stretch.end; ++begin) {
      expected.insert(static_cast<int>(begin));
    }
  }
  const auto begins = row_begins(data.at(0));
  EXPECT_EQ(std::set<int>(begins.begin(), begins.end()), expected);
}

TEST_F(TextDatasetTest, HeldOutBlocksAreATenthSpreadOverTheWholeText) {
  const TextDataset data = counting(36000, {}, {.context = 8});
  EXPECT_EQ(data.held_out_tokens(), 3600);
  EXPECT_EQ(data.held_out_stretches().size(), 100U);
  EXPECT_LT(data.held_out_stretches().front().begin, 360);
  EXPECT_GT(data.held_out_stretches().back().end, 36000 - 360);
}

TEST_F(TextDatasetTest, ValidationIsFixedAndSpreadOverAllHeldOutBlocks) {
  const TextDatasetOptions options{.context = 8, .validation_rows = 10};
  const TextDataset data = counting(36000, {.micro_batch_rows = 4}, options);
  const auto begins = row_begins(data.validation());
  EXPECT_EQ(begins.size(), 12U);  // whole micro-batches
  EXPECT_EQ(begins, row_begins(data.validation()));
  EXPECT_TRUE(std::ranges::is_sorted(begins));
  for (std::size_t i = 1; i < begins.size(); ++i) {
    EXPECT_NEAR(begins[i] - begins[i - 1], 3000, 400);
  }
}

TEST_F(TextDatasetTest, HoldsNothingOutWhenAsked) {
  const TextDataset data = counting(9, {}, {.context = 8, .validation_every = 0});
  EXPECT_FALSE(data.has_validation());
  EXPECT_EQ(data.held_out_tokens(), 0);
  EXPECT_EQ(row_begins(data.at(0)).front(), 0);
  EXPECT_THROW(data.validation(), InvalidArgument);
}

TEST_F(TextDatasetTest, ReadsBytesFromAText) {
  write_file(folder_ / "a.txt", std::string(100, 'x'));
  const TextDataset data(folder_ / "a.txt", {.micro_batch_rows = 2}, {.context = 5});
  EXPECT_THAT(tokens_of(data.at(0).inputs[0]), testing::Each('x'));
}

TEST_F(TextDatasetTest, RefusesATextThatIsTooShortWithBothSizes) {
  EXPECT_THAT(error_text<DataError>([&] { counting(89, {}, {.context = 8}); }),
              AllOf(HasSubstr("89 tokens"), HasSubstr("at least 90"), HasSubstr("count.bin")));
  EXPECT_THAT(
      error_text<DataError>([&] { counting(8, {}, {.context = 8, .validation_every = 0}); }),
      AllOf(HasSubstr("8 tokens"), HasSubstr("at least 9")));
}

TEST_F(TextDatasetTest, RefusesOptionsThatCannotWork) {
  const auto refused = [&](const BatchShape& shape, const TextDatasetOptions& options) {
    EXPECT_THROW(counting(1000, shape, options), InvalidArgument);
  };
  refused({}, {.context = 0});
  refused({.micro_batch_rows = 0}, {});
  refused({.micro_batches = 0}, {});
  refused({}, {.validation_every = 1});
  refused({}, {.validation_every = -3});
  refused({}, {.validation_rows = 0});
}

}  // namespace
}  // namespace lockflight::train

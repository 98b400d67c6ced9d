#include "lockflight/schedule/text.h"

#include <array>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "schedule/error_of.h"
#include "schedule/schedules.h"
#include "schedule/sizes.h"

namespace lockflight::schedule {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;

using enum Choices::Recompute;

const std::string kPlain =
    "lockflight schedule 1\n"
    "name mine\n"
    "micro-batches 2\n"
    "placement 0 1\n"
    "rank 0: 0F0 0F1 . 0B0 0B1 TIED NORM UPDATE\n"
    "rank 1: . 1F0 1B0 1F1 1B1 TIED NORM UPDATE\n";
const std::string kFull =
    "lockflight schedule 1\n"
    "name two at a time\n"
    "micro-batches 2\n"
    "placement 0 1 1 0\n"
    "layers 4 4 4 3\n"
    "recompute 2 3 14\n"
    "rank 0: 0F0 0F1 3F0 3I0 3W0 (3F1;0B0)OVERLAP_F_B 3B1 0I1 0W1 TIED SUMS UPDATE VALIDATE\n"
    "rank 1: 1F0 2F0 1F1 (2F1;2B0)OVERLAP_F_B 1B0 2B1 1B1 TIED SUMS UPDATE VALIDATE\n";
const std::string kTextWithTransfers =
    "lockflight schedule 1\n"
    "name mine\n"
    "micro-batches 1\n"
    "placement 1 0\n"
    "recompute always\n"
    "rank 0: 1RECV_F0 1F0 1B0 1SEND_B0 1REDUCE_GRAD TIED NORM UPDATE\n"
    "rank 1: 0F0 0SEND_F0 0RECV_B0 0B0 TIED NORM UPDATE\n";
const std::string kForwards =
    "lockflight schedule 1\n"
    "name forward-only\n"
    "micro-batches 1\n"
    "placement 0\n"
    "recompute never\n"
    "rank 0: 0F0\n";

std::string text_error(const std::string& text) {
  return error_of<DataError>([&] { read_text(text); });
}

// Of a text in which something else stands in the place of what there is once.
std::string error_with(std::string text, const std::string& what, const std::string& other) {
  const std::size_t place = text.find(what);
  EXPECT_NE(place, std::string::npos) << what;
  return text_error(text.replace(place, what.size(), other));
}

TEST(TextTest, ReadsEveryStatement) {
  const SavedSchedule plain = read_text(kPlain);
  EXPECT_EQ(plain.schedule.name, "mine");
  EXPECT_EQ(plain.schedule.micro_batches, 2);
  EXPECT_EQ(plain.schedule.placement, Placement::loop({.ranks = 2}));
  EXPECT_EQ(line(plain.schedule, 0), "0F0 0F1 0B0 0B1");
  EXPECT_TRUE(plain.schedule.rows[0][2].empty());
  EXPECT_EQ(plain.choices, Choices());

  const SavedSchedule full = read_text(kFull);
  EXPECT_EQ(full.schedule.name, "two at a time");
  EXPECT_EQ(full.schedule.placement, Placement::v(2));
  EXPECT_EQ(full.schedule.rows[0][5], (Cell{parse_action("3F1"), parse_action("0B0")}));
  EXPECT_EQ(full.choices, (Choices{.layers = {4, 4, 4, 3},
                                   .recompute = listed,
                                   .recomputed = {2, 3, 14},
                                   .optimizer_in_schedule = true}));

  EXPECT_EQ(read_text(kTextWithTransfers).choices.recompute, always);
  EXPECT_EQ(read_text(kForwards).choices.recompute, never);
}

TEST(TextTest, APlacementIsWhatTheTextSays) {
  const Schedule schedule = read_text(kTextWithTransfers).schedule;
  EXPECT_EQ(schedule.placement, Placement(std::vector{1, 0}));
  EXPECT_TRUE(is_lowered(schedule));
  EXPECT_THAT(validate(schedule), IsEmpty());
}

TEST(TextTest, WritesTheBytesThatItRead) {
  for (const std::string& text : {kPlain, kFull, kTextWithTransfers, kForwards}) {
    EXPECT_TRUE(is_text(text));
    EXPECT_EQ(write_text(read_text(text)), text);
  }
}

// All of one's choices with each schedule.
TEST(TextTest, GeneratedSchedulesComeBackEqualAndAgainAsTheSameBytes) {
  for (const ScheduleInfo& info : schedules()) {
    for (const PipelineSize& size : sizes_of(info, 5, std::array{1, 2, 5, 12}, 3)) {
      SavedSchedule saved{.schedule = info.make(size), .choices = {}};
      Choices& choices = saved.choices;
      for (const Choices::Recompute recompute : {unsaid, never, always, listed}) {
        choices.recompute = recompute;
        choices.recomputed = recompute == listed ? std::vector{0} : std::vector<int>();
        choices.layers.assign(recompute == always ? 0 : saved.schedule.placement.parts(), 2);
        choices.optimizer_in_schedule = has_backward(saved.schedule) && recompute != never;
        const std::string text = write_text(saved);
        ASSERT_EQ(read_text(text), saved) << info.name;
        EXPECT_EQ(write_text(read_text(text)), text) << info.name;
      }
    }
  }
}

TEST(TextTest, TheCsvIsAViewThatLosesTheNameAndTheChoices) {
  for (const std::string& text : {kPlain, kFull, kTextWithTransfers, kForwards}) {
    SavedSchedule saved = read_text(text);
    const std::string csv = write_csv(saved.schedule);
    EXPECT_FALSE(is_text(csv));
    EXPECT_EQ(read_csv(csv, saved.schedule.name), saved.schedule);
    saved.choices = {};
    EXPECT_EQ(write_text({.schedule = read_csv(csv, saved.schedule.name), .choices = {}}),
              write_text(saved));
  }
}

TEST(TextTest, RefusesAnotherVersionWithWhatCanBeDone) {
  EXPECT_EQ(error_with(kPlain, "schedule 1", "schedule 2"),
            "schedule file, line 1, column 21: the file is of another version than 1, the only one "
            "that is known here; save it as version 1 or as CSV with the lockflight that wrote it, "
            "or read it with a newer one");
  EXPECT_THAT(error_with(kPlain, "schedule 1", "schedule 1.0"), HasSubstr("another version"));
  EXPECT_TRUE(is_text("lockflight schedule 2\nanything"));
}

TEST(TextTest, NamesThePlaceOfALineThatIsNotThere) {
  EXPECT_THAT(text_error(""),
              HasSubstr("line 1, column 1: expected a line that begins with \"lock"));
  EXPECT_THAT(text_error("lockflight schedule 1"), HasSubstr("line 1, column 22: the line has no"));
  EXPECT_THAT(text_error("lockflight schedule 1\n"),
              HasSubstr("line 2, column 1: expected a line"));
  EXPECT_THAT(error_with(kPlain, "name mine", "name "), HasSubstr("line 2, column 6: a name is"));
  EXPECT_THAT(error_with(kPlain, "mine", "m\u00e9ne"), HasSubstr("line 2, column 7: a name is"));
  EXPECT_THAT(error_with(kPlain, "mine\n", "mine\r\n"),
              HasSubstr("line 2, column 10: the line ends in a carriage return"));
  EXPECT_THAT(error_with(kPlain, "placement 0 1\n", ""),
              HasSubstr("line 4, column 1: expected a line that begins with \"placement \""));
  EXPECT_THAT(
      error_with(kFull, "layers 4 4 4 3\nrecompute 2 3 14\n", "recompute 2 3 14\nlayers 4 4 4 3\n"),
      HasSubstr("line 6, column 1: expected a line that begins with \"rank 0: \""));
  EXPECT_THAT(error_with(kPlain, "rank 1: ", "rank 2: "),
              HasSubstr("line 6, column 1: expected a line that begins with \"rank 1: \""));
  EXPECT_THAT(text_error(kPlain + "\n"), HasSubstr("line 7, column 1: a line follows the rows"));
  EXPECT_THAT(text_error(kPlain.substr(0, kPlain.size() - 1)),
              HasSubstr("line 6, column 43: the li"));
}

TEST(TextTest, NamesThePlaceOfANumberThatCannotBe) {
  for (const std::string word : {"0", "-1", "02", "2x", "", "2147483648", "2 ", " 2", "2 2"}) {
    EXPECT_THAT(error_with(kPlain, "batches 2", "batches " + word), HasSubstr("line 3, column 1"))
        << word;
  }
  EXPECT_THAT(error_with(kPlain, "placement 0 1", "placement 0 01"),
              HasSubstr("line 4, column 13: expected a whole number from 0 to 2147483647"));
  EXPECT_THAT(error_with(kPlain, "placement 0 1", "placement 0 -0"),
              HasSubstr("line 4, column 13"));
  EXPECT_THAT(error_with(kPlain, "placement 0 1", "placement 0 2000000000"),
              HasSubstr("line 4, column 11: placement: stage 1 lies on rank 2000000000"));
  EXPECT_THAT(error_with(kPlain, "placement 0 1", "placement 1 1"), HasSubstr("holds no stage"));
  EXPECT_THAT(error_with(kFull, "layers 4 4 4 3", "layers 4 4 4"),
              HasSubstr("line 5, column 8: layers of 3 stages, but a model has 4 here"));
  EXPECT_THAT(error_with(kFull, "layers 4 4 4 3", "layers 4 4 0 3"),
              HasSubstr("line 5, column 12"));
  EXPECT_THAT(error_with(kFull, "layers 4 4 4 3", "layers 4 4 2147483647 3"),
              HasSubstr("more than 2147483647 layers"));
  EXPECT_THAT(error_with(kFull, "2 3 14", "2 3 15"),
              HasSubstr("layer 15 is to be recomputed, but there are only the layers 0 to 14"));
  EXPECT_THAT(error_with(kFull, "2 3 14", "3 2 14"), HasSubstr("ascending"));
  EXPECT_THAT(error_with(kFull, "2 3 14", "2 2 14"), HasSubstr("ascending"));
  EXPECT_THAT(error_with(kFull, "2 3 14", "sometimes"),
              HasSubstr("line 6, column 11: expected a w"));
}

TEST(TextTest, TwoCopiesAreSaidAndOnlyWhereTheyCanBe) {
  const std::string pairs =
      write_text({.schedule = make_schedule("dualpipe", {2, 4}), .choices = {}});
  EXPECT_THAT(pairs, HasSubstr("placement 0 1 1 0\ncopies 2\nrank 0: "));
  EXPECT_EQ(read_text(pairs).schedule.placement, Placement::two_way(2));
  std::string chain = pairs;
  chain.erase(chain.find("copies 2\n"), std::string("copies 2\n").size());
  EXPECT_THAT(validate(read_text(chain).schedule),
              testing::Contains("stage 0, micro-batch 2: the forward is missing"));
  EXPECT_THAT(error_with(pairs, "copies 2", "copies 1"), HasSubstr("line 5, column 8: only two"));
  EXPECT_THAT(error_with(pairs, "copies 2", "copies 3"), HasSubstr("line 5, column 8: only two"));
  EXPECT_THAT(error_with(pairs, "0 1 1 0", "0 1 0 1"), HasSubstr("line 5, column 8: only two"));
  EXPECT_THAT(error_with(pairs, "batches 4", "batches 5"), HasSubstr("but 5 is odd"));
  EXPECT_THAT(error_with(pairs, "0F0", "0F2"), HasSubstr("0F2 is of no micro-batch among 0 to 1"));
}

TEST(TextTest, NamesThePlaceOfAnActionThatCannotBe) {
  EXPECT_THAT(error_with(kPlain, "0F1", "0X1"),
              HasSubstr("line 5, column 13: \"0X1\" is no action: \"X\" is none of the kinds"));
  EXPECT_THAT(error_with(kPlain, "0F1 .", "0F1  ."),
              HasSubstr("line 5, column 17: expected one sp"));
  EXPECT_THAT(error_with(kPlain, "rank 1: .", "rank 1:  ."),
              HasSubstr("line 6, column 9: expected"));
  EXPECT_THAT(error_with(kPlain, "UPDATE\n", "UPDATE \n"), HasSubstr("line 5, column 44: "));
  EXPECT_THAT(error_with(kPlain, "0F1", "2F1"), HasSubstr("2F1 is of no stage of the placement"));
  EXPECT_THAT(error_with(kPlain, "0F1", "0F2"), HasSubstr("0F2 is of no micro-batch among 0 to 1"));
  EXPECT_THAT(error_with(kPlain, "0F1", "1F1"),
              HasSubstr("line 5, column 13: 1F1 stands in the row of rank 0, but the placement has "
                        "stage 1 on rank 1"));
  EXPECT_THAT(error_with(kFull, "(3F1;0B0)", "(3F1;0F0)"), HasSubstr("is not one F and one B"));
  EXPECT_THAT(error_with(kPlain, "rank 1: . 1F0 1B0 1F1 1B1", "rank 1: ."),
              HasSubstr("line 6, column 9: there is no action"));
  EXPECT_THAT(error_with(kPlain, "batches 2", "batches 2147483647"),
              HasSubstr("the file has 8 actions, but 2 stages and 2147483647 micro-batches need "
                        "4294967294 forwards"));
}

TEST(TextTest, RefusesEveryEndOfARowThatIsNotRun) {
  for (const std::string end :
       {"TIED UPDATE NORM", "NORM TIED UPDATE", "NORM UPDATE", "TIED NORM", "UPDATE", "TIED",
        "TIED NORM UPDATE VALIDATE", "TIED SUMS UPDATE", "TIED NORM NORM UPDATE", "TIED ."}) {
    EXPECT_THAT(error_with(kPlain, "TIED NORM UPDATE", end), HasSubstr("line 5, column "));
  }
  EXPECT_THAT(
      error_with(kPlain, "TIED NORM UPDATE", "NORM TIED UPDATE"),
      HasSubstr("line 5, column 27: the row ends with \"NORM TIED UPDATE\", but what can be "
                "run is \"TIED NORM UPDATE\", or \"TIED SUMS UPDATE VALIDATE\" with"));
  EXPECT_THAT(error_with(kPlain, "0B1 TIED", "TIED 0B1"),
              HasSubstr("line 5, column 28: no action may follow"));
  EXPECT_THAT(error_with(kPlain, "1B1 TIED NORM UPDATE", "1B1 TIED SUMS UPDATE VALIDATE"),
              HasSubstr("line 6, column 27: the row ends with \"TIED SUMS UPDATE VALIDATE\", but "
                        "that of rank 0 with \"TIED NORM UPDATE\""));
  EXPECT_THAT(error_with(kPlain, "1B1 TIED NORM UPDATE", "1B1"),
              HasSubstr("all ranks do the same"));
  EXPECT_THAT(error_with(kForwards, "0F0", "0F0 0B0"),
              HasSubstr("line 6, column 16: the schedule has backwards, so each row ends with"));
  EXPECT_THAT(error_with(kForwards, "0F0", "0F0 TIED NORM UPDATE"), HasSubstr("no backwards"));
}

TEST(TextTest, FindsEveryActionOfAText) {
  EXPECT_EQ(action_place(kPlain, {.rank = 0}), "rank 0 (line 5, column 1)");
  EXPECT_EQ(action_place(kPlain, {.rank = 1}), "rank 1 (line 6, column 1)");
  EXPECT_EQ(action_place(kPlain, {.rank = 0, .action = 1}), "rank 0, action 1 (line 5, column 9)");
  EXPECT_EQ(action_place(kPlain, {.rank = 1, .action = 2}), "rank 1, action 2 (line 6, column 11)");
  EXPECT_EQ(cell_place(kPlain, 2, 4), "rank 1, action 4 (line 6, column 19)");
}

TEST(TextTest, WritesOnlyNamesThatItReads) {
  SavedSchedule saved = read_text(kPlain);
  for (const std::string name : {"", "a\nb", "m\u00e9ne"}) {
    saved.schedule.name = name;
    EXPECT_THROW(write_text(saved), InvalidArgument);
  }
}

std::string mutated_text(std::string text, Random& random) {
  constexpr std::string_view kBytes = "0123456789FBIWTIEDNORMUPA. :()\n\r\t\xff-;";
  for (std::uint64_t changes = 1 + random.next_below(3); changes > 0; --changes) {
    const std::size_t at = random.next_below(text.size());
    const char byte = kBytes[random.next_below(kBytes.size())];
    switch (random.next_below(3)) {
      case 0:
        text.insert(at, 1, byte);
        break;
      case 1:
        text.erase(at, 1 + random.next_below(6));
        text += "\n";
        break;
      default:
        text[at] = byte;
    }
  }
  return text;
}

// Whatever a text holds, it is read in full or refused in a sentence, and what was read is written
// as the same bytes.
TEST(TextTest, ReadsOrRefusesEveryMutationOfAText) {
  int read = 0;
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    Random random({.seed = seed});
    const std::array texts = {kPlain, kFull, kTextWithTransfers, kForwards};
    const std::string text = mutated_text(texts[seed % texts.size()], random);
    try {
      EXPECT_EQ(write_text(read_text(text)), text);
      ++read;
    } catch (const DataError& error) {
      ++refused;
      EXPECT_THAT(error.what(),
                  AllOf(testing::StartsWith("schedule file, line "), HasSubstr(", column ")));
    }
  }
  EXPECT_GT(read, 200);
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace lockflight::schedule

#include "lockflight/schedule/action.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "schedule/error_of.h"

namespace lockflight::schedule {
namespace {

using enum ActionKind;
using testing::HasSubstr;

std::string action_error(std::string_view text) {
  return error_of<DataError>([&] { parse_action(text); });
}

TEST(ActionTest, PrintsStageKindAndMicroBatch) {
  EXPECT_EQ(to_string(Action{2, forward, 0}), "2F0");
  EXPECT_EQ(to_string(Action{3, send_forward, 1}), "3SEND_F1");
  EXPECT_EQ(to_string(Action{0, unshard, -1}), "0UNSHARD");
}

TEST(ActionTest, ReadsBackEveryKindItPrints) {
  for (const ActionKind kind :
       {forward, input_gradient, weight_gradient, backward, send_forward, recv_forward,
        send_backward, recv_backward, unshard, reshard, reduce_grad}) {
    for (const int stage : {0, 7, 123, 2147483647}) {
      const Action action{stage, kind, has_micro_batch(kind) ? stage : -1};
      EXPECT_EQ(parse_action(to_string(action)), action) << to_string(action);
    }
  }
}

TEST(ActionTest, PrintsRecomputationsButReadsNone) {
  EXPECT_EQ(to_string(Action{2, recompute, 0}), "2R0");
  EXPECT_THAT(action_error("2R0"), HasSubstr("\"R\" is none of the kinds F, I, W, B, SEND_F"));
  EXPECT_TRUE(has_micro_batch(recompute));
  EXPECT_FALSE(is_compute(recompute));
  EXPECT_TRUE(runs_layers(recompute));
}

TEST(ActionTest, KnowsWhichKindsCompute) {
  for (const std::string_view text : {"0F0", "0I0", "0W0", "0B0"}) {
    EXPECT_TRUE(is_compute(parse_action(text).kind)) << text;
    EXPECT_TRUE(runs_layers(parse_action(text).kind)) << text;
  }
  for (const std::string_view text :
       {"0SEND_F0", "0RECV_F0", "0SEND_B0", "0RECV_B0", "0UNSHARD", "0RESHARD", "0REDUCE_GRAD"}) {
    EXPECT_FALSE(is_compute(parse_action(text).kind)) << text;
    EXPECT_FALSE(runs_layers(parse_action(text).kind)) << text;
  }
}

TEST(ActionTest, NamesWhatIsWrongWithAText) {
  EXPECT_THAT(action_error(""), HasSubstr("no stage number"));
  EXPECT_THAT(action_error("F0"), HasSubstr("no stage number"));
  EXPECT_THAT(action_error("-1F0"), HasSubstr("no stage number"));
  EXPECT_THAT(action_error("00F0"), HasSubstr("the stage number \"00\" has a leading zero"));
  EXPECT_THAT(action_error("0F01"), HasSubstr("the micro-batch number \"01\" has a leading zero"));
  EXPECT_THAT(action_error("2147483648F0"),
              HasSubstr("the stage number \"2147483648\" is too large"));
  EXPECT_THAT(action_error("0X0"), HasSubstr("\"X\" is none of the kinds F, I, W, B, SEND_F"));
  EXPECT_THAT(action_error("0"), HasSubstr("\"\" is none of the kinds"));
  EXPECT_THAT(action_error("0f0"), HasSubstr("\"f\" is none of the kinds"));
  EXPECT_THAT(action_error("0F"), HasSubstr("no micro-batch number"));
  EXPECT_THAT(action_error("0F0x"), HasSubstr("\"x\" follows it"));
  EXPECT_THAT(action_error("0UNSHARD3"), HasSubstr("UNSHARD takes no micro-batch"));
}

TEST(ActionTest, QuotesADamagedTextShortAndPrintable) {
  const std::string error = action_error("0" + std::string(100000, '\x01') + "\xff");
  EXPECT_LT(error.size(), 300U);
  EXPECT_TRUE(std::ranges::all_of(error, [](char c) { return c >= ' ' && c <= '~'; })) << error;
}

}  // namespace
}  // namespace lockflight::schedule

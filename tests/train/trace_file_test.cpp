#include "lockflight/train/trace_file.h"

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "train/error_text.h"
#include "train/scratch_folder.h"

namespace lockflight::train {
namespace {

using nlohmann::json;

TimelineSpan computes(int rank, const char* action, std::int64_t begin, std::int64_t end) {
  return {.rank = rank, .action = schedule::parse_action(action), .begin_ns = begin, .end_ns = end};
}

TimelineSpan transfers(int rank, int stream, const char* action, int peer, int channel,
                       std::int64_t begin, std::int64_t end) {
  return {.rank = rank,
          .stream = stream,
          .action = schedule::parse_action(action),
          .peer = peer,
          .channel = channel,
          .begin_ns = begin,
          .end_ns = end};
}

// Two micro-batches through two stages.  rank 1 waits for its receives longer than rank 0 sends.
const Timeline kTimeline{
    .ranks = 2,
    .spans = {computes(0, "0F0", 0, 1000), computes(0, "0F1", 1000, 2001),
              transfers(0, 1, "0SEND_F0", 1, 0, 1000, 1100),
              transfers(0, 1, "0SEND_F1", 1, 0, 2001, 2100),
              transfers(0, 2, "0RECV_B0", 1, 1, 50, 4100), computes(0, "0B0", 4100, 5000),
              transfers(1, 1, "1RECV_F0", 0, 0, 5, 1100),
              transfers(1, 1, "1RECV_F1", 0, 0, 1100, 2100), computes(1, "1F0", 1100, 2000),
              computes(1, "1B0", 2000, 4000), transfers(1, 2, "1SEND_B0", 0, 1, 4000, 4100)}};

std::vector<json> events_of(const std::filesystem::path& path) {
  return json::parse(read_file(path)).at("traceEvents").get<std::vector<json>>();
}

std::vector<json> with_phase(const std::vector<json>& events, const std::string& phase) {
  std::vector<json> found;
  for (const json& event : events) {
    if (event.at("ph") == phase) {
      found.push_back(event);
    }
  }
  return found;
}

class TraceFileTest : public testing::Test {
 protected:
  void write(int steps) {
    TraceFile trace(folder_ / "t.json");
    for (int step = 0; step < steps; ++step) {
      trace.add(kTimeline, step);
    }
    trace.close();
  }

  std::vector<json> events() const { return events_of(folder_ / "t.json"); }

  ScratchFolder folder_;
};

TEST_F(TraceFileTest, EverySpanIsThereWithItsPlaceTimeAndName) {
  write(1);
  const std::vector<json> spans = with_phase(events(), "X");
  ASSERT_EQ(spans.size(), kTimeline.spans.size());
  for (std::size_t i = 0; i < spans.size(); ++i) {
    const TimelineSpan& span = kTimeline.spans[i];
    EXPECT_EQ(spans[i].at("pid"), span.rank);
    EXPECT_EQ(spans[i].at("tid"), span.stream);
    EXPECT_EQ(spans[i].at("name"), to_string(span.action));
    EXPECT_DOUBLE_EQ(spans[i].at("ts").get<double>() * 1e3, static_cast<double>(span.begin_ns));
    EXPECT_DOUBLE_EQ(spans[i].at("dur").get<double>() * 1e3,
                     static_cast<double>(span.end_ns - span.begin_ns));
  }
}

TEST_F(TraceFileTest, ARecomputationIsNamedLikeAnActionAndComputes) {
  TraceFile trace(folder_ / "t.json");
  trace.add({.ranks = 3,
             .spans = {{.rank = 2,
                        .action = {2, schedule::ActionKind::recompute, 0},
                        .begin_ns = 10,
                        .end_ns = 30}}},
            0);
  trace.close();
  const std::vector<json> spans = with_phase(events(), "X");
  ASSERT_EQ(spans.size(), 1U);
  EXPECT_EQ(spans[0].at("name"), "2R0");
  EXPECT_EQ(spans[0].at("cat"), "compute");
}

TEST_F(TraceFileTest, RanksAreProcessesAndStreamsAreThreadsNamedOnce) {
  write(3);
  std::map<std::pair<int, int>, std::string> threads;
  std::map<int, std::string> processes;
  for (const json& event : with_phase(events(), "M")) {
    const std::string name = event.at("args").at("name");
    const int pid = event.at("pid");
    const bool added =
        event.at("name") == "process_name"
            ? processes.emplace(pid, name).second
            : threads.emplace(std::pair(pid, event.at("tid").get<int>()), name).second;
    EXPECT_TRUE(added) << name;
  }
  EXPECT_EQ(processes, (std::map<int, std::string>{{0, "rank 0"}, {1, "rank 1"}}));
  EXPECT_EQ(threads,
            (std::map<std::pair<int, int>, std::string>{{{0, 0}, "compute"},
                                                        {{0, 1}, "to rank 1 (channel 0)"},
                                                        {{0, 2}, "from rank 1 (channel 1)"},
                                                        {{1, 0}, "compute"},
                                                        {{1, 1}, "from rank 0 (channel 0)"},
                                                        {{1, 2}, "to rank 0 (channel 1)"}}));
}

TEST_F(TraceFileTest, AnArrowGoesFromEverySendToItsReceiveAndLiesInsideBoth) {
  write(2);
  const std::vector<json> starts = with_phase(events(), "s");
  const std::vector<json> ends = with_phase(events(), "f");
  ASSERT_EQ(starts.size(), 6U);  // three transfers in each of two steps
  ASSERT_EQ(ends.size(), 6U);
  const auto inside = [](const json& end, const std::string& action) {
    for (const TimelineSpan& span : kTimeline.spans) {
      if (to_string(span.action) == action) {
        const double ns = end.at("ts").get<double>() * 1e3;
        return end.at("pid") == span.rank && end.at("tid") == span.stream &&
               ns >= static_cast<double>(span.begin_ns) && ns <= static_cast<double>(span.end_ns);
      }
    }
    return false;
  };
  const char* const pairs[][2] = {
      {"0SEND_F0", "1RECV_F0"}, {"0SEND_F1", "1RECV_F1"}, {"1SEND_B0", "0RECV_B0"}};
  for (const auto& pair : pairs) {
    int found = 0;
    for (std::size_t i = 0; i < starts.size(); ++i) {
      EXPECT_EQ(starts[i].at("id"), ends[i].at("id"));
      EXPECT_LE(starts[i].at("ts"), ends[i].at("ts"));
      found += static_cast<int>(inside(starts[i], pair[0]) && inside(ends[i], pair[1]));
    }
    EXPECT_EQ(found, 2) << pair[0];
  }
  std::set<int> ids;
  for (const json& start : starts) {
    ids.insert(start.at("id").get<int>());
  }
  EXPECT_EQ(ids.size(), 6U);
}

TEST_F(TraceFileTest, ATraceOfNoStepsIsStillATrace) {
  write(0);
  EXPECT_TRUE(events().empty());
}

TEST_F(TraceFileTest, FailuresNameFileAndReason) {
  EXPECT_THAT(error_text<FileError>([] { TraceFile("/nowhere/t.json"); }),
              testing::HasSubstr("/nowhere/t.json"));
  EXPECT_THAT(error_text<FileError>([] { TraceFile("/dev/full"); }),
              testing::HasSubstr("No space"));
}

}  // namespace
}  // namespace lockflight::train

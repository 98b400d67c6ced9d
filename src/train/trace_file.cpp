#include "lockflight/train/trace_file.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "train/file.h"

namespace lockflight::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::string_view kBegin = R"({"displayTimeUnit":"ns","traceEvents":[)";
constexpr std::string_view kEnd = "\n]}\n";

bool sends(const schedule::Action& action) {
  return action.kind == schedule::ActionKind::send_forward ||
         action.kind == schedule::ActionKind::send_backward;
}

bool goes_forward(const schedule::Action& action) {
  return action.kind == schedule::ActionKind::send_forward ||
         action.kind == schedule::ActionKind::recv_forward;
}

std::string stream_name(const TimelineSpan& span) {
  if (span.peer < 0) {
    return span.stream == 0 ? "compute" : "compute, overlapped";
  }
  return fmt::format("{} rank {} (channel {})", sends(span.action) ? "to" : "from", span.peer,
                     span.channel);
}

// The unit of the format is the microsecond; thousandths keep nanoseconds exact.
double microseconds(std::int64_t nanoseconds) { return static_cast<double>(nanoseconds) / 1e3; }

Json event(const char* phase, const TimelineSpan& span, std::int64_t at_ns) {
  return {{"ph", phase},
          {"pid", span.rank},
          {"tid", span.stream},
          {"ts", microseconds(at_ns)},
          {"name", schedule::to_string(span.action)}};
}

}  // namespace

class TraceFile::Impl {
 public:
  explicit Impl(const std::filesystem::path& path) : file_(path) { file_.write(kBegin); }

  void add(const Timeline& timeline, std::int64_t step) {
    for (const TimelineSpan& span : timeline.spans) {
      introduce(span);
      Json whole = event("X", span, span.begin_ns);
      whole["cat"] = schedule::runs_layers(span.action.kind) ? "compute" : "transfer";
      whole["dur"] = microseconds(span.end_ns - span.begin_ns);
      whole["args"] = {{"step", step}};
      append(whole);
    }
    draw_arrows(timeline);
    flush();
  }

  void close() {
    if (!closed_) {
      closed_ = true;
      file_.write(kEnd);
      file_.close();
    }
  }

 private:
  // Names rank and stream when they first come up.
  void introduce(const TimelineSpan& span) {
    const auto name = [&](const char* what, const std::string& text) {
      append({{"ph", "M"},
              {"pid", span.rank},
              {"tid", span.stream},
              {"name", what},
              {"args", {{"name", text}}}});
    };
    if (known_.insert({span.rank, -1}).second) {
      name("process_name", fmt::format("rank {}", span.rank));
    }
    if (known_.insert({span.rank, span.stream}).second) {
      name("thread_name", stream_name(span));
    }
  }

  // The n-th send of a micro-batch on a channel belongs to its n-th receive.
  void draw_arrows(const Timeline& timeline) {
    using Key = std::tuple<int, int, int, bool, int>;  // from, to, channel, forward, micro-batch
    std::map<Key, std::deque<const TimelineSpan*>> sent;
    for (const TimelineSpan& span : timeline.spans) {
      if (span.peer >= 0 && sends(span.action)) {
        sent[{span.rank, span.peer, span.channel, goes_forward(span.action),
              span.action.micro_batch}]
            .push_back(&span);
      }
    }
    for (const TimelineSpan& span : timeline.spans) {
      if (span.peer < 0 || sends(span.action)) {
        continue;
      }
      auto& queue = sent[{span.peer, span.rank, span.channel, goes_forward(span.action),
                          span.action.micro_batch}];
      if (!queue.empty()) {
        draw_arrow(*queue.front(), span);
        queue.pop_front();
      }
    }
  }

  void draw_arrow(const TimelineSpan& from, const TimelineSpan& to) {
    // A flow's events bind to the span around their time; its start must not lie after its end.
    Json start = event("s", from, std::min(from.begin_ns, to.end_ns));
    Json finish = event("f", to, to.end_ns);
    finish["bp"] = "e";
    for (Json* end : {&start, &finish}) {
      (*end)["name"] = "transfer";
      (*end)["cat"] = "transfer";
      (*end)["id"] = arrows_;
      append(*end);
    }
    ++arrows_;
  }

  void append(const Json& event) {
    text_ += std::exchange(first_, false) ? "\n" : ",\n";
    text_ += event.dump();
  }

  void flush() {
    file_.write(text_);
    text_.clear();
  }

  OutputFile file_;
  std::string text_;
  bool first_ = true;
  bool closed_ = false;
  std::set<std::pair<int, int>> known_;
  std::int64_t arrows_ = 0;
};

TraceFile::TraceFile(const std::filesystem::path& path) : impl_(std::make_unique<Impl>(path)) {}

TraceFile::~TraceFile() {
  if (impl_) {
    try {
      impl_->close();
    } catch (const Error&) {
      // Whoever wants to know has called close().
    }
  }
}

TraceFile::TraceFile(TraceFile&&) noexcept = default;

void TraceFile::add(const Timeline& timeline, std::int64_t step) { impl_->add(timeline, step); }

void TraceFile::close() { impl_->close(); }

}  // namespace lockflight::train

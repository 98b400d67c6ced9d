#include "lockflight/schedule/action.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::schedule {
namespace {

struct Kind {
  ActionKind kind;
  std::string_view name;
};

constexpr std::array kKinds = {
    Kind{ActionKind::forward, "F"},
    Kind{ActionKind::input_gradient, "I"},
    Kind{ActionKind::weight_gradient, "W"},
    Kind{ActionKind::backward, "B"},
    Kind{ActionKind::recompute, "R"},
    Kind{ActionKind::send_forward, "SEND_F"},
    Kind{ActionKind::recv_forward, "RECV_F"},
    Kind{ActionKind::send_backward, "SEND_B"},
    Kind{ActionKind::recv_backward, "RECV_B"},
    Kind{ActionKind::unshard, "UNSHARD"},
    Kind{ActionKind::reshard, "RESHARD"},
    Kind{ActionKind::reduce_grad, "REDUCE_GRAD"},
};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Short and printable, whatever a damaged file holds.
std::string quoted(std::string_view text) {
  constexpr std::size_t kLongest = 40;
  std::string shown(text.substr(0, kLongest));
  std::ranges::replace_if(
      shown, [](char c) { return c < ' ' || c > '~'; }, '?');
  return fmt::format("\"{}{}\"", shown, text.size() > kLongest ? "..." : "");
}

[[noreturn]] void refuse(std::string_view text, std::string_view why) {
  throw DataError(fmt::format("{} is no action: {}", quoted(text), why));
}

int parse_number(std::string_view text, std::string_view digits, std::string_view what) {
  if (digits.empty()) {
    refuse(text, fmt::format("it has no {} number", what));
  }
  if (digits.size() > 1 && digits.front() == '0') {
    refuse(text, fmt::format("the {} number {} has a leading zero", what, quoted(digits)));
  }
  int number = 0;
  if (std::from_chars(digits.data(), digits.data() + digits.size(), number).ec != std::errc{}) {
    refuse(text, fmt::format("the {} number {} is too large", what, quoted(digits)));
  }
  return number;
}

ActionKind parse_kind(std::string_view text, std::string_view name) {
  const auto* found = std::ranges::find(kKinds, name, &Kind::name);
  if (found != kKinds.end() && found->kind != ActionKind::recompute) {
    return found->kind;
  }
  std::string known;
  for (const Kind& kind : kKinds) {
    if (kind.kind != ActionKind::recompute) {
      known += known.empty() ? "" : ", ";
      known += kind.name;
    }
  }
  refuse(text, fmt::format("{} is none of the kinds {}", quoted(name), known));
}

}  // namespace

std::string_view name_of(ActionKind kind) { return kKinds[static_cast<std::size_t>(kind)].name; }

bool has_micro_batch(ActionKind kind) { return kind < ActionKind::unshard; }

bool is_compute(ActionKind kind) { return kind <= ActionKind::backward; }

bool runs_layers(ActionKind kind) { return kind <= ActionKind::recompute; }

std::string to_string(const Action& action) {
  std::string text = fmt::format("{}{}", action.stage, name_of(action.kind));
  if (has_micro_batch(action.kind)) {
    text += std::to_string(action.micro_batch);
  }
  return text;
}

Action parse_action(std::string_view text) {
  const auto kind_begin = std::ranges::find_if_not(text, is_digit);
  const auto kind_end = std::find_if(kind_begin, text.end(), is_digit);
  const std::string_view stage_digits(text.begin(), kind_begin);
  const std::string_view micro_batch_digits(kind_end, text.end());

  Action action;
  action.stage = parse_number(text, stage_digits, "stage");
  action.kind = parse_kind(text, std::string_view(kind_begin, kind_end));
  if (has_micro_batch(action.kind)) {
    const auto rest = std::ranges::find_if_not(micro_batch_digits, is_digit);
    if (rest != micro_batch_digits.end()) {
      refuse(text, fmt::format("{} follows it", quoted({rest, text.end()})));
    }
    action.micro_batch = parse_number(text, micro_batch_digits, "micro-batch");
  } else if (!micro_batch_digits.empty()) {
    refuse(text, fmt::format("{} takes no micro-batch, but {} follows it", name_of(action.kind),
                             micro_batch_digits));
  }
  return action;
}

}  // namespace lockflight::schedule

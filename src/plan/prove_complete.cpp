// check_complete of proving.h.

#include <algorithm>
#include <map>
#include <string_view>

#include "plan/boundaries.h"
#include "plan/copies.h"
#include "plan/proving.h"

namespace lockflight::plan {
namespace {

using schedule::ActionKind;

// What a slot holds as the host goes along: memory without content, a boundary that came from
// another rank, or one that a compute has made here.
enum class Content : std::uint8_t { nothing, memory, received, made, made_and_sent };

constexpr std::uint8_t bit_of(ActionKind kind) {
  return static_cast<std::uint8_t>(1U << static_cast<unsigned>(kind));
}
constexpr std::uint8_t kForward = bit_of(ActionKind::forward);
constexpr std::uint8_t kInput = bit_of(ActionKind::input_gradient);
constexpr std::uint8_t kWeight = bit_of(ActionKind::weight_gradient);
constexpr std::uint8_t kBoth = bit_of(ActionKind::backward);
constexpr std::uint8_t kAgain = bit_of(ActionKind::recompute);

class CompleteCheck {
 public:
  CompleteCheck(const Program& program, int rank, bool trains, Findings& findings)
      : program_(program),
        here_(program.ranks[rank]),
        stages_(program.placement.stages_of(rank)),
        rank_(rank),
        trains_(trains),
        findings_(findings),
        slots_(here_.slots.size(), Content::nothing),
        done_(stages_.size() * static_cast<std::size_t>(program.micro_batches), 0),
        last_gradient_(stages_.size(), -1) {
    for (const int tie : ties_on(program, rank)) {
      added_up_.emplace(tie, false);
    }
  }

  void run() {
    for (position_ = 0; position_ < static_cast<std::ptrdiff_t>(here_.instructions.size());
         ++position_) {
      now_ = &here_.instructions[position_];
      if (norms_ + updates_ > 0 && !belongs_to_update_phase(now_->opcode)) {
        wrong("stands behind the norm or the update, with which the update phase begins");
      }
      visit();
    }
    check_actions();
    check_slots();
    check_update();
  }

 private:
  template <typename... Values>
  void wrong(fmt::format_string<Values...> why, Values&&... values) {
    findings_.add(Finding::Kind::incomplete,
                  {.rank = rank_, .stream = now_->stream, .position = position_}, "{} {}",
                  to_string(*now_), fmt::format(why, std::forward<Values>(values)...));
  }

  template <typename... Values>
  void missing(fmt::format_string<Values...> sentence, Values&&... values) {
    findings_.add(Finding::Kind::incomplete, {.rank = rank_}, sentence,
                  std::forward<Values>(values)...);
  }

  static bool belongs_to_update_phase(Opcode opcode) {
    switch (opcode) {
      case Opcode::compute:
      case Opcode::allocate:
      case Opcode::send:
      case Opcode::recv:
      case Opcode::release:
      case Opcode::reduce_tied:
        return false;
      default:
        return true;
    }
  }

  void visit() {
    switch (now_->opcode) {
      case Opcode::compute:
        check_order();
        take_input();
        fill_output();
        return;
      case Opcode::allocate:
        if (content() != Content::nothing) {
          wrong("asks for memory that the slot has already");
        }
        content() = Content::memory;
        return;
      case Opcode::recv:
        if (content() != Content::memory) {
          wrong("{}", content() == Content::nothing ? "has no memory to receive into"
                                                    : "overwrites what the slot holds");
        }
        content() = Content::received;
        return;
      case Opcode::send:
        return check_send();
      case Opcode::release:
        return check_release();
      case Opcode::reduce_tied:
        return check_tie();
      case Opcode::gradient_sums:
        sums_ = true;
        [[fallthrough]];
      case Opcode::gradient_norm:
        return check_norm();
      case Opcode::send_sums:
      case Opcode::recv_sums:
      case Opcode::add_sums:
      case Opcode::read_sums:
      case Opcode::validate:
        if (!sums_) {
          wrong("stands before the sums of the rank's own gradients");
        }
        return;
      case Opcode::update:
        if (norms_ == 0) {
          wrong("stands before the norm of all gradients");
        }
        if (++updates_ > 1) {
          wrong("is there a second time");
        }
        return;
      case Opcode::record:
      case Opcode::wait:
        return;
    }
  }

  // An action against those of its stage before it.
  void check_order() {
    const schedule::Action& action = now_->action;
    const std::size_t stage = index_of(action.stage);
    std::uint8_t& done = done_[stage * program_.micro_batches + action.micro_batch];
    if ((done & bit_of(action.kind)) != 0) {
      return wrong("runs a second time");
    }
    if (action.kind != ActionKind::forward && (done & kForward) == 0) {
      wrong("stands before its forward");
    }
    check_recompute(action, done);
    if (action.kind == ActionKind::weight_gradient && (done & kInput) == 0) {
      wrong("stands before the gradient of its input");
    }
    const std::uint8_t others = action.kind == ActionKind::backward ? kInput | kWeight : kBoth;
    if (gives_gradient(action.kind) && (done & others) != 0) {
      wrong("runs beside {}, so gradients would be counted twice",
            action.kind == ActionKind::backward ? "I or W" : "B");
    }
    if (gives_weight_gradient(action.kind)) {
      check_weight_gradient(action, stage);
    }
    done |= bit_of(action.kind);
  }

  static bool gives_gradient(ActionKind kind) {
    return gives_input_gradient(kind) || gives_weight_gradient(kind);
  }

  // Where the program says that a stage recomputes, every backward on stream 0 has its R in front.
  void check_recompute(const schedule::Action& action, std::uint8_t done) {
    if (action.kind == ActionKind::recompute) {
      if (!recomputes_before(program_, action.stage, 0)) {
        wrong("recomputes, but the program says that stage {} does not ahead of its backwards",
              action.stage);
      } else if ((done & (kInput | kBoth)) != 0) {
        wrong("stands behind the backward that needs it");
      }
    } else if (gives_input_gradient(action.kind)) {
      const bool needed = recomputes_before(program_, action.stage, now_->stream);
      if (needed && (done & kAgain) == 0) {
        wrong("has no {}R{} in front of it", action.stage, action.micro_batch);
      } else if (recomputes_before(program_, action.stage, 0) && !needed && (done & kAgain) != 0) {
        wrong("recomputes by itself, but {}R{} stands in front of it", action.stage,
              action.micro_batch);
      }
    }
  }

  void check_weight_gradient(const schedule::Action& action, std::size_t stage) {
    if (action.micro_batch < last_gradient_[stage]) {
      wrong("comes after micro-batch {}, but weight gradients are summed in ascending order",
            last_gradient_[stage]);
    }
    last_gradient_[stage] = std::max(last_gradient_[stage], action.micro_batch);
    for (const auto& [tie, added] : added_up_) {
      if (added &&
          (program_.ties[tie].first == action.stage || program_.ties[tie].second == action.stage)) {
        wrong("stands behind the sum of tie {}, which then lacks it", tie);
      }
    }
  }

  void take_input() {
    const auto needed = input_of(now_->action, program_.placement);
    if (!fits(needed, now_->slot, "takes")) {
      return;
    }
    if (content() == Content::nothing || content() == Content::memory) {
      wrong("takes slot {}, but {} has not come yet", now_->slot, describe(*needed));
    }
    content() = Content::nothing;
  }

  void fill_output() {
    const auto made = output_of(now_->action, program_.placement);
    if (!fits(made, now_->output, "fills")) {
      return;
    }
    Content& output = slots_[now_->output];
    if (output != Content::nothing) {
      wrong("fills slot {}, which holds something already", now_->output);
    }
    output = Content::made;
  }

  // Whether a compute's slot is for the boundary that the action needs or makes, if any.
  bool fits(const std::optional<Boundary>& boundary, int slot, std::string_view verb) {
    if (boundary && slot < 0) {
      wrong("{} no slot, but there is {}", verb, describe(*boundary));
    } else if (!boundary && slot >= 0) {
      wrong("{} slot {}, but there is nothing for it", verb, slot);
    } else if (boundary && here_.slots[slot] != *boundary) {
      wrong("{} slot {}, which is for {}, instead of {}", verb, slot, describe(here_.slots[slot]),
            describe(*boundary));
    } else {
      return boundary.has_value();
    }
    return false;
  }

  void check_send() {
    if (content() == Content::made_and_sent) {
      wrong("sends a second time what has been sent");
    } else if (content() != Content::made) {
      wrong("sends what nothing has made yet");
    } else {
      content() = Content::made_and_sent;
    }
  }

  void check_release() {
    switch (content()) {
      case Content::nothing:
        wrong("gives back a slot that holds nothing");
        break;
      case Content::memory:
        wrong("gives back memory into which nothing has come");
        break;
      case Content::received:
      case Content::made:
        wrong("throws away {}, which nothing has {}", describe(here_.slots[now_->slot]),
              leaves(here_.slots[now_->slot]) ? "sent" : "taken");
        break;
      case Content::made_and_sent:
        break;
    }
    content() = Content::nothing;
  }

  void check_tie() {
    if (added_up_.at(now_->slot)) {
      wrong("adds up tie {} a second time", now_->slot);
    }
    if (!trains_) {
      wrong("adds up gradients, but the program has no backward");
    }
    if (!ties_copies(program_.placement, program_.ties[now_->slot])) {
      check_copies_before();
    }
    added_up_.at(now_->slot) = true;
  }

  // A tie of the model adds up what has been added up over the copies.
  void check_copies_before() {
    const TiedStages& here = program_.ties[now_->slot];
    for (const auto& [tie, added] : added_up_) {
      const TiedStages& part = program_.ties[tie];
      const auto holds = [&](int stage) {
        return program_.placement.rank_of(stage) == rank_ &&
               (part.first == stage || part.second == stage);
      };
      if (!added && ties_copies(program_.placement, part) &&
          (holds(here.first) || holds(here.second))) {
        wrong("stands before tie {}, the sum over the two copies of part {}", tie, part.first);
      }
    }
  }

  void check_norm() {
    if (++norms_ > 1) {
      wrong("is there a second time");
    }
    for (const auto& [tie, added] : added_up_) {
      if (!added) {
        wrong("stands before the sum of tie {}", tie);
      }
    }
  }

  void check_actions() {
    for (std::size_t i = 0; i < done_.size(); ++i) {
      const int stage = stages_[i / program_.micro_batches];
      const auto micro_batch = static_cast<int>(i % program_.micro_batches);
      if (!program_.placement.micro_batches_of(stage, program_.micro_batches)
               .contains(micro_batch)) {
        continue;
      }
      if ((done_[i] & kForward) == 0) {
        missing("{}F{} is missing", stage, micro_batch);
      }
      if (trains_ && (done_[i] & kBoth) == 0 && (done_[i] & (kInput | kWeight)) == 0) {
        missing("{}B{} is missing", stage, micro_batch);
      } else if ((done_[i] & (kInput | kWeight)) == kInput) {
        missing("{}W{} is missing", stage, micro_batch);
      } else if ((done_[i] & (kInput | kWeight)) == kWeight) {
        missing("{}I{} is missing", stage, micro_batch);
      }
    }
  }

  // A step leaves nothing behind.
  void check_slots() {
    for (std::size_t slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot] == Content::nothing) {
        continue;
      }
      const std::string what = describe(here_.slots[slot]);
      if (slots_[slot] == Content::memory) {
        missing("slot {} has memory for {}, which never comes", slot, what);
      } else if (slots_[slot] == Content::made_and_sent) {
        missing("slot {} with {} is never released", slot, what);
      } else {
        missing("slot {} holds {}, which is never {}", slot, what,
                leaves(here_.slots[slot]) ? "sent" : "taken");
      }
    }
  }

  void check_update() {
    if (trains_ && norms_ == 0) {
      missing("the norm of all gradients is missing");
    }
    if (trains_ && updates_ == 0) {
      missing("the update is missing");
    }
    if (!trains_ && norms_ + updates_ > 0) {
      missing("it updates the parameters, but the program has no backward");
    }
    for (const auto& [tie, added] : added_up_) {
      if (trains_ && !added) {
        missing("the sum of tie {} is missing", tie);
      }
    }
    if (sums_) {
      check_update_in_schedule();
    }
  }

  // Between its waits and records, an update phase in the schedule is always the same.
  void check_update_in_schedule() {
    const int last = program_.placement.ranks() - 1;
    std::vector<Instruction> expected = {{.opcode = Opcode::gradient_sums}};
    if (rank_ > 0) {
      expected.push_back({.opcode = Opcode::recv_sums, .peer = rank_ - 1});
      expected.push_back({.opcode = Opcode::add_sums});
    }
    if (rank_ < last) {
      expected.push_back({.opcode = Opcode::send_sums, .peer = rank_ + 1});
      expected.push_back({.opcode = Opcode::recv_sums, .peer = rank_ + 1});
    }
    expected.push_back({.opcode = Opcode::read_sums});
    if (rank_ > 0) {
      expected.push_back({.opcode = Opcode::send_sums, .peer = rank_ - 1});
    }
    expected.push_back({.opcode = Opcode::update});
    expected.push_back({.opcode = Opcode::validate});
    auto next = expected.begin();
    for (std::size_t i = update_phase(here_); i < here_.instructions.size(); ++i) {
      const Instruction& instruction = here_.instructions[i];
      if (instruction.opcode == Opcode::record || instruction.opcode == Opcode::wait) {
        continue;
      }
      if (next == expected.end() || next->opcode != instruction.opcode ||
          next->peer != instruction.peer) {
        return missing("its update phase has {} where {} belongs", to_string(instruction),
                       next == expected.end() ? "its end" : to_string(*next));
      }
      ++next;
    }
    if (next != expected.end()) {
      missing("its update phase ends before {}", to_string(*next));
    }
  }

  bool leaves(const Boundary& boundary) const {
    return program_.placement.rank_of(taker_stage(boundary)) != rank_;
  }

  std::size_t index_of(int stage) const {
    return static_cast<std::size_t>(std::ranges::lower_bound(stages_, stage) - stages_.begin());
  }

  Content& content() { return slots_[now_->slot]; }

  const Program& program_;
  const RankProgram& here_;
  const std::vector<int>& stages_;  // of this rank
  const int rank_;
  const bool trains_;
  Findings& findings_;
  std::vector<Content> slots_;
  std::vector<std::uint8_t> done_;  // by stage of this rank and micro-batch, a bit for each kind
  std::vector<int> last_gradient_;  // micro-batch, by stage of this rank
  std::map<int, bool> added_up_;    // by tie of this rank
  bool sums_ = false;               // the optimizer is in the schedule
  int norms_ = 0;
  int updates_ = 0;
  std::ptrdiff_t position_ = 0;
  const Instruction* now_ = nullptr;
};

}  // namespace

void check_complete(const Program& program, int rank, bool trains, Findings& findings) {
  CompleteCheck(program, rank, trains, findings).run();
}

}  // namespace lockflight::plan

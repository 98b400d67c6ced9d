// check_form of proving.h.

#include <algorithm>
#include <string>

#include "plan/boundaries.h"
#include "plan/copies.h"
#include "plan/proving.h"

namespace lockflight::plan {
namespace {

bool in_range(std::int64_t number, std::int64_t count) { return number >= 0 && number < count; }

class FormCheck {
 public:
  FormCheck(const Program& program, Proof& proof, Findings& findings)
      : program_(program), proof_(proof), findings_(findings) {}

  void run() {
    if (!check_program()) {
      return;
    }
    for (rank_ = 0; rank_ < program_.placement.ranks(); ++rank_) {
      check_rank(program_.ranks[rank_]);
    }
  }

 private:
  template <typename... Values>
  bool refuse(fmt::format_string<Values...> sentence, Values&&... values) {
    findings_.add(Finding::Kind::incomplete, {.rank = rank_}, sentence,
                  std::forward<Values>(values)...);
    return false;
  }

  // Says what is wrong with the instruction at hand.
  template <typename... Values>
  void wrong(fmt::format_string<Values...> why, Values&&... values) {
    findings_.add(Finding::Kind::incomplete,
                  {.rank = rank_, .stream = now_->stream, .position = position_}, "{} {}",
                  to_string(*now_), fmt::format(why, std::forward<Values>(values)...));
  }

  bool check_program() {
    if (program_.placement.ranks() < 1 || program_.micro_batches < 1) {
      return refuse(
          "the program has {} ranks and {} micro-batches; there must be at least 1 of each",
          program_.placement.ranks(), program_.micro_batches);
    }
    if (program_.ranks.size() != static_cast<std::size_t>(program_.placement.ranks())) {
      return refuse("there are instructions for {} ranks, but stages lie on {}",
                    program_.ranks.size(), program_.placement.ranks());
    }
    if (program_.micro_batches % program_.placement.copies() != 0) {
      return refuse("its {} copies of the model cannot share {} micro-batches evenly",
                    program_.placement.copies(), program_.micro_batches);
    }
    bool fine = true;
    if (!program_.recomputes.empty() &&
        program_.recomputes.size() != static_cast<std::size_t>(stages())) {
      fine = refuse("it says of {} stages whether they recompute, but has {}",
                    program_.recomputes.size(), stages());
    }
    for (const TiedStages& tie : program_.ties) {
      if (!in_range(tie.first, stages()) || !in_range(tie.second, stages())) {
        fine = refuse("a tie of stages {} and {}, but stages are 0 to {}", tie.first, tie.second,
                      stages() - 1);
      }
    }
    return fine && check_copies();
  }

  // Copies of the model that are not added up would drift apart.
  bool check_copies() {
    bool fine = true;
    const int parts = program_.placement.copies() == 2 ? program_.placement.parts() : 0;
    for (int part = 0; part < parts && trains(program_); ++part) {
      const auto ties_it = [&](const TiedStages& tie) {
        return tie.first == part && ties_copies(program_.placement, tie);
      };
      if (std::ranges::none_of(program_.ties, ties_it)) {
        fine = refuse("no tie adds up stages {} and {}, the two copies of part {} of the model",
                      part, part + parts, part);
      }
    }
    return fine;
  }

  void check_rank(const RankProgram& rank) {
    here_ = &rank;
    count(rank);
    if (!check_size(rank) || !check_streams(rank) || !check_slots(rank)) {
      return;
    }
    for (position_ = 0; position_ < static_cast<std::ptrdiff_t>(rank.instructions.size());
         ++position_) {
      now_ = &rank.instructions[position_];
      check_instruction();
    }
  }

  void count(const RankProgram& rank) {
    proof_.instructions += rank.instructions.size();
    proof_.streams += rank.streams.size();
    actions_ = static_cast<std::size_t>(
        std::ranges::count(rank.instructions, Opcode::compute, &Instruction::opcode));
    proof_.actions += actions_;
    proof_.transfers += static_cast<std::size_t>(
        std::ranges::count(rank.instructions, Opcode::send, &Instruction::opcode));
  }

  // Keeps a program of few instructions and huge numbers from asking for huge tables.
  bool check_size(const RankProgram& rank) {
    constexpr std::size_t kSmall = 4096;
    const std::size_t needed = program_.placement.stages_of(rank_).size() *
                               static_cast<std::size_t>(program_.micro_batches);
    if (needed > kSmall && actions_ < needed / 2) {
      return refuse("it has {} actions, but its {} stages and {} micro-batches need at least {}",
                    actions_, program_.placement.stages_of(rank_).size(), program_.micro_batches,
                    needed);
    }
    if (rank.events < 0 || static_cast<std::size_t>(rank.events) > rank.instructions.size()) {
      return refuse("it says that it has {} events, with {} instructions", rank.events,
                    rank.instructions.size());
    }
    if (rank.prologue > (validates(program_) ? update_phase(rank) : 0)) {
      return refuse("its prologue has {} instructions, more than {}", rank.prologue,
                    validates(program_) ? "stand before its update phase"
                                        : "a program may have that validates no update");
    }
    if (rank.instructions.size() >= kNone) {
      return refuse("it has {} instructions, more than can be numbered", rank.instructions.size());
    }
    return true;
  }

  bool check_streams(const RankProgram& rank) {
    if (rank.streams.empty()) {
      return refuse("it has no stream to compute on");
    }
    bool fine = true;
    std::vector<int> channels;
    for (std::size_t stream = 1; stream < rank.streams.size(); ++stream) {
      const StreamUse& use = rank.streams[stream];
      const bool computes_too = use.channel == -1 && use.peer == -1;
      if (!computes_too && (!in_range(use.channel, program_.channels) || use.peer < -1 ||
                            use.peer >= program_.placement.ranks() || use.peer == rank_)) {
        fine = refuse(
            "stream {} has peer {} and channel {}; channels are 0 to {}, peers the other "
            "ranks of 0 to {}",
            stream, use.peer, use.channel, program_.channels - 1, program_.placement.ranks() - 1);
      }
      channels.push_back(use.channel);
    }
    std::ranges::sort(channels);
    const auto twice = std::ranges::adjacent_find(channels);
    return twice == channels.end() ? fine : refuse("two of its streams use channel {}", *twice);
  }

  bool check_slots(const RankProgram& rank) {
    bool fine = true;
    for (std::size_t slot = 0; slot < rank.slots.size(); ++slot) {
      const Boundary& boundary = rank.slots[slot];
      const bool known =
          boundary.kind == Boundary::Kind::activation || boundary.kind == Boundary::Kind::gradient;
      if (!known || !has_boundary(program_.placement, boundary.stage) ||
          !micro_batches_of(boundary.stage).contains(boundary.micro_batch)) {
        fine = refuse("slot {} is for stage {} and micro-batch {}, between which no boundary lies",
                      slot, boundary.stage, boundary.micro_batch);
      }
    }
    return fine;
  }

  void check_instruction() {
    if (now_->action.kind > schedule::ActionKind::reduce_grad) {  // it has no name to be called by
      refuse("instruction {} has an action of the unknown kind {}", position_,
             static_cast<int>(now_->action.kind));
      return;
    }
    if (!in_range(now_->stream, static_cast<std::int64_t>(here_->streams.size()))) {
      return wrong("is on stream {}; the rank has {}", now_->stream, here_->streams.size());
    }
    switch (now_->opcode) {
      case Opcode::compute:
        return check_compute();
      case Opcode::allocate:
      case Opcode::release:
        if (check_slot(now_->slot, false)) {
          check_on_stream_0();
        }
        return;
      case Opcode::send:
      case Opcode::recv:
        return check_transfer();
      case Opcode::record:
      case Opcode::wait:
        if (!in_range(now_->event, here_->events)) {
          wrong("names an event that there is not; the rank has {}", here_->events);
        }
        return;
      case Opcode::reduce_tied:
        return check_tie();
      case Opcode::send_sums:
      case Opcode::recv_sums:
        return check_sums();
      case Opcode::validate:
        if (!in_range(now_->event, here_->events)) {
          wrong("names an event that there is not; the rank has {}", here_->events);
        }
        return check_on_stream_0();
      case Opcode::gradient_norm:
      case Opcode::gradient_sums:
      case Opcode::add_sums:
      case Opcode::update:
        return check_on_stream_0();
      case Opcode::read_sums:
        return;
    }
    wrong("has the unknown operation {}", static_cast<int>(now_->opcode));
  }

  void check_on_stream_0() {
    if (now_->stream != 0) {
      wrong("is on stream {}, but runs on stream 0", now_->stream);
    }
  }

  bool check_slot(int slot, bool optional) {
    const bool fine =
        in_range(slot, static_cast<std::int64_t>(here_->slots.size())) || (optional && slot == -1);
    if (!fine) {
      wrong("names slot {}; the rank has {}", slot, here_->slots.size());
    }
    return fine;
  }

  void check_compute() {
    const schedule::Action& action = now_->action;
    if (!schedule::runs_layers(action.kind)) {
      return wrong("is to run what is no F, I, W, B or R");
    }
    if (!in_range(action.stage, stages()) ||
        !micro_batches_of(action.stage).contains(action.micro_batch)) {
      return wrong("is of no stage among 0 to {} or no micro-batch {}", stages() - 1,
                   micro_batches_text(action.stage));
    }
    if (program_.placement.rank_of(action.stage) != rank_) {
      return wrong("belongs on rank {}, which holds stage {}",
                   program_.placement.rank_of(action.stage), action.stage);
    }
    if (check_slot(now_->slot, true) && check_slot(now_->output, true) &&
        !computes(here_->streams[now_->stream])) {
      return wrong("is on stream {}, which carries transfers", now_->stream);
    }
    if (action.kind == schedule::ActionKind::recompute) {
      check_on_stream_0();
    }
  }

  void check_transfer() {
    if (!check_slot(now_->slot, false) || !check_peer()) {
      return;
    }
    const bool sends = now_->opcode == Opcode::send;
    const Boundary& boundary = here_->slots[now_->slot];
    const schedule::Action action = sends ? send_action(boundary) : recv_action(boundary);
    if (now_->action != action) {
      return wrong("is called so, but slot {} is for {}", now_->slot, schedule::to_string(action));
    }
    const StreamUse& use = here_->streams[now_->stream];
    if (use.peer >= 0 && use.sends != sends) {
      return wrong("is on stream {}, which {}", now_->stream, use.sends ? "sends" : "receives");
    }
    const int maker = program_.placement.rank_of(maker_stage(boundary));
    const int taker = program_.placement.rank_of(taker_stage(boundary));
    if (maker != (sends ? rank_ : now_->peer) || taker != (sends ? now_->peer : rank_)) {
      wrong("carries {}, which goes from rank {} to rank {}", describe(boundary), maker, taker);
    }
  }

  // Of a transfer or a tie between ranks.
  bool check_peer() {
    if (!in_range(now_->peer, program_.placement.ranks()) || now_->peer == rank_) {
      wrong("has peer {}; peers are the other ranks of 0 to {}", now_->peer,
            program_.placement.ranks() - 1);
      return false;
    }
    if (computes(here_->streams[now_->stream])) {
      wrong("is on stream {}, which computes", now_->stream);
      return false;
    }
    const int peer = here_->streams[now_->stream].peer;
    if (peer >= 0 && peer != now_->peer) {
      wrong("has peer {}, but is on stream {}, whose peer is {}", now_->peer, now_->stream, peer);
      return false;
    }
    return true;
  }

  void check_tie() {
    if (!in_range(now_->slot, static_cast<std::int64_t>(program_.ties.size()))) {
      return wrong("names a tie that there is not; there are {}", program_.ties.size());
    }
    const int first = program_.placement.rank_of(program_.ties[now_->slot].first);
    const int second = program_.placement.rank_of(program_.ties[now_->slot].second);
    if (first != rank_ && second != rank_) {
      return wrong("adds up what lies on the ranks {} and {}", first, second);
    }
    if (first == second) {
      if (now_->peer >= 0) {
        return wrong("has peer {}, but both copies lie on this rank", now_->peer);
      }
      return check_on_stream_0();
    }
    if (check_peer() && now_->peer != first + second - rank_) {
      wrong("has peer {}, but the other copy lies on rank {}", now_->peer, first + second - rank_);
    }
  }

  void check_sums() {
    if (!check_peer()) {
      return;
    }
    if (now_->peer != rank_ - 1 && now_->peer != rank_ + 1) {
      return wrong("skips a rank; sums travel between neighbours");
    }
    const StreamUse& use = here_->streams[now_->stream];
    if (use.peer >= 0 && use.sends != (now_->opcode == Opcode::send_sums)) {
      wrong("is on stream {}, which {}", now_->stream, use.sends ? "sends" : "receives");
    }
  }

  int stages() const { return program_.placement.stages(); }

  schedule::Placement::Range micro_batches_of(int stage) const {
    return program_.placement.micro_batches_of(stage, program_.micro_batches);
  }

  // "among 0 to 3"
  std::string micro_batches_text(int stage) const {
    const auto [begin, end] = in_range(stage, stages())
                                  ? micro_batches_of(stage)
                                  : schedule::Placement::Range{0, program_.micro_batches};
    return fmt::format("among {} to {}", begin, end - 1);
  }

  const Program& program_;
  Proof& proof_;
  Findings& findings_;
  int rank_ = -1;
  std::size_t actions_ = 0;  // of that rank
  const RankProgram* here_ = nullptr;
  std::ptrdiff_t position_ = 0;
  const Instruction* now_ = nullptr;
};

}  // namespace

void check_form(const Program& program, Proof& proof, Findings& findings) {
  FormCheck(program, proof, findings).run();
}

}  // namespace lockflight::plan

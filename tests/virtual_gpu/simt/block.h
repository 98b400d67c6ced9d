// The threads of one block, as fibers on the calling thread.
//
// A fiber runs one thread after the other until one has to wait, at a barrier or for its warp;
// then the next fiber goes on with the next thread.  A kernel without barriers takes one fiber.

#pragma once

#include <cstdint>
#include <deque>
#include <vector>

#include <boost/context/fiber.hpp>

#include "virtual_gpu/simt/abi.h"
#include "virtual_gpu/simt/device.h"

namespace simt {

class Block {
 public:
  void prepare(const Launch& launch);
  /// Runs all threads of the block at `index`.  False if they wait for each other for ever, or made
  /// an impossible access, both of which are reported.
  bool run(Dimensions index);

  // Called by simulated threads.
  void barrier(int line);
  void warp_barrier(unsigned mask, int line);
  std::uint64_t exchange(unsigned mask, std::uint64_t bits, Exchange kind, int lane, int width,
                         int line);
  unsigned vote(unsigned mask, bool value, int line);

 private:
  enum class State { fresh, running, at_barrier, in_warp, released, done };
  enum class Operation { none, barrier, exchange, vote };
  struct Thread {
    Dimensions index{};
    State state = State::fresh;
    int line = 0;
    boost::context::fiber context;
  };
  struct Warp {
    unsigned lanes = 0;  // that exist
    unsigned done = 0;
    unsigned arrived = 0;
    unsigned mask = 0;  // that are waited for
    Operation operation = Operation::none;
    int line = 0;
    unsigned round = 0;
    // Of this round and the last one, which slow lanes may still have to read.
    std::uint64_t values[2][32] = {};
    unsigned masks[2] = {};
  };

  boost::context::fiber next();
  boost::context::fiber make_fiber();
  void work();
  void make_current(unsigned thread);
  void wait(State state, int line);
  void finish(unsigned thread);
  void leave_warp(unsigned thread);
  void release_barrier();
  void release_warp(unsigned warp);
  unsigned meet(unsigned mask, std::uint64_t bits, Operation operation, int line);
  void check_meeting(const Warp& warp, unsigned mask, Operation operation, int line) const;
  void report_hang();
  bool give_up();

  Launch launch_{};
  std::vector<Thread> threads_;
  std::vector<Warp> warps_;
  std::deque<unsigned> released_;
  std::vector<boost::context::fiber> idle_;
  boost::context::fiber scheduler_;
  bool abandoned_ = false;
  bool current_is_idle_ = false;  // the fiber that came back has no thread in it
  unsigned current_ = 0;
  unsigned started_ = 0;
  unsigned finished_ = 0;
  unsigned at_barrier_ = 0;
};

}  // namespace simt

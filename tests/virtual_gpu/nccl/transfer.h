// What NCCL's communication calls do: posted when their stream comes to them, over when their
// partners have come too.
//
// The calls of a group on one communicator are one operation, as they are one kernel of NCCL.  It
// runs on the stream of the first of them; the streams of the others wait for it.  A receive comes
// after what its sender did before the group; a send comes after nothing of its receiver's, because
// NCCL may buffer.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include <nccl.h>

#include "virtual_gpu/machine/machine.h"
#include "virtual_gpu/nccl/communicator.h"

namespace virtual_gpu {

struct Launch;

struct Transfer {
  enum class Kind { send, receive, all_reduce, all_gather } kind;
  const void* from;
  void* to;
  std::size_t count;
  ncclDataType_t type;
  ncclRedOp_t reduction;
  int peer;  ///< of a send or receive
  ncclComm* comm;
  Stream* stream;

  bool over = false;
  bool withdrawn = false;        ///< over without its effect
  std::weak_ptr<Launch> launch;  ///< expired: the operation was abandoned

  bool point_to_point() const { return kind == Kind::send || kind == Kind::receive; }
  std::size_t bytes() const;
};

/// One operation on a stream.
struct Launch {
  Machine& machine;
  std::vector<std::shared_ptr<Transfer>> transfers;
  std::size_t open = 0;  ///< transfers that are not over
  Clock begin;           ///< of the operation, when it was posted
  Operation* operation = nullptr;
};

/// "ncclSend (communicator 1, rank 0 of 2, to rank 1, 64 float32)".
std::string describe(const Transfer& transfer);
/// 0: a type that is not emulated.
std::size_t size_of(ncclDataType_t type);

/// The ended group: its transfers, and whether they can go to their streams yet.
class Group {
 public:
  explicit Group(std::vector<std::shared_ptr<Transfer>> transfers);
  /// Whether both ends of all connections have come.
  bool connected() const;
  /// Enqueues one operation for each communicator.
  void submit(Machine& machine);
  /// Never submits.
  void drop() const;
  bool has(const ncclComm* comm) const;
  std::string waits_for() const;

 private:
  std::vector<std::shared_ptr<Transfer>> transfers_;
};

}  // namespace virtual_gpu

// What a kernel launch needs to know about the stream it goes to.

#pragma once

#include <cstddef>
#include <cstdint>

struct CUstream_st;

namespace lockflight {
class Stream;
}

namespace lockflight::cuda {

class Blas;

enum class ComplaintKind : int { none, token_out_of_range, target_out_of_range };

/// What device code found wrong with its data.  Lies in pinned host memory, is written by device
/// code, and read after a synchronisation; of several complaints one is kept, whichever.
struct Complaint {
  int raised;  ///< set last
  ComplaintKind kind;
  long long position;  ///< of the element
  long long value;     ///< what it is
  long long limit;     ///< what it must be less than
};

struct Workspace {
  std::byte* data = nullptr;
  std::size_t bytes = 0;
};

/// One per CUDA stream.
class Queue {
 public:
  Queue(CUstream_st* stream, int device, Complaint* complaint, Workspace workspace, Blas& blas)
      : stream_(stream),
        device_(device),
        complaint_(complaint),
        workspace_(workspace),
        blas_(&blas) {}

  CUstream_st* stream() const { return stream_; }
  int device() const { return device_; }  ///< CUDA's number, current while operations are enqueued
  Complaint* complaint() const { return complaint_; }
  /// Memory of this stream alone, aligned to 256: for matrix products and partial sums.  Empty on a
  /// stream for transfers.
  Workspace workspace() const { return workspace_; }
  Blas& blas() const { return *blas_; }  ///< of the device

 private:
  CUstream_st* stream_;
  int device_;
  Complaint* complaint_;
  Workspace workspace_;
  Blas* blas_;
};

/// The queue of a stream of a CUDA device, which is current from here on; nullptr if the device has
/// failed, so that nothing more is to be enqueued.
Queue* open_queue(Stream& stream);

}  // namespace lockflight::cuda
